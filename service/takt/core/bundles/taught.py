"""What a bundle tells of the judgements that its head was taught with."""

from __future__ import annotations

import orjson
from pydantic import Field

from takt.core.bundles.strict_model import StrictModel

JUDGEMENTS = "judgements.jsonl"
"""The bundle's file with a line for each judged picture, as `takt.core.judged` describes it."""


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

    compared: int | None = Field(default=None, ge=0)
    """Number of the defects that the version before was not taught with; None: all of them."""

    found_before: int = Field(ge=0)
    """How many of the compared defects the version before finds."""

    found: int = Field(ge=0)
    """How many of them this one finds, each by a head that has not seen it."""

    bank_found_before: int = Field(ge=0)
    """How many the bank alone finds at its own threshold."""

    bank_found: int = Field(ge=0)
    """How many the bank alone finds at the threshold that it shares with the head."""


def defects_taught(lines: bytes) -> frozenset[str]:
    r"""SHA-256 of each picture of a defect that a version was taught with.

    >>> sorted(defects_taught(b'{"sha256":"0a","judgement":"defect"}\n{"judgement":"good"}\n'))
    ['0a']

    Args:
        lines: content of `judgements.jsonl`.

    Raises:
        ValueError: it has no such lines.
    """
    said = [orjson.loads(line) for line in lines.splitlines()]
    if not all(isinstance(one, dict) for one in said):
        raise ValueError("a line is no JSON object")
    return frozenset(str(one["sha256"]) for one in said if one.get("judgement") == "defect")
