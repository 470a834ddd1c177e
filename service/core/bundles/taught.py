"""What a bundle tells of the judgements that its head was taught with."""

from __future__ import annotations

from pydantic import Field

from service.core.bundles.strict_model import StrictModel

JUDGEMENTS = "judgements.jsonl"
"""The bundle's file with a line for each judged picture, as `service.core.judged` describes it."""


class TaughtRecord(StrictModel):
    """What a version was taught; the file `judgements.jsonl` has each judgement."""

    base: str
    """Version that was taught."""

    defects: int = Field(ge=1)
    """Number of judged defects."""

    good: int = Field(ge=0)
    """Number of pictures that were judged good, which only showed what turns."""

    kinds: dict[str, int]
    """Number of the defects of each named kind; those without a kind have an empty name."""

    found_before: int = Field(ge=0)
    """How many of the defects the version before finds."""

    found: int = Field(ge=0)
    """How many of them this one finds, each by a head that has not seen it."""

    bank_found_before: int = Field(ge=0)
    """How many the bank alone finds at its own threshold."""

    bank_found: int = Field(ge=0)
    """How many the bank alone finds at the threshold that it shares with the head."""
