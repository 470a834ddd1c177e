"""Errors of a fit."""

from __future__ import annotations


class FitError(ValueError):
    """Pictures or options that do not allow a fit."""


class TeacherError(ValueError):
    """A teacher to start from that is of another kind than the one to be distilled."""
