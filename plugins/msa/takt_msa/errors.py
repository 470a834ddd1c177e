"""What a measurement system analysis raises."""

from __future__ import annotations

from takt.core.errors import TaktError


class MsaError(TaktError):
    """The parts or their trials do not allow a study; the message says what is missing."""

    code = "msa"
    title = "Measurement system analysis"
