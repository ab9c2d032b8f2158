"""Scores what a release answered on held-out days, with intervals, and keeps what a later comparison needs."""
