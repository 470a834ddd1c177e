"""Trying a foreign graph: are its answers any use, and does a batch change them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import ExportError
from export.imported.feed import FeedRule
from export.imported.session import Original
from service.bundles.bundle import INPUT, OUTPUTS, Golden

NOISE = 1e-4
"""Of the largest answer: what the order of a sum may change in float32."""

SHARE = 0.01
"""Of the range of the answers: what may change where they are all as small as what is allowed."""

MOST_NOISE = 1e-3
"""No service takes a bundle whose answers change by more, unless a larger drift is allowed."""


def check_answers(answer: Golden, path: Path, tell: Callable[[str], None]) -> None:
    """Refuse answers that are no numbers, or the same whatever the picture.

    Args:
        answer: to different pictures, at least two.
        path: of the graph.
        tell: takes a warning where only the scores are the same.

    Raises:
        ExportError: they are.
    """
    hint = "check that --mean, --std, --white and --size are those of its training"
    if not (np.isfinite(answer.score).all() and np.isfinite(answer.anomaly_map).all()):
        raise ExportError(f"{path} answers with values that are not finite; {hint}")
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


def check_window(original: Original, rule: FeedRule, image: NDArray[np.uint8], path: Path) -> None:
    """Make sure that the graph does not look at what its crop leaves out.

    Raises:
        ExportError: it does.
    """
    if rule.window is None:
        return
    names = original.output_names
    black, white = (original.run(rule, image, names, surround=level) for level in (0, 255))
    if not all(np.array_equal(black[name], white[name]) for name in names):
        raise ExportError(
            f"{path} cuts a part out of its pictures, but looks at the rest too; export it without "
            "the crop, and say --crop-from"
        )


def most_at_once(
    session: Any,
    images: NDArray[np.uint8],
    batch: int | None,
    allowed: float,
    path: Path,
    tell: Callable[[str], None],
) -> int | None:
    """How many pictures a graph takes at once with the answers that it gives to each alone.

    Args:
        session: of the graph in a bundle's form.
        images: different model inputs, uint8 [N,h,w,3], at least two.
        batch: pictures that the original takes at once; None for any number.
        allowed: largest difference.
        path: of the graph, for messages.
        tell: takes a line where it is one.

    Returns:
        1, or None for any number.

    Raises:
        ExportError: it does not take one.
    """
    alone = [_run(session, image[None]) for image in images]
    if any(answer is None for answer in alone):
        raise ExportError(
            f"{path} takes exactly {batch or 'several'} pictures at once, and the service needs "
            "one that also takes one; export it with an open batch dimension"
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
        return None
    tell(
        "warning: in a batch, pictures change each other's answers (the map by "
        f"{differences[0]:.2g}, the score by {differences[1]:.2g}), so the graph gets one at a time"
    )
    return 1


def _limit(answers: NDArray[np.float32], allowed: float) -> float:
    """What a batch may change: as much as is allowed, but nothing that matters among them."""
    noise = NOISE * float(np.abs(answers).max())
    return max(min(allowed, SHARE * float(np.ptp(answers))), min(MOST_NOISE, noise))


def _run(session: Any, images: NDArray[np.uint8]) -> list[NDArray[np.float32]] | None:
    """Map and score, or None where the graph fails or does not answer each picture."""
    try:
        answers: list[NDArray[np.float32]] = session.run(list(OUTPUTS), {INPUT: images})
    except Exception:
        return None  # whatever keeps it from taking them, it does not take them
    return answers if all(len(answer) == len(images) for answer in answers) else None
