"""How far a replayed answer may lie from the recorded one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final, Literal

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Source, Verdict
from takt.core.engines.golden import bounds_of
from takt.recording.search.stored import StoredInspection

SAME_ENGINE: Final = 1e-6
"""On the same engine, as a part of an answer where that is above 1: batches of another size may
change the last digits of float32, by up to 7e-7."""

Rule = Literal["same_engine", "other_engine"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an answer may lie from the recorded one, and why.

    Attributes:
        rule: whether the same engine has answered, or another one.
        differs: fields of `Source` in which the two differ.
        score: largest difference of the score.
        peak: largest difference of a map value.
    """

    rule: Rule
    differs: tuple[str, ...]
    score: float
    peak: float


def source_of_stored(stored: StoredInspection) -> Source:
    """What has given a recorded answer."""
    return Source(**{one.name: getattr(stored, one.name) for one in fields(Source)})


def tolerance_of(
    stored: StoredInspection, source: Source, verdict: Verdict, bundle: Bundle
) -> Tolerance:
    """The tolerance of one replay.

    The same engine, of the same version on the same processor, may differ by rounding. Two engines
    that the service loads lie within their bounds of the trained model's golden answers, each on
    its side, and so within the sum of these from each other. That is measured on golden inputs:
    on other pictures engines may differ by more, which is then no rounding any more.

    Args:
        stored: the recorded inspection.
        source: what has answered now.
        verdict: the answer of now.
        bundle: that has answered both times.

    Raises:
        BundleError: it has no such variant.
    """
    before = source_of_stored(stored)
    differs = tuple(
        one.name for one in fields(Source) if getattr(before, one.name) != getattr(source, one.name)
    )
    if differs:
        variants = (before.variant, source.variant)
        bounds = [
            bounds_of(bundle.variant(name).bounds if name else bundle.manifest.tolerance)
            for name in variants
        ]
        return Tolerance(
            "other_engine",
            differs,
            sum(one.score for one in bounds),
            sum(one.anomaly_map for one in bounds),
        )
    peaks = [region.peak for region in (*stored.regions, *verdict.regions)]
    return Tolerance("same_engine", (), _rounding([stored.score]), _rounding(peaks))


def _rounding(values: Iterable[float]) -> float:
    return SAME_ENGINE * max([1.0, *map(abs, values)])
