"""Optimizers and what makes a training short."""
