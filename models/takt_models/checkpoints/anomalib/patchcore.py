"""The `.ckpt` files of anomalib's PatchCore, 1.0 to 2.7."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

from takt_models.checkpoints.anomalib.file import REMEDY, AnomalibFile, state_of
from takt_models.checkpoints.anomalib.preprocessing import Normalisation, Preparation
from takt_models.checkpoints.errors import CheckpointError, few
from takt_models.checkpoints.facts import Centre, Checkpoint, InputRecipe
from takt_models.checkpoints.files.pickles import value_of
from takt_models.checkpoints.files.weights import copied, fill
from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD
from takt_models.patchcore.anomalib.backbone import Backbone, UnknownBackboneError
from takt_models.patchcore.anomalib.config import USUAL_NEIGHBORS, JointPatchCoreConfig
from takt_models.patchcore.anomalib.detector import JointPatchCore
from takt_models.patchcore.anomalib.smoothing import gaussian

BANK = "memory_bank"
BLUR = "anomaly_map_generator.blur.kernel"
NETWORK = "feature_extractor.feature_extractor."
COUNTERS = ".num_batches_tracked"
"""Ends of the names of counters in batch norms, which only training reads."""

MOST_NUMBERS = 450_000_000
"""Largest network and bank together: an ONNX file holds 2 GiB, and this many take 1.8."""

LIKELY_BACKBONES = ("wide_resnet50_2", "resnet18", "resnet34", "resnet50", "resnet101")
"""Networks that are tried where a file does not name its own."""

NORMALISED = Normalisation(IMAGENET_MEAN, IMAGENET_STD)
DEFAULT = Preparation(InputRecipe(256, 256, "tensor_bilinear", opened_by="pillow"), NORMALISED)
DEFAULT_OF_2_0 = Preparation(
    InputRecipe(256, 256, "tensor_bilinear", Centre(224, 224), "pillow"), NORMALISED
)


def is_patchcore(content: object) -> bool:
    """Whether content is a Lightning checkpoint with a network of timm and a bank of vectors."""
    names = state_of(content).keys()
    return f"model.{BANK}" in names and any(n.startswith(f"model.{NETWORK}") for n in names)


def load_patchcore(path: Path, content: object) -> Checkpoint:
    """Makes a PatchCore of a file's content.

    Raises:
        CheckpointError: tensors do not fit, the bank is empty, the backbone or a layer of it is
            unknown, or the service cannot prepare pictures as the training did.
    """
    file = AnomalibFile(path, content)
    preparation = _preparation(file)
    stored = {name: value for name, value in file.state.items() if not name.endswith(COUNTERS)}
    state = copied(stored, path, REMEDY)
    bank = _bank(state.pop(BANK), path)
    _check_blur(state.pop(BLUR, None), path)
    if sum(tensor.numel() for tensor in state.values()) + bank.numel() > MOST_NUMBERS:
        raise CheckpointError(
            f"{path} has a bank of {len(bank)} vectors, more than one ONNX file holds: train with "
            "a smaller coreset_sampling_ratio"
        )
    backbone, layers = _network(file, state, bank.shape[1])
    # The network is compared before it takes memory: its name can stand for one of any size.
    with torch.device("meta"):
        _check_shapes(Backbone(backbone, layers), state, bank.shape[1], path)
    height, width = preparation.size
    try:
        model = JointPatchCore(
            JointPatchCoreConfig(backbone, layers, len(bank), width, height, _neighbors(file))
        )
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    names = {name: NETWORK + name for name in _tensors_of(model.encoder)}
    fill(model.encoder.network, state, names, path, REMEDY)
    model.memory.fill(bank)
    model.normalise_by(*_normalisation(preparation))
    return file.checkpoint(model.eval(), preparation)


def _preparation(file: AnomalibFile) -> Preparation:
    """The stored preparation of pictures, or the default of the release that wrote the file.

    2.0 cuts 7/8 out of its pictures, 2.1 and later nothing; since 2.3 there is a `precision`.
    """
    default = DEFAULT if "precision" in file.hyper else DEFAULT_OF_2_0
    known = len(file.assumptions)
    preparation = file.preparation(default)
    if len(file.assumptions) > known and default is DEFAULT_OF_2_0:
        file.assumptions.append(
            "written by anomalib 2.0; the default of 2.1 and 2.2, whose files look the same, is "
            f"{DEFAULT.recipe.text()}"
        )
    if str(value_of(file.hyper.get("precision"))).lower() == "float16":
        file.assumptions.append(
            "trained and answered in float16; Takt reads the same weights in float32, so that "
            "scores differ by float16's rounding"
        )
    return preparation


def _bank(bank: Tensor, path: Path) -> Tensor:
    if bank.ndim != 2 or not bank.numel():
        raise CheckpointError(
            f"{path} has an empty bank of vectors, because its training ended before it was "
            "filled: let it go on to the end of its first epoch"
        )
    return bank


def _check_blur(kernel: Tensor | None, path: Path) -> None:
    """Refuses a map that is blurred in another way than ours."""
    if kernel is None:
        return
    ours = torch.outer(gaussian(), gaussian()).float()
    if kernel.shape[-2:] != ours.shape or not torch.allclose(kernel, ours, rtol=0, atol=1e-5):
        raise CheckpointError(
            f"{path} blurs its map by another Gaussian than anomalib's own of deviation 4: {REMEDY}"
        )


def _neighbors(file: AnomalibFile) -> int:
    neighbors = file.hyper.get("num_neighbors")
    if type(neighbors) is int:
        return neighbors
    file.assumptions.append(f"num_neighbors is not stored; anomalib's default is {USUAL_NEIGHBORS}")
    return USUAL_NEIGHBORS


def _normalisation(preparation: Preparation) -> tuple[tuple[float, ...], tuple[float, ...]]:
    given = preparation.normalisation or Normalisation((0, 0, 0), (1, 1, 1))
    return given.mean, given.std


def _network(
    file: AnomalibFile, state: Mapping[str, Tensor], channels: int
) -> tuple[str, tuple[int, ...]]:
    """The backbone's name and the positions of its layers, as they are stored or recognised."""
    name, layers = file.hyper.get("backbone"), file.hyper.get("layers")
    if name is not None and (not isinstance(name, str) or "vit" in name.lower()):
        given = name if isinstance(name, str) else type(name).__name__
        raise CheckpointError(
            f"{file.path} has the backbone {given}, and Takt reads PatchCores of the convolutional "
            "networks that timm knows by name: export it to ONNX with anomalib, and give that to "
            "`takt import onnx`"
        )
    if name is None:
        name = _recognised(file, state, channels)
        file.assumptions.append(f"the backbone is not stored; its weights are those of a {name}")
    try:
        with torch.device("meta"):
            known = Backbone(name)
    except UnknownBackboneError as error:
        raise CheckpointError(
            f"{file.path} cannot be built: {error}; another release of timm may know it"
        ) from error
    if layers is not None:
        return name, _positions(layers, known.names, file)
    found = _layers(known, state, channels)
    if found is None:
        raise CheckpointError(f"{file.path} does not say which layers it joins: {REMEDY}")
    names = ", ".join(known.names[position] for position in found)
    file.assumptions.append(f"the layers are not stored; by the bank's channels they are {names}")
    return name, found


def _recognised(file: AnomalibFile, state: Mapping[str, Tensor], channels: int) -> str:
    for name in LIKELY_BACKBONES:
        with torch.device("meta"):
            known = Backbone(name)
            layers = _layers(known, state, channels)
            if layers is not None and _shapes_of(Backbone(name, layers)) == _shapes_in(state):
                return name
    raise CheckpointError(
        f"{file.path} does not say which backbone it has, and its weights are not those of "
        f"{', '.join(LIKELY_BACKBONES)}: {REMEDY}"
    )


def _layers(known: Backbone, state: Mapping[str, Tensor], channels: int) -> tuple[int, ...] | None:
    """The stages whose channels together are the bank's, the last one the network's end.

    None unless there is exactly one such choice.
    """
    tops = {name.removeprefix(NETWORK).partition(".")[0] for name in state}
    present = [position for position, name in enumerate(known.names) if name in tops]
    if not present:
        return None
    *earlier, last = present
    fitting = [
        (*some, last)
        for count in range(len(earlier) + 1)
        for some in combinations(earlier, count)
        if sum(known.channels[position] for position in (*some, last)) == channels
    ]
    return fitting[0] if len(fitting) == 1 else None


def _positions(layers: object, names: tuple[str, ...], file: AnomalibFile) -> tuple[int, ...]:
    """The positions of layers given by name, or by position as 2.7 allows."""
    given = layers if isinstance(layers, (list, tuple)) else [layers]
    positions = [
        layer if type(layer) is int else names.index(layer) if layer in names else -1
        for layer in given
    ]
    unknown = [
        repr(layer)
        for layer, position in zip(given, positions, strict=True)
        if not 0 <= position < len(names)
    ]
    if unknown or not given:
        asked = few(unknown) if given else "of no name"
        raise CheckpointError(
            f"{file.path} joins the layers {asked}, and its backbone has {', '.join(names)}: train "
            "with those"
        )
    # timm gives them in the network's order, whatever order they are asked in.
    return tuple(sorted(set(positions)))


def _check_shapes(
    backbone: Backbone, state: Mapping[str, Tensor], channels: int, path: Path
) -> None:
    if sum(backbone.channels) != channels:
        raise CheckpointError(
            f"{path} has a bank of vectors of {channels} channels, and the layers that it joins "
            f"have {sum(backbone.channels)}: {REMEDY}"
        )
    expected, found = _shapes_of(backbone), _shapes_in(state)
    if differing := sorted(
        name for name in expected if found.get(name, expected[name]) != expected[name]
    ):
        name = differing[0]
        raise CheckpointError(
            f"{path}: {name} has the shape {list(found[name])} instead of {list(expected[name])}: "
            f"{REMEDY}"
        )
    if missing := expected.keys() - found.keys():
        raise CheckpointError(
            f"{path} does not fit the backbone it says it has (missing: {few(missing)}): {REMEDY}"
        )


def _tensors_of(backbone: Backbone) -> dict[str, Tensor]:
    tensors = backbone.network.state_dict()
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTERS)}


def _shapes_of(backbone: Backbone) -> dict[str, torch.Size]:
    return {NETWORK + name: tensor.shape for name, tensor in _tensors_of(backbone).items()}


def _shapes_in(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}
