"""Fitting: the training loops of the teacher and of the models."""
