"""The self-test: does the model, at its thresholds, find defects made up on pictures of good parts?

Made-up defects are no real ones: a model that finds them may miss those of the line. One that
finds hardly any is not worth serving.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from takt.core.bundles.findings import AlphaPrice, Prices, SelfTest, SizeResult
from takt.core.bundles.next_lot import NextLot
from takt.core.bundles.thresholds import ThresholdPair
from takt.core.bundles.witnesses import anomalous
from takt.core.domain import FindingCode, Image
from takt.core.errors import CalibrationError
from takt_export.calibration.bearing import bearing
from takt_export.calibration.findings import Evidence, find
from takt_export.calibration.pictures_to_use import (
    COUNTED_ONCE,
    LEFT_OUT_AS_COPIES,
    CalibrationPictures,
    sample_evenly,
)
from takt_export.calibration.subject import Counted, Subject
from takt_export.calibration.two_groups import two_groups
from takt_export.errors import SelfTestError
from takt_export.pictures import picture_size, short_name
from takt_export.synthetic.part_mask import PartMask, estimate_part_mask
from takt_export.synthetic.sized import SHAPE_KINDS, make_defect

SIDE_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Sides of made-up defects, as shares of the side of a square of the picture's area."""

ROUNDS = 6
"""Pictures that are altered, each once for every size and kind."""

OTHERS_LOOKED_AT = 12
"""Good pictures that are looked at where none calibrates."""

ALPHAS = (0.01, 0.02, 0.05, 0.1)
"""False-reject rates whose price is told."""

FEWEST_ROUNDS = 2
BUDGET_S = 15.0
"""Time after which a slow model gets no further rounds."""

_OF_PICTURES: frozenset[FindingCode] = frozenset({"duplicate_pictures"})
"""Findings that no model has a part in."""


def self_test(subject: Subject, pictures: CalibrationPictures, *, quiet: bool) -> SelfTest:
    """Test a model on made-up defects, and gather all that speaks against it.

    Args:
        subject: the model.
        pictures: the good pictures; those that calibrate are altered, or a few others if none does.
        quiet: show no progress bar.

    Raises:
        PicturesError: a picture cannot be read.
    """
    looked, scores, peaks = pictures.unseen, subject.good_score, subject.good_peak
    if not looked:
        # The thresholds rest on scores of the fit, and these pictures may be of another part.
        looked = tuple(sample_evenly(pictures.seen, (), OTHERS_LOOKED_AT))
        seen = [subject.look(subject.read(path)) for path in looked]
        scores, peaks = np.array(seen, np.float32).reshape(len(looked), 2).T
    above = anomalous(subject.thresholds, scores, peaks)
    passing = [path for path, rejected in zip(looked, above, strict=True) if not rejected]
    altered = [passing[i * len(passing) // ROUNDS] for i in range(ROUNDS)] if passing else []
    made_up = _made_up(subject, altered, quiet=quiet)
    found = anomalous(subject.thresholds, subject.defect_score, subject.defect_peak)
    bears = None
    if subject.alpha is not None and pictures.unseen:
        bears = bearing(subject, pictures.unseen, subject.alpha, quiet=quiet)
    evidence = Evidence(
        family=subject.family,
        fit=subject.fit,
        good=len(looked),
        rejected=int(above.sum()),
        copies=pictures.copies,
        repeated=pictures.repeated,
        parts=pictures.unseen_parts.count or len(looked),
        sizes=tuple(map(picture_size, looked)),
        defects=len(found),
        missed=int((~found).sum()),
        made_up=made_up.sizes,
        odd=subject.odd,
        groups=two_groups(scores, [short_name(path) for path in looked]),
        alpha=subject.alpha,
    )
    return SelfTest(
        pictures=made_up.pictures,
        sizes=made_up.sizes,
        findings=find(evidence),
        bears=bears,
        prices=_prices(subject, np.array(made_up.witnesses).reshape(-1, 2)),
        next_lot=_next_lot(subject, subject.thresholds, subject.alpha),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def with_findings_of_pictures(tested: SelfTest, former: SelfTest) -> SelfTest:
    """A self-test with what a former one says of pictures alone, whichever model sees them."""
    kept = [
        one for one in former.findings if one.code in _OF_PICTURES and not tested.says(one.code)
    ]
    return tested.model_copy(update={"findings": (*tested.findings, *kept)})


def refuse_findings(tested: SelfTest) -> None:
    """Refuse a model that anything speaks against.

    Raises:
        SelfTestError: there are findings; names them.
    """
    if tested.findings:
        raise SelfTestError(
            "nothing was written, as --strict was given:\n" + "\n".join(finding_lines(tested))
        )


def notes_beside(tested: SelfTest | None, notes: Sequence[str]) -> list[str]:
    """The notes of which no finding says the same, with a remedy.

    Args:
        tested: with the findings, if there was a self-test.
        notes: of a bundle and of the way to it.
    """
    repeated = tested is not None and tested.says("duplicate_pictures")
    said = (COUNTED_ONCE, LEFT_OUT_AS_COPIES) if repeated else ()
    return [note for note in notes if not any(part in note for part in said)]


def finding_lines(tested: SelfTest) -> list[str]:
    """One loud line for each finding, with its remedy, and one if the model bears little."""
    lines = [f"WARNING     {one.code}: {one.text}; {one.remedy}" for one in tested.findings]
    if tested.bears is not None and tested.bears.warning is not None:
        lines.append(f"WARNING     bears little: {tested.bears.warning}")
    return lines


@dataclass(frozen=True)
class _MadeUp:
    """Results by size, the number of pictures that were altered, and each one's score and peak."""

    sizes: tuple[SizeResult, ...]
    pictures: int
    witnesses: tuple[tuple[float, float], ...]


def _made_up(subject: Subject, pictures: Sequence[Path], *, quiet: bool) -> _MadeUp:
    sides: dict[float, list[int]] = defaultdict(list)
    found: dict[float, int] = defaultdict(int)
    witnesses = []
    begun_s, rounds, thresholds = time.monotonic(), 0, subject.thresholds
    for number, path in enumerate(
        tqdm(pictures, desc="self-test", unit="round", disable=quiet or not pictures or None)
    ):
        if number >= FEWEST_ROUNDS and time.monotonic() - begun_s > BUDGET_S:
            break
        rounds += 1
        for share, side_px, picture in made_up_defects(subject.read(path), subject.counted, number):
            sides[share].append(side_px)
            score, peak = subject.look_unseen(path, picture)
            witnesses.append((score, peak))
            found[share] += score > thresholds.image or peak > thresholds.pixel
    return _MadeUp(
        tuple(
            SizeResult(
                side_px=round(median(sides[share])),
                defects=len(sides[share]),
                found=found[share],
            )
            for share in sorted(sides)
        ),
        len(set(pictures[:rounds])),
        tuple(witnesses),
    )


def _prices(subject: Subject, made_up: NDArray[np.float64]) -> Prices | None:
    """What the thresholds of each rate that the good pictures allow reject and find.

    Args:
        subject: the model.
        made_up: scores and peaks of pictures with made-up defects [n,2].
    """
    if subject.at is None or subject.alpha is None:
        return None
    priced = []
    for alpha in sorted({*ALPHAS, subject.alpha}):
        try:
            pair = subject.at(alpha)
        except CalibrationError:
            continue  # The good pictures are too few for it.
        rejected, found, given = (
            int(anomalous(pair, scores, peaks).sum())
            for scores, peaks in (
                (subject.good_score, subject.good_peak),
                (made_up[:, 0], made_up[:, 1]),
                (subject.defect_score, subject.defect_peak),
            )
        )
        priced.append(
            AlphaPrice(
                alpha=alpha,
                image=pair.image,
                pixel=pair.pixel,
                rejected=rejected,
                made_up=found,
                given=given,
                next_lot=None if (lot := _next_lot(subject, pair, alpha)) is None else lot.limit,
            )
        )
    return Prices(
        alpha=subject.alpha,
        good=len(subject.good_score),
        made_up=len(made_up),
        given=len(subject.defect_score),
        at=tuple(priced),
    )


def _next_lot(subject: Subject, pair: ThresholdPair, alpha: float | None) -> NextLot | None:
    """What the good pictures tell of the next lot at some thresholds; None if nothing."""
    if subject.by_lot is None or alpha is None:
        return None
    return subject.by_lot.next_lot(pair, alpha)


def made_up_defects(
    picture: Image, counted: Counted, number: int
) -> Iterator[tuple[float, int, Image]]:
    """A picture with a defect of each size and kind: (share, side in pixels, altered picture).

    A defect that would not show is left out.

    Args:
        picture: of a good part, RGB uint8 [H,W,3].
        counted: the pixels of it that are judged.
        number: seed of the defects.
    """
    height, width, _ = picture.shape
    part = _part(picture, counted(width, height))
    for size, share in enumerate(SIDE_SHARES):
        side_px = max(2, round(share * math.sqrt(height * width)))
        for kind_number, kind in enumerate(SHAPE_KINDS):
            rng = np.random.default_rng((number, size, kind_number))
            made = make_defect(picture, kind, side_px, part, rng)
            if made is not None:
                yield share, side_px, made.picture


def _part(picture: Image, counted: NDArray[np.bool_]) -> PartMask:
    """The pixels that show the part and count; those that count if none does both."""
    both = estimate_part_mask(picture).mask & counted
    return PartMask(both if both.any() else counted)
