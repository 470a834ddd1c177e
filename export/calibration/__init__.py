"""Finds the thresholds of a bundle."""
