"""The content that all checkpoints of anomalib share, whatever their model.

Lightning wraps the state dict in a dictionary. anomalib's additions have changed twice:

    1.x         `transform`, pickled; the thresholds of `image_threshold` and `pixel_threshold`
    2.0 to 2.6  a pre- or post-processor only where it is not the model's own, pickled among the
                hyper-parameters; the thresholds of `post_processor`
    2.7         `anomalib_pre_processor_config` and `anomalib_post_processor_config`, plain data
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from takt_models.checkpoints.anomalib.preprocessing import (
    Preparation,
    UnknownPreparationError,
    read_transforms,
)
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Checkpoint, TrainedThresholds
from takt_models.checkpoints.files.pickles import StandIn
from takt_models.checkpoints.files.weights import scalar
from takt_models.detector import Detector

FRAMEWORK = "anomalib"
REMEDY = "save it again with anomalib, or train again"

MODEL = "model."
COMPONENTS = "anomalib_components_enabled"
PRE_PROCESSOR = "anomalib_pre_processor_config"
POST_PROCESSOR = "anomalib_post_processor_config"
NEUTRAL_SENSITIVITY = 0.5


@dataclass(frozen=True)
class _Trained:
    """A threshold, and the lowest and highest value of the training; None if there is none."""

    threshold: float | None
    low: float | None
    high: float | None

    def shifted(self, sensitivity: object) -> float | None:
        """The threshold after anomalib's sensitivity has shifted it."""
        if self.threshold is None or self.low is None or self.high is None:
            return self.threshold
        if not isinstance(sensitivity, (int, float)):
            return self.threshold
        return self.threshold + (NEUTRAL_SENSITIVITY - sensitivity) * (self.high - self.low)


class AnomalibFile:
    """The content of a checkpoint, and the assumptions that its reader had to make.

    Attributes:
        path: path of the file, for messages.
        state: tensors of the model by their names without the leading `model.`.
        hyper: hyper-parameters.
        assumptions: gaps of the file, each with the default that was taken.

    >>> content = {"state_dict": {"model.a": 1}, "hyper_parameters": {"padding": True}}
    >>> file = AnomalibFile(Path("model.ckpt"), content)
    >>> file.state, file.flag("padding", default=False), file.assumptions
    ({'a': 1}, True, [])
    """

    def __init__(self, path: Path, content: object) -> None:
        self.path = path
        self.assumptions: list[str] = []
        self._content = _mapping(content)
        self._stored = state_of(content)
        self.hyper = _mapping(self._content.get("hyper_parameters"))
        self.state = {
            name.removeprefix(MODEL): value
            for name, value in self._stored.items()
            if name.startswith(MODEL)
        }

    @property
    def made_with(self) -> dict[str, str]:
        """Versions by package: anomalib's, as narrow as the file tells, and Lightning's."""
        if self._is_plain:
            anomalib = ">=2.7"
        else:
            anomalib = ">=1.0,<2.0" if "transform" in self._content else ">=2.0,<2.7"
        lightning = self._content.get("pytorch-lightning_version")
        known = {"lightning": lightning} if _is_version(lightning) else {}
        return {FRAMEWORK: anomalib, **known}

    def flag(self, name: str, *, default: bool) -> bool:
        """A hyper-parameter that is true or false, or anomalib's default for it."""
        value = self.hyper.get(name)
        if isinstance(value, bool):
            return value
        self.assumptions.append(f"{name} is not stored; anomalib's default is {default}")
        return default

    def preparation(self, default: Preparation) -> Preparation:
        """The preparation of the training's pictures; the model's default if none is stored.

        Raises:
            CheckpointError: the preparation is unknown, or the service does not reproduce it.
        """
        try:
            described = self._transforms()
            if described is not None:
                return read_transforms(described)
        except UnknownPreparationError as error:
            raise CheckpointError(
                f"{self.path} was trained on pictures prepared in a way that Takt does not "
                f"reproduce ({error}): train with a pre-processor of Resize((height, width)), then "
                "CenterCrop and Normalize where the model needs them"
            ) from error
        self.assumptions.append(
            "how pictures were prepared is not stored; anomalib's default is "
            + default.recipe.text()
        )
        return default

    def thresholds(self) -> TrainedThresholds | None:
        """The thresholds that anomalib applies, on the model's own scale; None if none is stored.

        Its post-processor compares the normalised score with 1 - sensitivity, so that

            threshold = stored + (0.5 - sensitivity) (max - min).

        By default it replaces a missing threshold of pixels by that of pictures, and the reverse.
        """
        if "image_threshold.value" in self._stored:
            # anomalib 1.0 had one lowest and one highest value for pictures and pixels together.
            ends = "normalization_metrics."
            shared = f"{ends}min" in self._stored
            image = self._trained(
                "image_threshold.value", ends + ("" if shared else "pred_scores.")
            )
            pixel = self._trained(
                "pixel_threshold.value", ends + ("" if shared else "anomaly_maps.")
            )
        else:
            image = self._trained("post_processor._image_threshold", "post_processor.image_")
            pixel = self._trained("post_processor._pixel_threshold", "post_processor.pixel_")
        config = self._post_processor()
        of_images = image.shifted(config.get("image_sensitivity"))
        of_pixels = pixel.shifted(config.get("pixel_sensitivity"))
        if config.get("enable_threshold_matching") is not False:
            of_images = of_pixels if of_images is None else of_images
            of_pixels = of_images if of_pixels is None else of_pixels
        if of_images is None or of_pixels is None:
            return None
        return TrainedThresholds(of_images, of_pixels, image.low, image.high, pixel.low, pixel.high)

    def checkpoint(self, model: Detector, preparation: Preparation) -> Checkpoint:
        """A model of this file with all that the file tells of it."""
        return Checkpoint(
            model,
            framework=FRAMEWORK,
            recipe=preparation.recipe,
            made_with=self.made_with,
            thresholds=self.thresholds(),
            assumptions=tuple(self.assumptions),
        )

    @property
    def _is_plain(self) -> bool:
        """Whether anomalib 2.7 or later wrote the file."""
        return COMPONENTS in self._content or PRE_PROCESSOR in self._content

    def _transforms(self) -> object:
        """The stored transforms of pictures; None if they are the model's default."""
        if self._is_plain:
            if _mapping(self._content.get(COMPONENTS)).get("pre_processor", True) is not True:
                raise UnknownPreparationError("its model has no pre-processor")
            described = _mapping(self._content.get(PRE_PROCESSOR)).get("transform")
            if described is None:
                raise UnknownPreparationError(
                    "its pre-processor is one that anomalib does not store"
                )
            return described
        if "transform" in self._content:
            return self._content["transform"]
        pre_processor = self.hyper.get("pre_processor", True)
        if pre_processor is True:
            return None
        described = _child(pre_processor, "transform")
        if described is None:
            raise UnknownPreparationError("its model has no pre-processor that Takt knows")
        return described

    def _post_processor(self) -> Mapping[str, Any]:
        given = self.hyper.get("post_processor")
        if isinstance(given, StandIn):
            return _mapping(given.state)
        return _mapping(self._content.get(POST_PROCESSOR))

    def _trained(self, threshold: str, ends: str) -> _Trained:
        return _Trained(
            self._number(threshold), self._number(f"{ends}min"), self._number(f"{ends}max")
        )

    def _number(self, name: str) -> float | None:
        """A finite number of the state dict; None for NaN and infinity, which stand for none."""
        number = scalar(self._stored.get(name))
        return number if number is not None and math.isfinite(number) else None


def state_of(content: object) -> Mapping[str, Any]:
    """The state dict of a Lightning checkpoint; empty for other content."""
    state = _mapping(_mapping(content).get("state_dict"))
    return {name: value for name, value in state.items() if isinstance(name, str)}


def is_lightning(content: object) -> bool:
    """Whether Lightning saved the content."""
    return "pytorch-lightning_version" in _mapping(content) and bool(state_of(content))


def _is_version(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z.+!_-]{1,40}", value) is not None


def _child(module: object, name: str) -> object:
    """A module inside the stand-in of a module."""
    return _mapping(module.get("_modules")).get(name) if isinstance(module, StandIn) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
