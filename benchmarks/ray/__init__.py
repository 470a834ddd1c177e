"""Takt on Ray Serve beside a plain application of it."""
