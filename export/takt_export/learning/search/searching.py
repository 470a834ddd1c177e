"""The search: candidates one after another while there is time, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from takt.core.domain import Json
from takt_export.learning.look import GoodPictures
from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.choosing import FoundByTrial, Gain, Tried, taken_of
from takt_export.learning.search.trials import TrialPictures, try_bank
from takt_export.learning.stages import Stages
from takt_models.fit.device import Compute

SIDES = (160, 256, 320, 384, 512, 640)
"""Sides of the input that are tried, those nearest to the default first."""

MORE_LAYERS = (4, 7, 10)
"""Blocks that are tried after the sides."""

LARGER = 2
"""Growth of the bank that is tried last."""

Trial = Callable[[BankChoice], FoundByTrial]


@dataclass(frozen=True)
class Searched:
    """What a search has tried.

    Attributes:
        tried: the default first, then the others in their order.
        no_time: ways that were not begun, as they would not have ended in time.
    """

    tried: tuple[Tried, ...]
    no_time: tuple[BankChoice, ...]

    @property
    def taken(self) -> Tried:
        """The one that is taken."""
        return taken_of(self.tried)

    @property
    def why(self) -> str:
        """Why that one is taken."""
        default, *others = self.tried
        taken = self.taken
        if not others:
            return f"keeps the default ({default.choice.text}): there was no time for another"
        if taken is not default:
            gain = Gain.of(taken.found, default.found)
            return f"takes {taken.choice.text}: finds clearly more than the default ({gain.text})"
        gains = [(Gain.of(one.found, default.found), one.choice) for one in others]
        best, choice = max(gains, key=lambda pair: pair[0].share)
        return (
            f"keeps the default ({default.choice.text}): no other finds more by two standard "
            f"errors; the best of them, {choice.text}, {best.text}"
        )

    def text(self) -> str:
        """For people: the reason, then a table of what each has found, and rejected of good."""
        rows: list[tuple[str, ...]] = [("", "made-up", "good", "defects", "held out", "seconds")]
        for one in self.tried:
            mark = "> " if one is self.taken else "  "
            shares = _shares(one.found)
            rows.append(
                (mark + one.choice.text, *map(_percent, shares.values()), f"{one.seconds:.0f}")
            )
        if not self.tried[0].found.choosing.size:
            rows = [(*row[:3], row[-1]) for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ]
        left = "; ".join(one.text for one in self.no_time)
        return "\n".join([self.why, *table, *([f"no time for: {left}"] if left else [])])

    def plain(self) -> Json:
        """For programs."""
        return {
            "taken": self.taken.choice.plain(),
            "why": self.why,
            "tried": [plain_of(one) for one in self.tried],
            "no_time": [one.plain() for one in self.no_time],
        }


def search(
    usual: BankChoice,
    trial: Trial,
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    told: Callable[[Tried], None] = lambda _: None,
) -> Searched:
    """Tries the default, and others as long as each is likely to end in time.

    Args:
        usual: the default.
        trial: tries a way to learn.
        seconds: time for all trials; that of the default is always made.
        clock: gives seconds that never go back.
        told: hears of each that was tried.
    """
    begun_s = clock()
    tried: list[Tried] = []
    no_time: list[BankChoice] = []
    for choice in _candidates(usual, tried):
        start_s = clock()
        if tried:
            last = tried[-1]
            likely_s = last.seconds * choice.work / last.choice.work
            if begun_s + seconds - start_s < likely_s:
                no_time.append(choice)
                continue
        found = trial(choice)
        tried.append(Tried(choice, found, clock() - start_s))
        told(tried[-1])
    return Searched(tuple(tried), tuple(no_time))


def search_banks(
    pictures: GoodPictures,
    defects: Sequence[Path],
    minutes: float,
    seed: int,
    compute: Compute,
    stages: Stages,
) -> Searched:
    """Searches among banks for these good pictures.

    Args:
        pictures: all good pictures.
        defects: defective pictures, half of which help to choose.
        minutes: time of the search.
        seed: seed of everything random.
        compute: device and precision.
        stages: the bar.

    Raises:
        FitError: the pictures do not do.
        LearnError: they show too few parts.
        PicturesError: one cannot be read.
    """
    dealt = TrialPictures.deal(pictures, defects, seed)
    whole_s, begun_s = round(60 * minutes), time.monotonic()

    def trial(choice: BankChoice) -> FoundByTrial:
        def tick() -> None:
            passed_s = min(whole_s, round(time.monotonic() - begun_s))
            stages.at(passed_s, whole_s, f"seconds: {choice.text}")

        return try_bank(choice, dealt, seed, compute, tick)

    return search(
        BankChoice.usual(pictures.paths, compute),
        trial,
        60 * minutes,
        told=lambda one: stages.tried(plain_of(one)),
    )


def plain_of(one: Tried) -> Json:
    """A way that was tried and what it found, for programs; None where nothing was to be found."""
    return {**one.choice.plain(), **_shares(one.found), "seconds": round(one.seconds, 1)}


def other_sides(usual: int) -> list[int]:
    """The sides to try beside the usual one, by ratio the nearest first.

    >>> other_sides(320)
    [384, 256, 512, 160, 640]
    """
    ratios = {side: max(side, usual) / min(side, usual) for side in SIDES if side != usual}
    return sorted(ratios, key=ratios.__getitem__)


def _candidates(usual: BankChoice, tried: Sequence[Tried]) -> Iterator[BankChoice]:
    """The default, other sides, then more of the rest of what is the best by then."""
    yield usual
    for side in other_sides(usual.side):
        yield replace(usual, side=side)
    yield replace(taken_of(tried).choice, layers=MORE_LAYERS)
    yield replace(taken_of(tried).choice, bank_size=LARGER * usual.bank_size)


def _shares(found: FoundByTrial) -> dict[str, float | None]:
    """What is found, and what is rejected of the good pictures held back."""
    values = {
        "made_up_found": found.made_up[np.isfinite(found.made_up)],
        "good_rejected": found.rejected,
        "defects_found": found.choosing,
        "defects_held_out_found": found.held_out,
    }
    return {name: round(float(one.mean()), 4) if one.size else None for name, one in values.items()}


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
