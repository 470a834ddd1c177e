from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.core.bundles.bundle import Golden
from takt.core.bundles.manifest import Crop
from takt_export.errors import ExportError
from takt_export.imported.checks import (
    answers_alone,
    check_answers,
    check_shapes,
    check_window,
    largest_batch,
)
from takt_export.imported.input_transform import InputTransform
from takt_export.imported.signature import InputPort
from takt_export.pictures import picture_size

FILE = Path("by-others.onnx")
IMAGES = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)


def golden(maps: list[Any], scores: list[float]) -> Golden:
    anomaly_map = np.broadcast_to(np.array(maps, np.float32)[:, None, None], (len(maps), 2, 2))
    return Golden(IMAGES, anomaly_map, np.array(scores, np.float32))


def test_answers_that_differ_are_fine() -> None:
    told: list[str] = []
    check_answers(golden([1, 2, 3], [1, 2, 3]), FILE, told.append)
    check_answers(golden([1, 1, 1], [1, 1, 2]), FILE, told.append)
    assert told == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_not_finite_are_refused(value: float) -> None:
    for answer in (golden([1, value, 2], [1, 2, 3]), golden([1, 2, 3], [1, 2, value])):
        with pytest.raises(ExportError, match="not finite; check that --mean, --std"):
            check_answers(answer, FILE, print)


def test_the_same_answer_to_every_picture_is_refused() -> None:
    with pytest.raises(ExportError, match=r"same map and the score 0\.5 to every picture; check"):
        check_answers(golden([1, 1, 1], [0.5, 0.5, 0.5]), FILE, print)


def test_the_same_score_to_every_picture_is_warned_of() -> None:
    told: list[str] = []
    check_answers(golden([1, 2, 3], [1, 1, 1]), FILE, told.append)
    assert told[0].startswith("warning: the graph gives the score 1 to every picture")


class Session:
    """Answers with each picture's mean, as `answer` changes it."""

    def __init__(self, answer: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        self._answer = answer

    def run(self, _names: list[str], feeds: dict[str, NDArray[np.uint8]]) -> list[Any]:
        score = self._answer(feeds["images"].mean(axis=(1, 2, 3)).astype(np.float32))
        return [np.repeat(score, 4).reshape(-1, 2, 2), score]


def at_once(
    answer: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    *,
    allowed: float = 1e-4,
    at_once: int = 1,
) -> tuple[int | None, list[str]]:
    told: list[str] = []
    return largest_batch(Session(answer), IMAGES, at_once, allowed, FILE, told.append), told


def test_a_graph_that_takes_each_picture_for_itself_takes_any_number() -> None:
    assert at_once(lambda score: score) == (None, [])


def test_a_graph_whose_pictures_change_each_other_gets_one_at_a_time() -> None:
    most, told = at_once(lambda score: score - score.max() / 50)
    assert most == 1
    assert told[0].startswith(
        "warning: in a batch, pictures change each other's answers (the map by "
    )


def test_noise_of_float32_is_no_such_change() -> None:
    noisy = lambda score: score + np.float32(5e-4) * (len(score) > 1)  # noqa: E731
    assert at_once(noisy)[0] is None  # on answers of up to 120
    assert at_once(lambda score: noisy(score / 1000))[0] == 1
    assert at_once(lambda score: noisy(score / 1000), allowed=1e-3)[0] is None
    assert at_once(lambda score: score + np.float32(5e-3) * (len(score) > 1))[0] == 1


def test_what_is_allowed_does_not_hide_a_change_among_tiny_answers() -> None:
    assert at_once(lambda score: (score - score.max() / 50) * np.float32(1e-7))[0] == 1
    assert at_once(lambda score: score * np.float32(1e-7))[0] is None


def refuse_unless(count: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    def answer(score: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(score) != count:
            raise RuntimeError("a Reshape")
        return score

    return answer


def test_a_graph_that_fails_on_a_batch_gets_one_at_a_time() -> None:
    most, told = at_once(refuse_unless(1))
    assert (most, told) == (
        1,
        ["the graph takes one picture at a time, so no batches are made of it"],
    )
    assert at_once(lambda score: score[:1]) == (1, told)


def test_a_graph_that_does_not_take_a_single_picture_is_refused() -> None:
    with pytest.raises(ExportError, match="does not take a single picture"):
        at_once(refuse_unless(4))


def test_a_graph_that_computes_two_at_once_is_asked_for_no_more() -> None:
    def up_to_two(score: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(score) <= 2
        return score

    assert at_once(up_to_two, at_once=2) == (2, [])


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        (lambda score: score, True),
        (lambda score: score * np.float32(1.01), False),
        (refuse_unless(2), False),
        (lambda score: np.repeat(score, 2), False),
    ],
)
def test_a_wrapped_graph_is_held_to_the_answers_of_the_original(
    answer: Callable[[NDArray[np.float32]], NDArray[np.float32]], same: bool
) -> None:
    maps, scores = Session(lambda score: score).run([], {"images": IMAGES})
    assert answers_alone(Session(answer), Golden(IMAGES, maps, scores), 1e-4) is same


def test_pictures_that_a_graph_pads_are_refused(write_pictures: Callable[..., list[Path]],
                                                 tmp_path: Path) -> None:  # fmt: skip
    pictures = write_pictures(tmp_path / "good", 2)
    columns, rows = picture_size(pictures[0])
    check_shapes(pictures, columns // 2, rows // 2, FILE)
    with pytest.raises(ExportError, match=f"{pictures[0].name} has {columns}x{rows}: pad or cut"):
        check_shapes(pictures, columns, rows + 2, FILE)


class OriginalGraph:
    """Answers with the mean of all that it was given, or of the window alone."""

    output_names = ("y",)

    def __init__(self, transform: InputTransform, window: Crop | None) -> None:
        self.transform = transform
        self._window = window

    def run(self, image: Any, names: Any, *, surround: int = 0) -> dict[str, Any]:
        canvas = np.full((self.transform.height, self.transform.width, 3), surround, np.uint8)
        canvas[self.transform.place] = image
        seen = canvas if self._window is None else canvas[self.transform.place]
        return {name: seen.mean() for name in names}


def test_a_crop_that_the_graph_looks_beyond_is_refused() -> None:
    window = Crop(x=1, y=2, width=4, height=4)
    port = InputPort("x", np.dtype("float32"), "nchw", None, 3, 8, 8)
    transform = InputTransform(port, 8, 8, window)
    check_window(OriginalGraph(transform, window), IMAGES[0], FILE)  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="looks at the rest too"):
        check_window(OriginalGraph(transform, None), IMAGES[0], FILE)  # type: ignore[arg-type]
