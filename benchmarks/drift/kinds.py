"""Good parts of several kinds that come in batches: false alarms, and how soon changes are seen.

    python -m benchmarks.drift.kinds [SET...] [--data ../shared/data] [--runs 4]

Facts need no model. Of each set up to 160 good pictures are taken, each twice with a jitter of its
own and once with each change of `changes.py`. What is measured:

- mixed: 5,000 good pictures, of a calibration of 200 from the same pool.
- batches: the pictures fall into three kinds by what they look like (k-means of their small
  pictures; the papers of `paper_piped` by their names), which come in batches of 150. The
  calibration has one half of the pictures, and the batches the other.
- faces, tints: on each picture one to six dots, and three casts of colour, as six and three kinds;
  batches of 150 of each kind, three times.
- delays: pictures until an alarm, where a change moves a fact by two deviations at least; `half`
  with the changed pictures from the other half of the set.

Each is told for the shipped rule, for what it would be without the nearest good pictures, and for
other values of `OF_A_KIND`. Below stands the least value at which at most one run of batches in
twenty has an alarm, and in fifty, with each set left out. Facts are kept in `out/kinds`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.__main__ import DATA
from benchmarks.corpus.sets import find_sets
from benchmarks.drift.changes import CHANGES, jittered
from takt.core.bundles.manifest import Preprocess
from takt.core.domain import Image, RawPicture
from takt.core.pictures.facts import (
    FACTS,
    PictureFacts,
    look_of,
    looks_without_each,
    picture_facts,
)
from takt.core.pictures.prepare import prepare
from takt.watching import calibration as calibration_module
from takt.watching.calibration import CalibratedFacts
from takt.watching.causes import CauseAlarm, CauseWatch
from takt.watching.kinds import NearestGood
from takt_export.calibration.poses import taught_poses
from takt_export.pictures import list_pictures, read_picture

GOOD = "good"
MOST, MADE_OF, BATCH, BEFORE, AFTER = 160, 60, 150, 100, 400
LEAST_MOVE = 2.0
MOST_ALARMED = (0.05, 0.02)
VALUES = (1.0, 1.25, 1.5, 2.0)
OUT = Path("out/kinds")
SEEN = Preprocess(width=256, height=256, resize="area")
WATCHED = tuple(fact.name for fact in FACTS if fact.of_picture)
_COLUMNS = [place for place, fact in enumerate(FACTS) if fact.of_picture]
_DOTS = ((0.5, 0.5), (0.3, 0.3), (0.7, 0.7), (0.7, 0.3), (0.3, 0.7), (0.5, 0.3))
_TINTS = ((1, 1, 1), (1.06, 1, 0.94), (0.94, 1, 1.06))

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """Facts of pictures of a set.

    Attributes:
        how: `good` or the name of a change [n].
        kind: by which they come in batches [n].
        picture: number of the set's picture [n].
        own: `PictureFacts.own` of each [n, 10].
        small: `PictureFacts.small` of each, uint8 [n, 64, 64].
    """

    how: NDArray[np.str_]
    kind: NDArray[np.int64]
    picture: NDArray[np.int64]
    own: Values
    small: NDArray[np.uint8]

    def beside(self, chosen: NDArray[np.int64]) -> tuple[Values, Values]:
        """Facts of those that calibrate, each beside the others, and of all beside them."""
        facts = [
            PictureFacts(tuple(own.tolist()), small.astype(np.float32))
            for own, small in zip(self.own, self.small, strict=True)
        ]
        smalls = [facts[one].small for one in chosen]
        poses = taught_poses(smalls, 1.0)
        table = [
            facts[one].beside(replace(look, poses=unseen))[_COLUMNS]
            for one, look, unseen in zip(
                chosen, looks_without_each(smalls), poses.unseen, strict=True
            )
        ]
        look = replace(look_of(smalls), poses=poses.all)
        return np.array(table, np.float64), np.array(
            [one.beside(look)[_COLUMNS] for one in facts], np.float64
        )


@dataclass
class Found:
    """What came of one rule over some runs: alarms, runs, and delays of changes."""

    mixed: int = 0
    batches: int = 0
    made: int = 0
    runs: int = 0
    made_runs: int = 0
    delays: list[int] = field(default_factory=list)
    half: list[int] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Adds another one."""
        for name in ("mixed", "batches", "made", "runs", "made_runs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays
        self.half += other.half

    def __str__(self) -> str:
        late = sum(one > 50 for one in self.delays)
        return (
            f"alarms: mixed {self.mixed} and batches {self.batches} of {self.runs}, "
            f"made kinds {self.made} of {self.made_runs}; delay {np.mean(self.delays):.1f}, "
            f"median {np.median(self.delays):.0f}, later than 50 {late} of {len(self.delays)}; "
            f"half {np.mean(self.half):.1f}, median {np.median(self.half):.0f}"
        )


def dotted(picture: Image, kind: int) -> Image:
    """With one to six dots."""
    height, width = picture.shape[:2]
    level = 230 if picture.mean() < 128 else 25
    found, radius = picture.copy(), max(2, round(0.05 * min(height, width)))
    for x, y in _DOTS[: kind + 1]:
        cv2.circle(found, (int(x * width), int(y * height)), radius, (level,) * 3, -1)
    return found


def tinted(picture: Image, kind: int) -> Image:
    """With one of three casts of colour."""
    levels = np.rint(picture * np.array(_TINTS[kind], np.float32))
    return np.clip(levels, 0, 255).astype(np.uint8)


MADE: Mapping[str, tuple[Callable[[Image, int], Image], int]] = {
    "faces": (dotted, len(_DOTS)),
    "tints": (tinted, len(_TINTS)),
}


def good_of(root: Path, most: int) -> list[Path]:
    """Good pictures of a set, evenly spread."""
    good = [*list_pictures(root / "train" / GOOD), *list_pictures(root / "test" / GOOD)]
    kept = min(len(good), most)
    return [good[at * len(good) // kept] for at in range(kept)]


def seen_of(root: Path, made: str | None) -> Seen:
    """Pictures of a set as they are, or as made kinds; kept on the disk."""
    file = OUT / f"{root.name}-{made or 'own'}.npz"
    if not file.is_file():
        OUT.mkdir(parents=True, exist_ok=True)
        rows = list(_made(root, made) if made else _own(root))
        how, kind, picture, facts = zip(*rows, strict=True)
        np.savez_compressed(
            file,
            how=np.array(how),
            kind=np.array(kind),
            picture=np.array(picture),
            own=np.array([one.own for one in facts]),
            small=np.array([one.small for one in facts]).astype(np.uint8),
        )
    with np.load(file) as kept:
        return Seen(*(kept[name] for name in ("how", "kind", "picture", "own", "small")))


def _own(root: Path) -> Iterator[tuple[str, int, int, PictureFacts]]:
    rng, paths = np.random.default_rng(0), good_of(root, MOST)
    rows = []
    for number, path in enumerate(paths):
        picture = read_picture(path)
        rows += [(GOOD, number, _facts(jittered(picture, rng))) for _ in range(2)]
        for name, change in CHANGES.items():
            rows.append((name, number, _facts(change(jittered(picture, rng)))))
    kinds: list[float]
    if root.name == "paper_piped":
        kinds = np.unique([path.name[:6] for path in paths], return_inverse=True)[1].tolist()
    else:
        first = np.array([facts.small.ravel() for how, _, facts in rows if how == GOOD][::2])
        cv2.setRNGSeed(1)
        ends = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-3)
        start = np.zeros((len(first), 1), np.int32)
        points = first.astype(np.float32)
        kinds = cv2.kmeans(points, 3, start, ends, 5, cv2.KMEANS_PP_CENTERS)[1].ravel().tolist()
    for how, number, facts in rows:
        yield how, int(kinds[number]), number, facts


def _made(root: Path, made: str) -> Iterator[tuple[str, int, int, PictureFacts]]:
    rng, (make, kinds) = np.random.default_rng(0), MADE[made]
    for number, path in enumerate(good_of(root, MADE_OF)):
        for kind in range(kinds):
            yield GOOD, kind, number, _facts(make(jittered(read_picture(path), rng), kind))


def _facts(picture: Image) -> PictureFacts:
    height, width, _ = picture.shape
    raw = RawPicture(picture.tobytes(), width, height, "rgb8")
    return picture_facts(prepare(raw, SEEN, 100_000_000).model_input, width, height)


class _NoNearest(NearestGood):
    """As if every good picture were as near as any other."""

    def _beside(self, pictures: Values, *, without_itself: bool = False) -> Values:
        return pictures


Rule = tuple[type[NearestGood], float]

RULES: Mapping[str, Rule] = {"all pictures, 1": (_NoNearest, 1.0)} | {
    f"{value:g}": (NearestGood, value) for value in VALUES
}
"""The rules that are compared, by name."""


def calibrated(table: Values, rule: Rule) -> CalibratedFacts:
    """A calibration by one of the rules."""
    nearest, value = rule
    with (
        patch.object(calibration_module, "NearestGood", nearest),
        patch.object(calibration_module, "OF_A_KIND", value),
    ):
        return CalibratedFacts(WATCHED, table)


def alarms(calibration: CalibratedFacts, stream: Values) -> list[CauseAlarm]:
    """The alarms of a stream."""
    found = CauseWatch(calibration).see_all(stream)
    return [one for one in found if isinstance(one, CauseAlarm)]


def measured(root: Path, runs: int) -> dict[str, Found]:
    """What each rule makes of a set."""
    found = {name: Found() for name in RULES}
    own = seen_of(root, None)
    for run in range(runs):
        _measure(own, np.random.default_rng(run), found)
    for made in MADE:
        seen = seen_of(root, made)
        for run in range(runs):
            rng = np.random.default_rng(run)
            everyone = np.arange(len(seen.how))
            table, facts = seen.beside(rng.choice(everyone, 200))
            stream = _batches(seen, facts, everyone, 3, rng)
            for name, rule in RULES.items():
                found[name].made += bool(alarms(calibrated(table, rule), stream))
                found[name].made_runs += 1
    return found


def _measure(seen: Seen, rng: np.random.Generator, found: dict[str, Found]) -> None:
    good = np.flatnonzero(seen.how == GOOD)
    everyone = np.ones(len(seen.how), np.bool_)
    order = rng.permutation(seen.picture.max() + 1)
    is_other = ~np.isin(seen.picture, order[: len(order) // 2])
    halves = np.array([good[seen.picture[good] == one][0] for one in order[: len(order) // 2]])
    for chosen, among in ((rng.choice(good, 200), everyone), (halves, is_other)):
        table, facts = seen.beside(chosen)
        here = good[among[good]]
        mixed = facts[rng.choice(here, 5000)]
        batches = _batches(seen, facts, here, 4, rng)
        before = facts[rng.choice(here, BEFORE)]
        streams = [
            np.concatenate([before, facts[rng.choice(np.flatnonzero(is_one & among), AFTER)]])
            for is_one in (seen.how == name for name in CHANGES)
            if _moved(facts, table, is_one, seen.how == GOOD) >= LEAST_MOVE
        ]
        for name, rule in RULES.items():
            calibration, cell = calibrated(table, rule), found[name]
            first = [
                [one.picture for one in alarms(calibration, stream) if one.picture >= BEFORE]
                for stream in streams
            ]
            delays = [one[0] - BEFORE + 1 if one else AFTER + 1 for one in first]
            if among is everyone:
                cell.mixed += bool(alarms(calibration, mixed))
                cell.delays += delays
                cell.runs += 1
            else:
                cell.batches += bool(alarms(calibration, batches))
                cell.half += delays


def _batches(
    seen: Seen, facts: Values, among: NDArray[np.int64], times: int, rng: np.random.Generator
) -> Values:
    of_kind = [among[seen.kind[among] == kind] for kind in np.unique(seen.kind)]
    some = [kind for kind in of_kind if len(kind) >= 8]
    return np.concatenate(
        [
            facts[rng.choice(some[at], BATCH)]
            for _ in range(times)
            for at in rng.permutation(len(some))
        ]
    )


def _moved(
    facts: Values, table: Values, changed: NDArray[np.bool_], good: NDArray[np.bool_]
) -> float:
    """By how many deviations a change moves the fact that it moves most."""
    away = np.abs(np.median(facts[changed], axis=0) - np.median(facts[good], axis=0))
    deviation = table.std(axis=0)
    return float((away / np.where(deviation > 1e-9, deviation, np.inf)).max())


def chosen_value(
    sets: Mapping[str, Mapping[str, Found]], without: str | None, most: float
) -> float:
    """The least value at which no more runs of batches have an alarm, with a set left out."""
    for value in VALUES:
        kept = [of_set[f"{value:g}"] for name, of_set in sets.items() if name != without]
        alarmed = sum(one.batches + one.made for one in kept)
        if alarmed <= most * sum(one.runs + one.made_runs for one in kept):
            return value
    return VALUES[-1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.drift.kinds")
    parser.add_argument("sets", nargs="*", default=(), metavar="SET")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--runs", type=int, default=4)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    sets = {root.name: measured(root, given.runs) for root in find_sets(given.data, given.sets)}
    for name, of_set in sets.items():
        print(name)
        for rule, found in of_set.items():
            print(f"  {rule:16} {found}")
    print("all")
    for rule in RULES:
        whole = Found()
        for of_set in sets.values():
            whole.add(of_set[rule])
        print(f"  {rule:16} {whole}; worst {max(whole.delays)}, half {max(whole.half)}")
    for without in (None, *(sets if len(sets) > 1 else ())):
        chosen = [f"{chosen_value(sets, without, most):g}" for most in MOST_ALARMED]
        print(f"without {without}: {' and '.join(chosen)}")


if __name__ == "__main__":
    main()
