"""Checks of a foreign graph by running it: its answers, its crop and its largest batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from takt.core.bundles.bundle import INPUT, OUTPUTS, Golden
from takt.core.domain import Batch, ModelInput
from takt_export.errors import ExportError
from takt_export.imported.original import OriginalGraph
from takt_export.imported.signature import InputPort
from takt_export.pictures import picture_size

NOISE = 1e-4
"""Largest change of an answer by float32 rounding, as a share of the largest answer."""

SHARE = 0.01
"""Largest allowed change, as a share of the answers' range; matters where all answers are tiny."""

MOST_NOISE = 1e-3
"""Upper limit of the rounding: the service refuses bundles that drift further by default."""


def check_answers(
    answer: Golden, path: Path, tell: Callable[[str], None], *, cut: bool = False
) -> None:
    """Refuse answers that are not finite, or that are the same for all pictures.

    Args:
        answer: answers to at least two different pictures.
        path: file of the graph, for messages.
        cut: whether the graph clips these answers.
        tell: takes a warning if only the scores are the same.

    Raises:
        ExportError: the answers are refused.
    """
    hint = "check that --mean, --std, --white and --size are those of its training"
    if not (np.isfinite(answer.score).all() and np.isfinite(answer.anomaly_map).all()):
        raise ExportError(f"{path} answers with values that are not finite; {hint}")
    if cut:
        hint = (
            "the graph cuts its answers off at limits, so take them as they are before that with "
            f"--before-cut; if they are the same even then, {hint}"
        )
    same_map = (answer.anomaly_map == answer.anomaly_map[0]).all()
    same_score = (answer.score == answer.score[0]).all()
    if same_map and same_score:
        raise ExportError(
            f"{path} gives the same map and the score {answer.score[0]:.6g} to every picture; "
            + hint
        )
    if same_score:
        tell(
            f"warning: the graph gives the score {answer.score[0]:.6g} to every picture that was "
            f"tried, a negative among them, so it tells nothing apart; {hint}"
        )


def check_shapes(pictures: Sequence[Path], width: int, height: int, path: Path) -> None:
    """Refuse pictures of another shape than a graph's input, where the graph pads or cuts them.

    Raises:
        ExportError: a picture is refused.
        PicturesError: a file cannot be read or is no picture.
    """
    for picture in pictures:
        columns, rows = picture_size(picture)
        if columns * height != rows * width:
            raise ExportError(
                f"{path} pads or cuts pictures before it resizes them to {width}x{height} pixels, "
                f"and the service resizes them whole, so only pictures of that shape are answered "
                f"as trained; {picture} has {columns}x{rows}: pad or cut the pictures as the "
                "training did, here and before they are sent"
            )


def check_window(original: OriginalGraph, image: ModelInput, path: Path) -> None:
    """Refuse a graph whose answers depend on the pixels outside its crop.

    Raises:
        ExportError: the graph is refused.
    """
    if original.transform.window is None:
        return
    names = original.output_names
    black, white = (original.run(image, names, surround=level) for level in (0, 255))
    if not all(np.array_equal(black[name], white[name]) for name in names):
        raise ExportError(
            f"{path} cuts a part out of its pictures, but looks at the rest too; export it without "
            "the crop, and say --crop-from"
        )


def answers_alone(session: Any, wanted: Golden, allowed: float) -> bool:
    """Whether a wrapped graph takes single pictures, and answers them as the original does."""
    for place, image in enumerate(wanted.images):
        found = _run(session, image[None])
        if found is None:
            return False
        for ours, theirs in zip(found, (wanted.anomaly_map, wanted.score), strict=True):
            if np.abs(ours - theirs[place : place + 1]).max() > _limit(theirs, allowed):
                return False
    return True


def largest_batch(
    session: Any,
    images: Batch,
    at_once: int,
    allowed: float,
    path: Path,
    tell: Callable[[str], None],
) -> int | None:
    """Largest batch in which a graph answers each picture as it does alone.

    Args:
        session: session of the wrapped graph.
        images: at least two different model inputs, [N,h,w,3].
        at_once: pictures that the graph computes however few it is given; 1 where that is open.
        allowed: largest difference of an answer.
        path: file of the graph, for messages.
        tell: takes a line where the largest batch is 1.

    Returns:
        `at_once` if that is above 1; else 1, or None for any number.

    Raises:
        ExportError: the graph does not take a single picture.
    """
    if at_once > 1:
        images = images[:at_once]
    alone = [_run(session, image[None]) for image in images]
    if any(answer is None for answer in alone):
        raise ExportError(
            f"{path} does not take a single picture, nor pictures that repeat to fill its batch; "
            "export it for one picture, or with an open batch dimension"
        )
    together = _run(session, images)
    if together is None:
        tell("the graph takes one picture at a time, so no batches are made of it")
        return 1
    apart = [np.concatenate(parts) for parts in zip(*filter(None, alone), strict=True)]
    differences = [
        float(np.abs(found - wanted).max()) for found, wanted in zip(together, apart, strict=True)
    ]
    limits = [_limit(wanted, allowed) for wanted in apart]
    if all(found <= limit for found, limit in zip(differences, limits, strict=True)):
        return at_once if at_once > 1 else None
    tell(
        "warning: in a batch, pictures change each other's answers (the map by "
        f"{differences[0]:.2g}, the score by {differences[1]:.2g}), so the graph gets one at a time"
    )
    return 1


def told_at_once(port: InputPort) -> str:
    """What a graph of a fixed batch costs, and how anomalib writes one for single pictures."""
    axes = "{2: 'height', 3: 'width'}"
    return (
        f"the graph computes {port.batch} pictures at once, no fewer: where fewer wait, the last "
        f"one is repeated, and one costs as much as {port.batch}. Of anomalib 2.7, "
        f"engine.export(model, 'onnx', onnx_kwargs={{'dynamic_axes': {{{port.name!r}: {axes}}}}}) "
        "writes a graph for one at a time"
    )


def _limit(answers: NDArray[np.float32], allowed: float) -> float:
    """Largest change of answers by a batch: as allowed, but no more than matters among them."""
    noise = NOISE * float(np.abs(answers).max())
    return max(min(allowed, SHARE * float(np.ptp(answers))), min(MOST_NOISE, noise))


def _run(session: Any, images: Batch) -> list[NDArray[np.float32]] | None:
    """Maps and scores; None if the graph fails or does not answer each picture."""
    try:
        answers: list[NDArray[np.float32]] = session.run(list(OUTPUTS), {INPUT: images})
    except Exception:
        return None  # the graph does not take this batch, whatever the reason
    return answers if all(len(answer) == len(images) for answer in answers) else None
