"""Batches of rows into the lake: validated, quarantined where bad, published by day, whole or not at all."""
