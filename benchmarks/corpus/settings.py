"""A setting: what a run changes of options, model, input and constants chosen on the corpus."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from benchmarks.corpus.sets import CorpusError
from takt_export.calibration import head_scale
from takt_export.learning.size_request import AUTO, USUAL_SIZE
from takt_export.learning.sizing import sized_patchcore
from takt_models.fit.device import Compute
from takt_models.fit.inpformer.encoders import LITE0
from takt_models.fit.patchcore import features, folds
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.input_size import InputSize
from takt_models.patchcore import detector, places
from takt_models.patchcore.config import PatchCoreConfig

ENCODER, SIZE = "encoder", "size"
"""Names that stand for what `takt learn` calls `--encoder` and `--size`."""

NOT_SET = frozenset(
    {
        "bank_sizes",
        "width",
        "height",
        ENCODER,
        "embed_dim",
        "encoder_heads",
        "directions",
        "locates",
        "seed",
    }
)
"""Fields that follow from others; seeds are counted by the run."""

OF_THE_FIT: dict[str, tuple[ModuleType, str]] = {
    "folds": (folds, "FOLDS"),
}
"""Constants that shape the banks."""

CANDIDATES = "most_candidates"

MOST_RISEN = "most_risen"

AFTER_THE_BANKS: dict[str, tuple[ModuleType, str]] = {
    "prior_maps": (places, "PRIOR_MAPS"),
    "least_spread": (places, "LEAST_SPREAD"),
    "seen_beyond": (places, "SEEN_BEYOND"),
    "scored_cells": (detector, "SCORED_CELLS"),
    MOST_RISEN: (head_scale, "MOST_RISEN"),
}
"""Constants of what comes after them."""


@dataclass(frozen=True)
class Setting:
    """What differs from the defaults, by name.

    Attributes:
        values: the given values.

    >>> Setting.parsed(["bank_size=500", "layers=4,7,10"]).text
    'bank_size=500 layers=4,7,10'
    >>> Setting().text
    'default'
    """

    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parsed(cls, words: Sequence[str]) -> Setting:
        """The setting from words such as `bank_size=500`.

        Raises:
            CorpusError: a name is unknown, or a value is of another type than its default.
        """
        values = {}
        known = defaults()
        for word in words:
            name, equals, text = word.partition("=")
            if not equals:
                raise CorpusError(f"{word!r} sets nothing; write key=value, such as bank_size=500")
            if name not in known:
                raise CorpusError(f"{name!r} cannot be set; what can is {', '.join(sorted(known))}")
            values[name] = _value(name, text, known[name])
        return cls(values)

    @property
    def text(self) -> str:
        """The setting for people."""
        words = (f"{name}={_written(value)}" for name, value in self.values.items())
        return " ".join(words) or "default"

    def options(self, seed: int) -> PatchCoreOptions:
        """The options of the fit with a seed.

        Raises:
            FitError: a value is out of its range.
        """
        return replace(PatchCoreOptions(seed=seed), **self._of(PatchCoreOptions))

    @property
    def further(self) -> dict[str, Any]:
        """What the fit's features take besides."""
        return {CANDIDATES: self.values[CANDIDATES]} if CANDIDATES in self.values else {}

    @property
    def fit_text(self) -> str:
        """What of the setting the banks hang on."""
        return Setting({k: v for k, v in self.values.items() if k not in AFTER_THE_BANKS}).text

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The constants have the setting's values meanwhile, in this process."""
        former = {}
        try:
            for name, (module, constant) in (OF_THE_FIT | AFTER_THE_BANKS).items():
                if name in self.values:
                    former[module, constant] = getattr(module, constant)
                    setattr(module, constant, self.values[name])
            yield
        finally:
            for (module, constant), value in former.items():
                setattr(module, constant, value)

    def encoder_for(self, good: Sequence[Path], compute: Compute) -> PatchCoreEncoder:
        """The encoder and the model's settings, at the size that `takt learn` takes.

        Args:
            good: pictures to fit on, whose shape may count.
            compute: device.

        Raises:
            CorpusError: the model takes no such settings.
        """
        sizing = USUAL_SIZE
        if SIZE in self.values:
            sizing = replace(sizing, size=_size(self.values[SIZE]))
        encoder, bank_size = self.values.get(ENCODER, LITE0), self.options(seed=0).bank_size
        try:
            chosen = sized_patchcore(sizing, good, encoder, bank_size, compute, lambda _: None)
        except click.BadParameter as error:
            raise CorpusError(error.message) from error
        changed = self._of(PatchCoreConfig)
        if "layers" in changed:
            changed["bank_sizes"] = (1,) * len(changed["layers"])
        try:
            return replace(chosen, config=replace(chosen.config, **changed))
        except ValueError as error:
            raise CorpusError(str(error)) from error

    def _of(self, kind: type[PatchCoreOptions | PatchCoreConfig]) -> dict[str, Any]:
        names = {one.name for one in fields(kind)} - NOT_SET
        return {name: value for name, value in self.values.items() if name in names}


def defaults() -> dict[str, Any]:
    """The value of each name that can be set."""
    constants = {
        name: getattr(module, constant)
        for name, (module, constant) in (OF_THE_FIT | AFTER_THE_BANKS).items()
    }
    return {ENCODER: LITE0, SIZE: None, CANDIDATES: features.CANDIDATES, **constants} | {
        one.name: one.default_factory() if one.default_factory is not MISSING else one.default
        for kind in (PatchCoreConfig, PatchCoreOptions)
        for one in fields(kind)
        if one.name not in NOT_SET
    }


def _value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, str) or name == SIZE:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(default, tuple) and not isinstance(value, tuple):
        value = (value,)
    if type(default) is float and type(value) is int:
        value = float(value)
    if default is not None and type(value) is not type(default):
        raise CorpusError(
            f"{name}={text}: it takes {type(default).__name__}, such as {_written(default)}"
        )
    return value


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _size(text: str) -> Any:
    sides = text.lower().split("x")
    if text == AUTO:
        return AUTO
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise CorpusError(f"size={text}: write 256, width x height as 640x256, or auto")
    return InputSize(int(sides[0]), int(sides[-1]))
