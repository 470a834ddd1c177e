"""Whether parts flow at a station, or what keeps them: its state in one word."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Final, Literal

from takt.core.domain import Json

Flow = Literal[
    "silent",
    "set_offline",
    "fault",
    "engine",
    "camera",
    "no_plc",
    "changing_recipe",
    "no_recipe",
    "undecided",
    "waiting",
    "flowing",
]

_LAST: Final = 5
"""Results that tell whether parts have decisions, and how far they are apart."""

_LATELY_S: Final = 10.0
_PAUSE: Final = 3.0
"""Parts that come more often than every 3.3 s have ceased to flow after 10 s without one; those
that come seldom, after three times as long as from one to the next."""


def flow_of(report: Json, silent_s: float, *, silent: bool) -> Flow:
    """Whether parts flow, as a station has said last.

    Its own clock tells how long ago the last part was: a PLC that is connected was heard just then.

    >>> said = {"plc": {"connected": False}, "online": True, "offline_reason": None}
    >>> flow_of(said, 0.5, silent=False)
    'no_plc'

    Args:
        report: what it has said, as the API has it.
        silent_s: time since then.
        silent: whether that is too long.
    """
    if silent:
        return "silent"
    if not report["online"]:
        why: Flow = report["offline_reason"] or "engine"
        return why
    if not report["plc"]["connected"]:
        return "no_plc"
    recipe, last = report["recipe"], report["results"][-_LAST:]
    if recipe["changing"]:
        return "changing_recipe"
    if _come(last, report["plc"]["heard_at"], silent_s):
        if any(one["result"] != "no_decision" for one in last):
            return "flowing"  # by their codes, where no recipe is in force
        return "no_recipe" if recipe["number"] == 0 else "undecided"
    return "no_recipe" if recipe["number"] == 0 else "waiting"


def _come(last: list[Json], heard_at: str | None, silent_s: float) -> bool:
    """Whether parts come: the last one is no longer ago than a pause between two."""
    at = [_moment(one["at"]) for one in last]
    if not at:
        return False
    heard = at[-1] if heard_at is None else _moment(heard_at)
    apart_s = [(two - one).total_seconds() for one, two in pairwise(at)]
    pause_s = max(_LATELY_S, _PAUSE * median(apart_s)) if apart_s else _LATELY_S
    return (heard - at[-1]).total_seconds() + silent_s <= pause_s


def _moment(text: str) -> datetime:
    """A moment of a station; without a zone it is UTC, as the API has it."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
