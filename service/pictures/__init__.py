"""Bytes in, verdict and heatmap out."""
