"""Engines: what runs a bundle's graph."""
