"""Errors of the training."""

from __future__ import annotations


class FitError(ValueError):
    """The pictures or the options do not allow a fit."""


class TeacherError(ValueError):
    """The teacher to start from is of another kind than the one that was asked for."""
