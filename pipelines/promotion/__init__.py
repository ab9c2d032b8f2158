"""Decides whether a challenger replaces the champion, registers it, and keeps the record of who decided what."""
