"""What movement a learned model says that it bears, and whether it does.

`takt learn` learns the middles of a set's good pictures, the whole way, and says what the model
bears. Then others of its good pictures, whose moved middles have real content at the border, are
inspected by the bundle. Of a model that tells the truth, few are rejected up to what it says.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from benchmarks.corpus.bearing import ALPHA
from benchmarks.corpus.measuring import Task, compute
from benchmarks.corpus.moved import Movement, middles_of, movements, read_whole
from benchmarks.corpus.moves import AS_IT_IS, Picture, absent, cut_off, lit, middle, noisy
from benchmarks.corpus.table import markdown
from takt.core.bundles.bearing import Bearing, MovementKind
from takt.core.bundles.bundle import Bundle
from takt.core.domain import RawPicture
from takt.core.engines.base import Engine
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.families.every import usual
from takt.core.inspection.offline import facts_offline
from takt.core.pictures.good_facts import GoodFacts
from takt.core.pictures.judgeable import FactLimits
from takt_export.bundling.tested import witnesses_of
from takt_export.calibration.bearing import MARGIN
from takt_export.learning.learn import LearnOptions, learn
from takt_export.learning.place import next_place
from takt_export.learning.stages import Stages
from takt_export.pictures import MAX_PIXELS

Call = Literal["good", "reject", "undecided"]

KINDS: Mapping[str, MovementKind] = {
    "shift": "shift",
    "turn": "turn",
    "darker": "light",
    "brighter": "light",
    "noise": "noise",
}

LEAST: Mapping[MovementKind, float] = {"shift": 2, "turn": 3, "light": 10}
"""What a line asks of a model."""


@dataclass(frozen=True)
class Shown:
    """Good pictures that show a movement.

    Attributes:
        within: whether the model says that it bears it.
        good: number of pictures.
        rejected: number of those that are rejected or undecided.
    """

    within: bool
    good: int
    rejected: int


@dataclass(frozen=True)
class Beyond:
    """Pictures that no model may pass.

    Attributes:
        shown: number of pictures.
        passed: number of those that are called good.
        undecided: number of those that are undecided.
    """

    shown: int
    passed: int
    undecided: int


@dataclass(frozen=True)
class SetBears:
    """What a set's model bears.

    Attributes:
        bears: as it says.
        movements: by name; `AS_IT_IS` is none.
        beyond: by name: defective parts that were found unmoved, at twice what the model bears, and
            good parts that are cut off or absent.
        core_s: processor seconds of learning.
        undecided: whether the model leaves pictures undecided without being told to.
    """

    bears: Bearing
    movements: Mapping[str, Shown]
    beyond: Mapping[str, Beyond]
    core_s: float
    undecided: bool


def measure_bears(task: Task, *, choosing: bool) -> SetBears:
    """Learns a set's middles, and inspects moved ones.

    Raises:
        PicturesError: the pictures do not do.
    """
    root, whole = middles_of(task.root, task.scratch / "middles")
    tested = [path for name, path in whole.items() if name.startswith("test/good/")]
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.process_time()
        bundle = _learned(root / "train" / "good", Path(folder))
        core_s = time.process_time() - started_s
        bears = bundle.manifest.self_test.bears if bundle.manifest.self_test else None
        assert bears is not None
        with closing(OnnxRuntimeEngine.open(bundle.model_path, threads=1)) as engine:
            judge = _Judge(bundle, engine)
            defective = [path for name, path in whole.items() if _is_defective(name)]
            beyond = {
                **dict(_twice(bears, [read_whole(path) for path in defective], judge)),
                **dict(_gone([middle(read_whole(path)) for path in tested], judge.calls)),
            }
            found = {
                one.name: _shown(one, bears, tested, judge)
                for one in movements(choosing=choosing)
                if one.name == AS_IT_IS or _asked(one.name) is not None
            }
    return SetBears(bears, found, beyond, core_s, bundle.manifest.thresholds.undecided)


def _is_defective(name: str) -> bool:
    return name.startswith("test/") and not name.startswith("test/good/")


class _Judge:
    """What a bundle says of pictures as it was learned."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self._manifest, self._engine = bundle.manifest, engine
        facts = GoodFacts.of(bundle.calibration)
        assert facts is not None
        self._look, self._limits = facts.look, FactLimits.of(facts)

    def calls(self, picture: Picture) -> Call:
        """The verdict on a picture, BGR [H,W,3]."""
        image, thresholds = _rgb(picture), self._manifest.thresholds
        height, width, _ = image.shape
        raw = RawPicture(image.tobytes(), width, height, "rgb8")
        told = facts_offline(raw, self._manifest, MAX_PIXELS).beside(self._look)
        if thresholds.undecided and self._limits.reason(told) is not None:
            return "undecided"
        score, peak = witnesses_of(self._engine, self._manifest, image)
        return "reject" if score > thresholds.image or peak > thresholds.pixel else "good"


def _rgb(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[..., ::-1])


def _twice(bears: Bearing, whole: list[Picture], judge: _Judge) -> Iterator[tuple[str, Beyond]]:
    """Defective parts that were found unmoved, at twice each bound that was met."""
    found = [picture for picture in whole if judge.calls(middle(picture)) == "reject"]

    def moved(kind: MovementKind, most: float, sign: int, picture: Picture) -> Picture:
        match kind:
            case "shift":
                return middle(picture, sign * most / 100, most / 100)
            case "turn":
                return middle(picture, degrees=sign * most)
            case "light":
                return lit(middle(picture), 1 + sign * most / 100)
            case "noise":
                return noisy(middle(picture), most)

    for kind in get_args(MovementKind):
        if bound := bears.bound(kind):
            yield (
                f"twice {kind}",
                _counted(
                    judge.calls(moved(kind, 2 * bound, sign, picture))
                    for sign in (-1, 1)
                    for picture in found
                ),
            )


def _gone(middles: list[Picture], look: Callable[[Picture], Call]) -> Iterator[tuple[str, Beyond]]:
    """Good parts of which a part is outside of the picture, and none at all."""
    yield (
        "cut off",
        _counted(look(cut_off(one, number % 4)) for number, one in enumerate(middles)),
    )
    yield "absent", _counted(look(absent(one)) for one in middles)


def _counted(calls: Iterator[Call]) -> Beyond:
    found = list(calls)
    return Beyond(len(found), found.count("good"), found.count("undecided"))


def _learned(good: Path, repository: Path) -> Bundle:
    options = LearnOptions(usual().name, ALPHA, threads=1, quiet=True)
    with Stages(quiet=True) as stages:
        place = next_place(repository, "part")
        return learn(good, None, place, options, compute(), stages).bundle


def _shown(
    movement: Movement,
    bears: Bearing,
    tested: list[Path],
    judge: _Judge,
) -> Shown:
    calls = [judge.calls(movement.alter(read_whole(path))) for path in tested]
    rejected = len(calls) - calls.count("good")
    asked = _asked(movement.name)
    within = asked is None or asked[1] <= (bears.bound(asked[0]) or 0.0)
    return Shown(within, len(tested), rejected)


def _asked(name: str) -> tuple[MovementKind, float] | None:
    """The kind and magnitude of a movement by its name; None if models do not tell of it."""
    found = re.fullmatch(r"(\w+) -?([\d.]+)\D*", name)
    if found is None or found[1] not in KINDS:
        return None
    return KINDS[found[1]], float(found[2])


def report(sets: Mapping[str, SetBears]) -> str:
    """A row for each set, and whether the models tell the truth."""
    names = [name for name in next(iter(sets.values())).movements if name != AS_IT_IS]
    rows = [
        [name, one.bears.text, *(_cell(one.movements[key]) for key in (AS_IT_IS, *names))]
        for name, one in sets.items()
    ]
    enough = [name for name, one in sets.items() if _bears_enough(one.bears)]
    undecided = [name for name, one in sets.items() if one.undecided]
    times = ", ".join(f"{name} {one.core_s:.0f}" for name, one in sets.items())
    least = ", ".join(f"{kind} {most:g}" for kind, most in LEAST.items())
    return "\n\n".join(
        [
            f"good test pictures rejected or undecided at α = {ALPHA:.0%}, per cent; in brackets "
            "beyond what the model says that it bears",
            markdown(["set", "bears", AS_IT_IS, *names], rows),
            _pooled("within", sets, within=True),
            _pooled("beyond", sets, within=False),
            f"bar: {ALPHA + MARGIN:.0%} within, or {100 * MARGIN:.0f} points more than unmoved",
            f"{len(enough)} of {len(sets)} say {least} or more: {', '.join(enough) or 'none'}",
            f"{len(undecided)} leave pictures undecided: {', '.join(undecided) or 'none'}",
            "passed, and undecided in brackets: defective parts at twice a bound, and good parts "
            "that are not there",
            _beyond(sets),
            f"core seconds of learning: {times}",
        ]
    )


def _beyond(sets: Mapping[str, SetBears]) -> str:
    names = list(dict.fromkeys(name for one in sets.values() for name in one.beyond))

    def cell(one: Beyond | None) -> str:
        return "" if one is None else f"{one.passed} ({one.undecided}) of {one.shown}"

    rows = [[key, *(cell(one.beyond.get(name)) for name in names)] for key, one in sets.items()]
    pooled = []
    for name in names:
        shown = [one.beyond[name] for one in sets.values() if name in one.beyond]
        pooled.append(cell(Beyond(*(sum(getattr(one, of) for one in shown) for of in _FIELDS))))
    return markdown(["set", *names], [*rows, ["all", *pooled]])


_FIELDS = tuple(one.name for one in fields(Beyond))


def _pooled(name: str, sets: Mapping[str, SetBears], *, within: bool) -> str:
    shown = list(_pairs(sets, within=within))
    if not shown:
        return f"{name}: nothing"
    good = sum(one.good for one, _ in shown)
    moved = sum(one.rejected for one, _ in shown) / good
    still = sum(other.rejected for _, other in shown) / good
    return f"{name}: {moved:.1%} of {good} rejected; the same unmoved: {still:.1%}"


def _pairs(sets: Mapping[str, SetBears], *, within: bool) -> Iterator[tuple[Shown, Shown]]:
    """Each moved figure of such movements, beside that of the same pictures unmoved."""
    for one in sets.values():
        for name, shown in one.movements.items():
            if name != AS_IT_IS and shown.within == within:
                yield shown, one.movements[AS_IT_IS]


def _bears_enough(bears: Bearing) -> bool:
    return all((bears.bound(kind) or 0.0) >= least for kind, least in LEAST.items())


def _cell(one: Shown) -> str:
    share = f"{100 * one.rejected / one.good:.0f}"
    return share if one.within else f"({share})"
