"""What is served beside the trained model: the graph alone, and the whole way from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from tqdm import tqdm

from takt.core.bundles.bundle import Golden
from takt.core.bundles.manifest import Crop, Drift, FileDrift, Preprocess
from takt.core.domain import Image, ModelInput
from takt.core.engines.base import Engine
from takt.core.pictures.preprocess import preprocess
from takt_export.bundling.measure import check_finite, infer_one, score_of_one
from takt_export.bundling.source import ModelSource, SourceFacts
from takt_export.errors import ExportError
from takt_export.pictures import middle_tile, named, read_model_input, read_picture
from takt_models.resizing import resized


@dataclass(frozen=True)
class Compared:
    """What is served beside the trained model.

    Attributes:
        drift: largest absolute differences.
        largest: largest absolute value of the trained model's scores and maps.
    """

    drift: Drift
    largest: float


def measure_drift(
    source: ModelSource,
    facts: SourceFacts,
    served: Preprocess,
    engine: Engine,
    pictures: Sequence[Path],
    *,
    quiet: bool,
) -> Compared:
    """The largest absolute differences between the trained model and what is served.

    The graph is compared with the model on the same inputs, and the whole way from a picture's
    file with the model behind the training's own preprocessing.

    Args:
        source: the trained model.
        facts: how its training prepared pictures; if it sees tiles, one of each picture is
            compared.
        served: how the service prepares them.
        engine: runs the graph.
        pictures: files.
        quiet: show no bar.

    Raises:
        ExportError: an answer is not finite.
        PicturesError: a picture cannot be read.
    """
    of_input, of_file, answers = _Largest(), _Largest(), _Largest()
    what = f"{facts.reference} against the graph"
    for path in tqdm(pictures, desc=what, unit="picture", disable=quiet or None):
        image = read_model_input(path, served, facts.tiling)
        found, same = infer_one(engine, image, path), _answer(source, image, path)
        of_input.take(float(found.score[0] - same.score[0]), found.anomaly_map - same.anomaly_map)
        picture = middle_tile(opened_as_trained(path, facts.preprocess), facts.tiling)
        as_trained = trained_input(picture, facts.preprocess)
        trained = same
        if not np.array_equal(as_trained, image):
            trained = _answer(source, as_trained, path)
        answers.take(float(trained.score[0]), trained.anomaly_map)
        height, width, _ = picture.shape
        ours, theirs = (score_of_one(one, facts, width, height) for one in (found, trained))
        of_file.take(ours - theirs, found.anomaly_map - trained.anomaly_map)
    drift = Drift(
        pictures=len(pictures),
        score=of_input.score,
        anomaly_map=of_input.anomaly_map,
        from_file=FileDrift(score=of_file.score, anomaly_map=of_file.anomaly_map),
    )
    return Compared(drift, largest=max(answers.score, answers.anomaly_map))


def opened_as_trained(path: Path, spec: Preprocess) -> Image:
    """A picture's file as the training opened it, RGB uint8 [H,W,3]: by Pillow where that did.

    Raises:
        PicturesError: the file cannot be read or is no picture; says which.
    """
    if spec.depth != "pillow":
        return read_picture(path, spec)
    with named(path), PIL.Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def trained_input(picture: Image, spec: Preprocess) -> ModelInput:
    """A decoded picture as the training prepared it, by the libraries that trainings use.

    OpenCV's filters are the same code in training and service.

    Args:
        picture: RGB uint8 [H,W,3].
        spec: preprocessing of the training.

    Returns:
        RGB levels 0..255 of the model's input size [h,w,3], of the type that the training fed.
    """
    if spec.resize == "area" or spec.resize == "linear":
        return preprocess(picture, spec)
    levels = resized(picture, spec.width, spec.height, spec.resize)
    crop = spec.crop or Crop(x=0, y=0, width=spec.width, height=spec.height)
    cut = levels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    return cut if spec.input == "float32" else np.rint(cut.clip(0, 255)).astype(np.uint8)


def check_drift(compared: Compared, allowed: float, *, as_trained: bool) -> None:
    """Refuse a graph, or a way to it, that answers unlike the trained model.

    Args:
        compared: as measured.
        allowed: largest difference of score and map; as a part of the largest answer where that
            is above 1, because float32 has no more digits of a distance of hundreds.
        as_trained: whether pictures are to be prepared as in the training; what another way costs
            is recorded with it, and not refused.

    Raises:
        ExportError: score or map differ by more than is allowed.
    """
    drift = compared.drift
    limit = allowed * max(1.0, compared.largest)
    whole = drift.from_file if as_trained else None
    for found, what in ((drift, "the graph answers"), (whole, "pictures' files are answered")):
        if found is not None and max(found.score, found.anomaly_map) > limit:
            raise ExportError(
                f"{what} unlike the trained model: the score differs by up to {found.score:.2g}, "
                f"the map by {found.anomaly_map:.2g}, and {limit:.2g} is allowed; if that is "
                "little beside the scores, allow more with --allow-drift of `takt export onnx` or "
                "`takt import onnx`"
            )


@dataclass
class _Largest:
    """The largest absolute values so far."""

    score: float = 0.0
    anomaly_map: float = 0.0

    def take(self, score: float, anomaly_map: NDArray[np.float32]) -> None:
        """Take the values of one picture into account."""
        self.score = max(self.score, abs(score))
        self.anomaly_map = max(self.anomaly_map, float(np.abs(anomaly_map).max()))


def _answer(source: ModelSource, image: ModelInput, path: Path) -> Golden:
    """The trained model's finite answer to one model input [H,W,3]."""
    answer = source.answer(image[None])
    check_finite(path, answer.score, answer.anomaly_map)
    return answer
