"""Tries releases on live traffic: who sees which, and what the difference was worth."""
