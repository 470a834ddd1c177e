"""Measures how well a bundle finds defects."""
