"""Measurements of the console in Chromium, before a real server."""
