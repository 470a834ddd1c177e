"""Takt's own checkpoints: safetensors files, whose loading runs no code.

Weights are stored as float16 where that loses nothing (a fit rounds them so), else as float32. All
other facts are one JSON text under the metadata key `takt`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import (
    Centre,
    Checkpoint,
    FileDepth,
    Filter,
    InputRecipe,
    SizeRange,
)
from takt_models.checkpoints.family import ModelConfig, OwnCheckpoints, own_checkpoints
from takt_models.checkpoints.files.weights import fill
from takt_models.checkpoints.good_cells import GoodCells
from takt_models.checkpoints.out_of_fold import OutOfFold
from takt_models.detector import Detector
from takt_models.efficientad.config import Size
from takt_models.efficientad.detector import PDN

FRAMEWORK = "takt"
METADATA_KEY = "takt"
FORMAT_VERSION = 1
SHIPPED_TEACHER = Path(__file__).parents[1] / "weights" / "pdn_s_lite0.safetensors"


@dataclass(frozen=True)
class FitFacts:
    """Facts of a fit that its checkpoint stores beside the weights.

    Attributes:
        config: settings that shape the model.
        seen: `picture_digest` of each good picture that the fit looked at.
        steps: optimiser steps; of a PatchCore, which has none, the pictures that it read.
        seed: seed of the fit.
        made_with: versions by package.
        framework: code base of the fit.
        preprocess: filter that resized the pictures to the input.
        resized: side in pixels of the pictures, resized to a square, if the input is their centre.
        depth: bits of files of 16 that became 8.
        encoder: name of the encoder that an INP-Former or PatchCore was fitted on, for people.
        sizes: sizes of the pictures that the fit looked at, before they were resized; None in
            files from before it was kept.
        auroc: image AUROC on held-out good pictures with made-up defects; None if not measured.
    """

    config: ModelConfig
    seen: tuple[str, ...]
    steps: int
    seed: int
    made_with: dict[str, str] = field(default_factory=dict)
    framework: str = "takt"
    preprocess: str = "area"
    resized: int | None = None
    depth: str = "full"
    encoder: str | None = None
    sizes: SizeRange | None = None
    auroc: float | None = None


def save_checkpoint(
    path: Path,
    model: Detector,
    facts: FitFacts,
    out_of_fold: OutOfFold | None = None,
    good_cells: GoodCells | None = None,
) -> None:
    """Writes a fitted model; a failure leaves the former file."""
    about: dict[str, Any] = {"kind": model.family, "facts": asdict(facts)}
    tensors = model.state_dict()
    for name, kept in (("out_of_fold", out_of_fold), ("good_cells", good_cells)):
        if kept is not None:
            about[name] = kept.plain()
            tensors |= kept.tensors()
    _write(path, tensors, about)


def kind_of(path: Path) -> str:
    """The kind of a file of ours: the name of its model's family, or `teacher`.

    Raises:
        CheckpointError: the file is absent, damaged or not ours.
    """
    return str(_read_about(path)["kind"])


def load_fitted(path: Path) -> Checkpoint:
    """Reads a fitted model.

    Raises:
        CheckpointError: the file is damaged, or of another kind or format, or its model was never
            fitted to the end.
    """
    kind = kind_of(path)
    family, own = _own_of(kind, path)
    tensors, about = _read(path, family)
    try:
        facts = _facts(about["facts"], own)
        scored = OutOfFold.taken(tensors, about.get("out_of_fold"), len(facts.seen))
        count = 0 if scored is None else len(scored.pictures)
        cells = GoodCells.taken(tensors, about.get("good_cells"), count)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} describes its fit in a way that makes no sense ({error}): fit it again"
        ) from error
    model = own.model(facts.config)
    _fill(model, tensors, path)
    own.check(model, path)
    return Checkpoint(
        model.eval(),
        framework=facts.framework,
        recipe=_recipe(facts, path),
        seen=facts.seen,
        made_with=facts.made_with,
        steps=facts.steps,
        sizes=facts.sizes,
        out_of_fold=scored,
        good_cells=cells,
        auroc=facts.auroc,
    )


def save_teacher(path: Path, network: PDN, facts: dict[str, str]) -> None:
    """Writes a teacher with facts for people; a failure leaves the former file."""
    _write(path, network.state_dict(), {"kind": "teacher", "facts": facts})


def load_teacher(path: Path | None = None) -> PDN:
    """Reads a teacher, by default the shipped one: float32, in eval mode.

    Raises:
        CheckpointError: the file is absent, damaged or of another kind.
    """
    path = path or SHIPPED_TEACHER
    tensors, _ = _read(path, "teacher")
    size: Size = "medium" if "conv6.weight" in tensors else "small"
    last = tensors.get("conv6.bias" if size == "medium" else "conv4.bias")
    if last is None or last.ndim != 1:
        raise CheckpointError(f"{path} has no last convolution: distil the teacher again")
    network = PDN(size, last.shape[0])
    _fill(network, tensors, path)
    return network.eval()


def _own_of(kind: str, path: Path) -> tuple[str, OwnCheckpoints]:
    """The family of which a file is, or is a part, and how its files are read.

    Raises:
        CheckpointError: this Takt does not know the kind.
    """
    known = dict(own_checkpoints())
    for family, own in known.items():
        if kind == family or kind in own.parts:
            return family, own
    raise CheckpointError(
        f"{path} is a checkpoint of kind {kind}: give one of kind {' or '.join(known)}"
    )


def _recipe(facts: FitFacts, path: Path) -> InputRecipe:
    height, width = facts.config.input_size
    if facts.preprocess not in get_args(Filter):
        raise CheckpointError(
            f"{path} was fitted on pictures resized by {facts.preprocess!r}, which this Takt does "
            "not know: use the version of Takt that wrote it, or fit it again"
        )
    if facts.depth not in get_args(FileDepth):
        raise CheckpointError(
            f"{path} was fitted on pictures of {facts.depth!r} bits, which this Takt does not "
            "know: use the version of Takt that wrote it, or fit it again"
        )
    resize, depth = cast(Filter, facts.preprocess), cast(FileDepth, facts.depth)
    if facts.resized is None:
        return InputRecipe(width, height, resize, depth=depth)
    if facts.resized < max(width, height):
        raise CheckpointError(
            f"{path} says that pictures were resized to {facts.resized} pixels, of which no "
            f"{width} x {height} can be cut out: fit it again"
        )
    centre = Centre(width, height)
    return InputRecipe(facts.resized, facts.resized, resize, centre, depth=depth)


def _facts(plain: dict[str, Any], own: OwnCheckpoints) -> FitFacts:
    config, sizes = own.config(plain["config"]), plain.get("sizes")
    return FitFacts(
        **{
            **plain,
            "config": config,
            "seen": tuple(plain["seen"]),
            "sizes": None if sizes is None else SizeRange(**sizes),
        }
    )


def _write(path: Path, state: dict[str, Tensor], about: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    tensors = {name: _smallest(tensor) for name, tensor in state.items()}
    text = json.dumps({"format": FORMAT_VERSION, **about}, sort_keys=True)
    # safetensors would make the file readable to its owner only.
    data = save(tensors, metadata={METADATA_KEY: text})
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _smallest(tensor: Tensor) -> Tensor:
    """The tensor as float16 if that loses nothing; whole numbers stay as they are."""
    exact = tensor.detach().cpu().contiguous()
    if not exact.is_floating_point():
        return exact
    half = exact.half()
    return half if torch.equal(half.float(), exact) else exact


def _read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, float32 unless of whole numbers, and its description."""
    about = _read_about(path)
    if about["kind"] != kind:
        raise CheckpointError(
            f"{path} is a checkpoint of kind {about['kind']}: give one of kind {kind}"
        )
    with safe_open(path, framework="pt") as file:
        tensors = {name: _widest(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    return tensors, about


def _widest(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _read_about(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist: give the path of a checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
    except SafetensorError as error:
        raise CheckpointError(_why_unreadable(path)) from error
    if text is None:
        raise CheckpointError(f"{path} was not written by Takt: give one that `takt fit` wrote")
    try:
        about = dict(json.loads(text))
        version, _ = about["format"], about["kind"]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path} has unreadable metadata: fit it again") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has checkpoint format {version}, this Takt reads {FORMAT_VERSION}: "
            "use the version of Takt that wrote it, or fit it again"
        )
    return about


def _why_unreadable(path: Path) -> str:
    """The reason why safetensors cannot read a file, for a message.

    A safetensors file begins with eight bytes of the header's length and the header's `{`.
    """
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:] == b"{":
        return f"{path} is truncated or damaged: copy it again, or fit it again"
    return f"{path} is no safetensors file: give a checkpoint that `takt fit` wrote"


def _fill(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    fill(module, tensors, {name: name for name in module.state_dict()}, path, "fit it again")
