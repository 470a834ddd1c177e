"""Which pictures are undecided: those that cannot be judged, good ones and real defects.

    python -m benchmarks.drift.undecided
    python -m benchmarks.drift.undecided --sets mvtec_bottle toy_figures

Of each set of the corpus a random half of the good pictures calibrates, at most 200; the others,
the defects and spoilt copies of the others are held against the limits of
`takt.core.pictures.judgeable`. It needs no model: no fact of an answer decides. Pictures are
seen at 320 × 320, as `takt learn` has it.

A table has the share that is undecided, by set and kind. Below it stands what other margins would
give, and which margin the rule chooses with each set left out: the least one at which no set that
is left has more than one in a hundred of its defects undecided, nor two of its good ones.

Facts are kept in `out/undecided` as they come, and the next run goes on from there.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.__main__ import DATA
from benchmarks.corpus.moves import absent, cut_off
from benchmarks.corpus.sets import find_sets
from takt.core.bundles.manifest import Preprocess
from takt.core.domain import FactName, FactVector, Image
from takt.core.pictures.facts import (
    PictureFacts,
    look_of,
    looks_without_each,
    picture_facts,
)
from takt.core.pictures.judgeable import MARGIN, FactLimits
from takt.core.pictures.pose import Pose
from takt.core.pictures.prepare import prepare
from takt_export.calibration.poses import taught_poses
from takt_export.evaluation.data_sets import read_data_set
from takt_export.pictures import list_pictures

SIDE = 320
CALIBRATE = 200
MOST = 400
"""Most good pictures of a set, evenly spread."""

SPLITS = 3
OTHERS = 20
"""Pictures of each other set that are shown as another product."""

MARGINS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
MOST_DEFECTS, MOST_GOOD = 0.01, 0.02
OUT = Path("out/undecided")
SEEN = Preprocess(width=SIDE, height=SIDE, resize="area")
MOST_PIXELS = 100_000_000

OF_THE_BAR = ("black", "white", "blurred", "half black", "half grey", "other product")
SIX = (
    *("aitex_fabric03", "aws_cookies", "bsdata_pitting"),
    *("casting_impeller", "mvtec_bottle", "toy_figures"),
)
"""Lines with a light and a lens of their own, whose pictures are sharp.

Left out are boards that are anything from blank to full (deeppcb), blurred cells (elpv_mono), and
128 pixels of four papers in one (paper_piped) and of roads (road_crackforest). The table has them.
"""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """Facts of some pictures.

    Attributes:
        own: `PictureFacts.own` of each [n, 10].
        small: `PictureFacts.small` of each, uint8 [n, 64, 64].
    """

    own: Values
    small: NDArray[np.uint8]

    @classmethod
    def of(cls, facts: Sequence[PictureFacts]) -> Seen:
        """The facts of at least one picture."""
        small = np.stack([one.small for one in facts]).astype(np.uint8)
        return cls(np.array([one.own for one in facts]), small)

    def __len__(self) -> int:
        return len(self.own)

    def each(self, chosen: NDArray[np.intp]) -> Iterator[PictureFacts]:
        """Those that are chosen."""
        for at in chosen:
            yield PictureFacts(tuple(self.own[at].tolist()), self.small[at].astype(np.float32))


def scaled(picture: Image, factor: float) -> Image:
    """The exposure times a factor."""
    levels: Image = np.clip(picture.astype(np.float32) * factor, 0, 255).astype(np.uint8)
    return levels


def blurred(picture: Image, sigma: float) -> Image:
    """Out of focus, by so many of 320 pixels."""
    return cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8, copy=False)


def covered(picture: Image, level: int, number: int) -> Image:
    """A half of a level with a camera's noise; which half goes round."""
    noise = np.random.default_rng(number).normal(level, 2 if level else 0, (SIDE, SIDE, 1))
    cover = np.clip(noise, 0, 255).astype(np.uint8).repeat(3, 2)
    half, result = SIDE // 2, picture.copy()
    part = (np.s_[:, :half], np.s_[:, half:], np.s_[:half], np.s_[half:])[number % 4]
    result[part] = cover[part]
    return result


def shifted(picture: Image, number: int) -> Image:
    """By 15 % along both axes; the border's pixels go on."""
    by = 0.15 * SIDE
    move = np.array([[1, 0, by * (-1) ** number], [0, 1, by * (-1) ** (number // 2)]])
    size = (SIDE, SIDE)
    moved = cv2.warpAffine(picture, move, size, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8, copy=False)


def posed(picture: Image, number: int, pose: Pose) -> Image:
    """Moved to one of four sides, turned, and larger or smaller; what comes in is mirrored."""
    across, down = (-1) ** number, (-1) ** (number // 2)
    pose = Pose(across * pose.shift_x, down * pose.shift_y, across * pose.turn, across * pose.size)
    return np.asarray(pose.moved(picture.astype(np.float32), 1.0), np.uint8)


SPOILT: Mapping[str, Callable[[Image, int], Image]] = {
    "black": lambda picture, _: scaled(picture, 0.02),
    "white": lambda picture, _: 255 - scaled(255 - picture, 0.05),
    "blurred": lambda picture, _: blurred(picture, 8),
    "half black": lambda picture, number: covered(picture, 0, number),
    "half grey": lambda picture, number: covered(picture, 128, number),
    "exposure x 3": lambda picture, _: scaled(picture, 3),
    "exposure / 3": lambda picture, _: scaled(picture, 1 / 3),
    "blurred by 4": lambda picture, _: blurred(picture, 4),
    "shifted 15 %": shifted,
    "shifted 8 %": lambda picture, number: posed(picture, number, Pose(0.08, 0.0)),
    "turned 8°": lambda picture, number: posed(picture, number, Pose(turn=8)),
    "10 % larger": lambda picture, number: posed(picture, 2 * number, Pose(size=0.1)),
    "cut off": lambda picture, number: cut_off(picture, number % 4),
    "absent": lambda picture, _: absent(picture),
}

EMPTY: tuple[FactName, ...] = ("likeness", "texture", "contrast")
RIGHT: Mapping[str, tuple[FactName, ...]] = {
    "black": ("brightness", "dark", "contrast"),
    "white": ("brightness", "bright", "contrast"),
    "blurred": ("sharpness", "noise"),
    "blurred by 4": ("sharpness", "noise"),
    "exposure x 3": ("brightness", "bright", "contrast"),
    "exposure / 3": ("brightness", "dark", "contrast"),
    "shifted 15 %": ("shift_x", "shift_y"),
    "shifted 8 %": ("shift_x", "shift_y"),
    "turned 8°": ("turn",),
    "10 % larger": ("size",),
    "cut off": ("shift_x", "shift_y", "likeness", "texture"),
    "absent": EMPTY,
}
"""Facts that are the right reason for what was made of pictures."""
"""What is made of good pictures, of 320 × 320: those of the bar first."""


def seen_of(path: Path) -> Image:
    """A picture as the model sees it."""
    return prepare(path.read_bytes(), SEEN, MOST_PIXELS).model_input  # type: ignore[return-value]


def good_of(root: Path) -> list[Path]:
    """Good pictures of a set, evenly spread where there are many."""
    good = [*list_pictures(root / "train" / "good"), *list_pictures(root / "test" / "good")]
    kept = min(len(good), MOST)
    return [good[at * len(good) // kept] for at in range(kept)]


def measured(root: Path, others: Sequence[Path]) -> dict[str, Seen]:
    """Facts of a set's pictures by their kind; kept on the disk.

    Args:
        root: of the set.
        others: pictures of other sets.
    """
    file = OUT / f"{root.name}.npz"
    if file.is_file():
        kept = np.load(file)
        kinds = {name.rpartition("/")[0] for name in kept.files}
        return {kind: Seen(kept[f"{kind}/own"], kept[f"{kind}/small"]) for kind in kinds}
    good = [seen_of(path) for path in good_of(root)]
    defects = [one.path for one in read_data_set(root).samples if one.defect is not None]

    def facts(pictures: Iterator[Image]) -> Seen:
        return Seen.of([picture_facts(one, SIDE, SIDE) for one in pictures])

    found = {
        "good": facts(iter(good)),
        "defects": facts(map(seen_of, defects)),
        "other product": facts(map(seen_of, others)),
        **{
            kind: facts(spoil(one, number) for number, one in enumerate(good))
            for kind, spoil in SPOILT.items()
        },
    }
    OUT.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {f"{kind}/own": one.own for kind, one in found.items()}
    arrays |= {f"{kind}/small": one.small for kind, one in found.items()}
    np.savez_compressed(file, **arrays)
    return found


@dataclass(frozen=True)
class Split:
    """A random half of the good pictures, and what is held against it.

    Attributes:
        table: facts of those that calibrate [n, facts].
        judged: facts of the others by their kind.
    """

    table: NDArray[np.float32]
    judged: Mapping[str, Sequence[FactVector]]


def splits_of(found: Mapping[str, Seen]) -> Iterator[Split]:
    """The splits of a set."""
    count = len(found["good"])
    for split in range(SPLITS):
        shuffled = np.random.default_rng(split).permutation(count)
        calibrate = min(count // 2, CALIBRATE)
        good = list(found["good"].each(shuffled[:calibrate]))
        smalls = [one.small for one in good]
        # At the line pictures may be wider than they are high; here all were made square.
        poses = taught_poses(smalls, 1.0)
        rows = [
            one.beside(replace(look, poses=unseen))
            for one, look, unseen in zip(
                good, looks_without_each(smalls), poses.unseen, strict=True
            )
        ]
        look, judged = replace(look_of(smalls), poses=poses.all), {}
        for kind, seen in found.items():
            others = shuffled[calibrate:]
            chosen = np.arange(len(seen)) if kind in ("defects", "other product") else others
            judged[kind] = [one.beside(look) for one in seen.each(chosen)]
        yield Split(np.stack(rows), judged)


def undecided(splits: Sequence[Split], margin: float) -> dict[str, float]:
    """The share of each kind that is undecided, over the splits."""
    limits = [FactLimits.beyond(split.table, margin) for split in splits]
    return {
        kind: float(
            np.mean(
                [
                    those.reason(facts) is not None
                    for those, split in zip(limits, splits, strict=True)
                    for facts in split.judged[kind]
                ]
            )
        )
        for kind in splits[0].judged
    }


def reasons(splits: Sequence[Split], kind: str) -> Counter[FactName]:
    """How often each fact is the reason for which pictures of a kind are undecided."""
    found: Counter[FactName] = Counter()
    for split in splits:
        limits = FactLimits.beyond(split.table)
        found.update(
            reason.fact for facts in split.judged[kind] if (reason := limits.reason(facts))
        )
    return found


def in_five_folds(splits: Sequence[Split]) -> int:
    """Good pictures of the calibrations that the others' limits call undecided."""
    found = 0
    for split in splits:
        fold = np.arange(len(split.table)) % 5
        for number in range(5):
            limits = FactLimits.beyond(split.table[fold != number])
            found += sum(limits.reason(row) is not None for row in split.table[fold == number])
    return found


def chosen_margin(by_margin: Mapping[float, Mapping[str, dict[str, float]]], without: str) -> float:
    """The least margin that keeps defects and good pictures of all sets but one."""
    return next(
        margin
        for margin, sets in sorted(by_margin.items())
        if all(
            shares["defects"] <= MOST_DEFECTS and shares["good"] <= MOST_GOOD
            for name, shares in sets.items()
            if name != without
        )
    )


def table(sets: Mapping[str, dict[str, float]]) -> Iterator[str]:
    """The share of each set and kind, in Markdown."""
    kinds = ("good", "defects", *OF_THE_BAR, *(one for one in SPOILT if one not in OF_THE_BAR))
    yield " | ".join(("| set", *kinds)) + " |"
    yield "|---" * (len(kinds) + 1) + "|"
    for name, shares in sets.items():
        yield " | ".join((f"| {name}", *(f"{100 * shares[kind]:.1f} %" for kind in kinds))) + " |"
    mean = [float(np.mean([shares[kind] for shares in sets.values()])) for kind in kinds]
    yield " | ".join(("| mean", *(f"{100 * share:.1f} %" for share in mean))) + " |"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser("python -m benchmarks.drift.undecided", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sets")
    parser.add_argument("--sets", nargs="*", default=(), help="names of sets; all without")
    asked = parser.parse_args()
    everything = find_sets(asked.data)
    found = {}
    for root in find_sets(asked.data, asked.sets):
        random = np.random.default_rng(0)
        others = [
            paths[at]
            for paths in (good_of(one) for one in everything if one != root)
            for at in random.choice(len(paths), OTHERS, replace=False)
        ]
        found[root.name] = list(splits_of(measured(root, others)))
    by_margin = {
        margin: {name: undecided(splits, margin) for name, splits in found.items()}
        for margin in MARGINS
    }
    print(f"Undecided at a margin of {MARGIN:g} spreads\n", *table(by_margin[MARGIN]), sep="\n")
    six = {name: shares for name, shares in by_margin[MARGIN].items() if name in SIX}
    print(f"\nThe six of the bar: {', '.join(six)}")
    for kind in ("good", "defects", *OF_THE_BAR):
        print(f"  {kind}: {100 * np.mean([shares[kind] for shares in six.values()]):.2f} %")
    print(
        "\n| margin | good, worst | defects, mean | worst | of the bar, mean | of the six, least |"
    )
    print("|---|---|---|---|---|---|")
    for margin, sets in by_margin.items():
        good, defects = ([shares[kind] for shares in sets.values()] for kind in ("good", "defects"))
        mean = np.mean([[shares[kind] for kind in OF_THE_BAR] for shares in sets.values()])
        of_six = [shares for name, shares in sets.items() if name in SIX]
        least = min(np.mean([shares[kind] for shares in of_six]) for kind in OF_THE_BAR)
        shown = (max(good), np.mean(defects), max(defects), mean, least)
        print(f"| {margin:g} |", " | ".join(f"{100 * share:.1f} %" for share in shown), "|")
    print("\nReasons; right ones are those that say what was done")
    for kind, right in RIGHT.items():
        of_kind: Counter[FactName] = Counter()
        for splits in found.values():
            of_kind += reasons(splits, kind)
        told = sum(of_kind.values())
        named = sum(of_kind[fact] for fact in right)
        most = ", ".join(f"{fact} {count}" for fact, count in of_kind.most_common(5))
        print(f"  {kind}: right {100 * named / max(1, told):.0f} % of {told}: {most}")
    print("\nGood pictures that calibrate and are undecided in five folds")
    for name, splits in found.items():
        print(f"  {name}: {in_five_folds(splits)} of {sum(len(one.table) for one in splits)}")
    for name in found if len(found) > 1 else ():
        margin = chosen_margin(by_margin, name)
        there = by_margin[margin][name]
        print(
            f"without {name}: {margin:g}; of its defects {100 * there['defects']:.1f} % undecided, "
            f"of its good ones {100 * there['good']:.1f} %"
        )


if __name__ == "__main__":
    main()
