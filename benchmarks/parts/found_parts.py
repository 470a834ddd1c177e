"""How many parts with a defect are found, and how many good ones rejected, by ways to judge views.

    python -m benchmarks.parts.found_parts DATA/SET... --splits 24

Ways to have thresholds of a part's n views:

- `own`: the model's own thresholds at α/n, by which a part was judged at first;
- `share`: each view at α/n on the common scale of score and peak;
- `tail`: all views together at α, where the calibrations know which parts they show, on the scale
  by the mean of the tail, which a recipe takes for scores out of fold;
- `quantiles`: the same on the scale of quantiles, which a recipe takes otherwise.

The scores that calibrate are those of the fit out of fold, `fold`, or those of pictures that were
held back, `held`: 60 % of those that no fit has seen.

Parts are made up of real pictures in two manners, of which the second is what a line has:

- `apart`: the views are pictures of as many sets, so that they have nothing to do with each other.
  The first one is the set that is named, and shows the defect. Sets follow each other by size.
- `alike`: the views are the halves, or the quarters, of one picture, as if a camera saw no more:
  they share light, place and look. The defect is where it is.

The good pictures of a set are split at random, as `benchmarks.parts.good_parts` does, and a bank
is fitted to some. Each rate of a set is the mean over its splits; a mean or the worst over the sets
is of those that have pictures enough for every way. A way is chosen by what it finds less what it
rejects beyond α; the last tables leave each set out of the choice. A split is left out of all sets
where a bank sees most of the good pictures that it does not know beyond those that calibrate, so
that every way rejects them; it is named.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.good_parts import ALPHAS, BANK, CANDIDATES, PAIRINGS, VIEWS, on_one_thread
from benchmarks.patchcore.splits import (
    WHOLE,
    Split,
    Task,
    Window,
    fit_and_judge_windows,
    kept_of,
    known_set,
)
from service.core.bundles.bundle import Bundle, Calibration, load_bundle
from service.core.bundles.conformal import calibrate, needed_for
from service.core.bundles.witnesses import BothThresholds, anomalous
from service.multiview.view_thresholds import thresholds_of_views

Way = Literal["own", "share", "tail", "quantiles"]
WAYS: tuple[Way, ...] = get_args(Way)
JOINT: tuple[Way, ...] = ("tail", "quantiles")
Made = Literal["apart", "alike"]
Scored = Literal["fold", "held"]

HELD_BACK = 0.6
"""Share of the judged good pictures that calibrate instead of those of the fit."""

_FIRST, _SECOND = (0, 0.5), (0.5, 1)
HALVES = (Window("left", columns=_FIRST), Window("right", columns=_SECOND))
QUARTERS = tuple(
    Window(f"{row}-{column}", rows, columns)
    for row, rows in (("top", _FIRST), ("bottom", _SECOND))
    for column, columns in (("left", _FIRST), ("right", _SECOND))
)
WINDOWS: Mapping[int, tuple[Window, ...]] = {2: HALVES, 4: QUARTERS}
ALL = (WHOLE, *HALVES, *QUARTERS)

_NONE = np.zeros(0, np.float32)


@dataclass(frozen=True)
class PartsOfViews:
    """What splits say of parts, as [witness, part] for each view.

    Attributes:
        good: that calibrate; of a view there may be more than of another.
        judged: good ones that no fit has seen.
        defects: ones with a defect.
    """

    good: tuple[NDArray[np.float32], ...]
    judged: tuple[NDArray[np.float32], ...]
    defects: tuple[NDArray[np.float32], ...]

    @classmethod
    def apart(cls, splits: Sequence[Split]) -> PartsOfViews:
        """Parts whose views are pictures of different sets, made many times over."""
        judged = [np.array(one.judged, np.float32) for one in splits]
        defects = np.array(splits[0].defects, np.float32)
        rng = np.random.default_rng(splits[0].number)

        def drawn(parts: int) -> list[NDArray[np.float32]]:
            return [some[:, rng.integers(some.shape[1], size=parts)] for some in judged]

        others = drawn(PAIRINGS * defects.shape[1])
        return cls(
            tuple(np.array(one.good, np.float32) for one in splits),
            tuple(drawn(PAIRINGS * judged[0].shape[1])),
            (np.tile(defects, PAIRINGS), *others[1:]),
        )

    @classmethod
    def alike(cls, windows: Sequence[Split]) -> PartsOfViews:
        """Parts whose views are windows of one picture."""
        kinds = ("good", "judged", "defects")
        return cls(
            *(tuple(np.array(getattr(one, kind), np.float32) for one in windows) for kind in kinds)
        )

    @property
    def known(self) -> int:
        """Good parts that calibrate every view."""
        return min(int(one.shape[1]) for one in self.good)

    def rates(self, thresholds: Sequence[BothThresholds]) -> tuple[float, float]:
        """Shares of the good parts and of the defective ones that are rejected."""
        good, defects = (
            np.any(
                [
                    anomalous(pair, scores, peaks)
                    for pair, (scores, peaks) in zip(thresholds, parts, strict=True)
                ],
                axis=0,
            ).mean()
            for parts in (self.judged, self.defects)
        )
        return float(good), float(defects)

    def allow(self, way: Way, alpha: float) -> bool:
        """Whether there are pictures enough for a way."""
        return self.known >= needed_for(alpha if way in JOINT else alpha / len(self.good))

    def thresholds(self, way: Way, alpha: float, bundle: Bundle) -> Sequence[BothThresholds]:
        """Those of each view, by a way that is allowed."""
        views = len(self.good)
        if way == "own":
            return [calibrate(scores, peaks, alpha / views) for scores, peaks in self.good]
        # By what a bundle promises a recipe knows which scores it has.
        promise = "measured" if way == "tail" else "proven"
        own = bundle.manifest.thresholds.model_copy(update={"promise": promise})
        return thresholds_of_views(
            [
                replace(
                    bundle,
                    manifest=bundle.manifest.model_copy(
                        update={"name": f"view-{number}", "thresholds": own}
                    ),
                    calibration=Calibration(
                        scores,
                        peaks,
                        _NONE,
                        _NONE,
                        parts=np.arange(len(scores) if way in JOINT else 0).astype(np.str_),
                    ),
                )
                for number, (scores, peaks) in enumerate(self.good)
            ],
            alpha,
        )


@dataclass(frozen=True)
class Rate:
    """What one way does to the parts of one set.

    Attributes:
        name: of the set.
        scored: which scores calibrate.
        made: how its parts are made.
        views: of a part.
        alpha: that was asked for.
        way: of the thresholds.
        rejected: share of good parts.
        found: share of defective ones.
    """

    name: str
    scored: Scored
    made: Made
    views: int
    alpha: float
    way: Way
    rejected: float
    found: float

    @property
    def worth(self) -> float:
        """What is found less what is rejected beyond α."""
        return self.found - max(0.0, self.rejected - self.alpha)


Splits = Sequence[Mapping[str, Split]]
"""What each split of a set says, by the window's name."""


def held_back(split: Split) -> Split:
    """The split if some of the judged pictures calibrated, and not those of the fit."""
    most = int(HELD_BACK * len(split.judged[0]))
    return replace(
        split,
        good=[one[:most] for one in split.judged],
        judged=[one[most:] for one in split.judged],
    )


def rates_of(sets: Mapping[str, Splits], bundle: Bundle) -> Iterator[Rate]:
    """The rates of each set by every way that the pictures allow.

    Args:
        sets: by name.
        bundle: that calibrations are put into.
    """
    held = {
        name: [{window: held_back(one) for window, one in split.items()} for split in splits]
        for name, splits in sets.items()
    }
    cases: tuple[tuple[Scored, Mapping[str, Splits]], ...] = (("fold", sets), ("held", held))
    for scored, some in cases:
        by_size = sorted(some, key=lambda name: -len(sets[name][0][WHOLE.name].good[0]))
        for place, name in enumerate(by_size):
            for views in VIEWS:
                ring = [by_size[(place + step) % len(by_size)] for step in range(views)]
                case = Rate(name, scored, "apart", views, 0, "own", 0, 0)
                for made, parts in _made(some, ring, views):
                    yield from _rates(replace(case, made=made), parts, bundle)


def _made(
    sets: Mapping[str, Splits], ring: Sequence[str], views: int
) -> Iterator[tuple[Made, list[PartsOfViews]]]:
    """The parts of a set, which is the first of a ring, as they can be made."""
    if len(set(ring)) == views:
        together = zip(*(sets[name] for name in ring), strict=True)
        yield (
            "apart",
            [PartsOfViews.apart([one[WHOLE.name] for one in some]) for some in together],
        )
    yield (
        "alike",
        [
            PartsOfViews.alike([split[window.name] for window in WINDOWS[views]])
            for split in sets[ring[0]]
        ],
    )


def _rates(case: Rate, parts: Sequence[PartsOfViews], bundle: Bundle) -> Iterator[Rate]:
    for alpha in ALPHAS:
        for way in WAYS:
            if parts[0].allow(way, alpha):
                rejected, found = np.mean(
                    [one.rates(one.thresholds(way, alpha, bundle)) for one in parts], axis=0
                ).tolist()
                yield replace(case, alpha=alpha, way=way, rejected=rejected, found=found)


def table(rates: Sequence[Rate]) -> Iterator[str]:
    """Mean and worst over the sets, by every way; where one is refused, by the others."""
    yield "| scores | parts | views | α, % | way | sets | good parts rejected, % | found, % |"
    yield "|---" * 8 + "|"
    for case in dict.fromkeys(map(_case, rates)):
        here = [one for one in rates if _case(one) == case]
        by_way = {way: {one.name: one for one in here if one.way == way} for way in WAYS}
        able = set(by_way["share"])
        for which, names in (("all ways", able), ("joint alone", set(by_way["tail"]) - able)):
            for way in WAYS:
                some = [one for name, one in by_way[way].items() if name in names]
                if some:
                    scored, made, views, alpha = case
                    yield (
                        f"| {scored} | {made} | {views} | {100 * alpha:g} | {way} "
                        f"| {len(some)}, {which} "
                        f"| {_both([one.rejected for one in some], max)} "
                        f"| {_both([one.found for one in some], min)} |"
                    )


def choices(rates: Sequence[Rate], scored: Scored, one: Way, other: Way) -> Iterator[str]:
    """What the other sets would choose between two ways, for each set that is left out."""
    yield f"| {scored}, without | chosen | {other} less {one}: rejected, found, worth, points |"
    yield "|---" * 3 + "|"
    pairs = _pairs([rate for rate in rates if rate.scored == scored], one, other)
    names = sorted({before.name for before, _ in pairs})
    for left_out in ("", *names):
        others = [
            np.mean([b.worth - a.worth for a, b in pairs if a.name == name])
            for name in names
            if name != left_out
        ]
        chosen = other if np.mean(others) > 0 else one
        there = [(a, b) for a, b in pairs if left_out in ("", a.name)]
        moved = np.mean(
            [(b.rejected - a.rejected, b.found - a.found, b.worth - a.worth) for a, b in there],
            axis=0,
        )
        yield f"| {left_out or 'none'} | {chosen} | {', '.join(f'{100 * x:+.2f}' for x in moved)} |"


def _case(rate: Rate) -> tuple[Scored, Made, int, float]:
    return rate.scored, rate.made, rate.views, rate.alpha


def _pairs(rates: Sequence[Rate], one: Way, other: Way) -> list[tuple[Rate, Rate]]:
    """The rates of two ways in the cases that both are possible in."""
    after = {(rate.name, _case(rate)): rate for rate in rates if rate.way == other}
    return [
        (rate, after[rate.name, _case(rate)])
        for rate in rates
        if rate.way == one and (rate.name, _case(rate)) in after
    ]


def _both(values: Sequence[float], worst: Callable[[Sequence[float]], float]) -> str:
    return f"{100 * float(np.mean(values)):.2f} ({100 * worst(values):.1f})"


def splits_of(task: Task, count: int) -> list[dict[str, Split]]:
    """The first splits of a set by window; those that are not kept yet are fitted."""
    known = known_set(task)
    kept = {window.name: kept_of(task, known, window) for window in ALL}
    for number in sorted({one for some in kept.values() for one in some.missing(count)}):
        judged = fit_and_judge_windows(known, task, number, ALL)
        for window, split in zip(ALL, judged, strict=True):
            if number in kept[window.name].missing(count):
                kept[window.name].add(split)
    by_window = {name: some.splits(count) for name, some in kept.items()}
    return [{name: some[n] for name, some in by_window.items()} for n in range(count)]


def has_failed(split: Split) -> bool:
    """Whether most of the judged good pictures score higher than nearly all that calibrate."""
    return bool(np.median(split.judged[0]) > np.quantile(split.good[0], 0.95))


def main() -> None:
    """Fit what is not kept yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path, help="folders of the sets")
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--size", type=int, help="side of the input; else as takt learn takes it")
    given = parser.parse_args()
    on_one_thread()
    bundle = load_bundle(Path("examples/models/pitting/1"))
    sets = {
        root.name: splits_of(Task(root, BANK, CANDIDATES, given.size), given.splits)
        for root in given.sets
    }
    failed = {
        (name, number)
        for name, splits in sets.items()
        for number, one in enumerate(splits)
        if has_failed(one[WHOLE.name])
    }
    for name, number in sorted(failed):
        print(f"left out: split {number}, which has failed on {name}")
    left = [number for number in range(given.splits) if number not in {one for _, one in failed}]
    sets = {name: [splits[number] for number in left] for name, splits in sets.items()}
    rates: list[Rate] = []
    print("| set | scores | parts | views | α, % | way | good parts rejected, % | found, % |")
    print("|---" * 8 + "|")
    for one in rates_of(sets, bundle):
        print(
            f"| {one.name} | {one.scored} | {one.made} | {one.views} | {100 * one.alpha:g} "
            f"| {one.way} | {100 * one.rejected:.2f} | {100 * one.found:.1f} |",
            flush=True,
        )
        rates.append(one)
    pairs: tuple[tuple[Way, Way], ...] = (
        ("own", "share"),
        ("quantiles", "tail"),
        ("share", "tail"),
        ("share", "quantiles"),
    )
    every = [choices(rates, scored, *pair) for scored in get_args(Scored) for pair in pairs]
    for lines in (table(rates), *every):
        print()
        for line in lines:
            print(line)


if __name__ == "__main__":
    main()
