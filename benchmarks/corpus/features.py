"""The encoder's features of a set's pictures: computed once with OpenVINO, and kept on disk.

Each block has a file of its own, float16 [N,C,h,w], so that settings of other layers share them. In
float32 OpenVINO's answers differ from torch's by about 1e-5, less than float16 keeps.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.corpus.sets import CorpusError
from takt.core.pictures.placement import PlacedAxis, Placement
from takt.core.pictures.prepare import prepare
from takt.core.pictures.turning import NO_TURN
from takt_export.bundling.checkpoint_source import preprocess_of
from takt_export.pictures import MAX_PIXELS, named
from takt_models.fit.patchcore import moving
from takt_models.fit.patchcore.encoders import PatchCoreEncoder, load_into
from takt_models.fit.patchcore.moving import Movement
from takt_models.fit.pictures import as_image
from takt_models.patchcore.detector import PatchCore

Alter = Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]]
"""The number of a picture and the encoder's input, RGB uint8 [H,W,3] -> another input."""

ON_ONE_THREAD = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


@dataclass(frozen=True)
class Known:
    """Features of pictures, on disk.

    Attributes:
        folder: where they are.
        layers: float16 [N,C,h,w] of each layer of the model.
        sizes: width and height of each picture, upright, [N,2].
        placed: place of the model's map on each picture.
        copies: the same of moved copies of the pictures.
    """

    folder: Path
    layers: tuple[NDArray[np.float16], ...]
    sizes: NDArray[np.int64]
    placed: tuple[Placement, ...]
    copies: tuple[NDArray[np.float16], ...]


def known_features(paths: Sequence[Path], encoder: PatchCoreEncoder, scratch: Path) -> Known:
    """The features of pictures by the layers of the encoder's settings; what is missing is made.

    Args:
        paths: files of the pictures.
        encoder: with the size of the input.
        scratch: folder of what is kept.

    Raises:
        CorpusError: a picture is turned by its EXIF data.
        PicturesError: a picture cannot be read.
    """
    folder = scratch / "features" / _key(paths, encoder)

    def files() -> Iterator[tuple[Path, bytes]]:
        return ((path, path.read_bytes()) for path in paths)

    layers = features_in(folder, files(), len(paths), encoder)
    movement = hashlib.sha256(Path(moving.__file__).read_bytes()).hexdigest()
    copies = features_in(
        folder / f"copies-{movement[:12]}",
        files(),
        len(paths),
        encoder,
        lambda number, picture: Movement.drawn(number).of(picture),
    )
    places = np.load(folder / "places.npy").tolist()
    return Known(
        folder,
        layers,
        np.load(folder / "sizes.npy"),
        tuple(Placement(PlacedAxis(*one[:4]), PlacedAxis(*one[4:])) for one in places),
        copies,
    )


def features_in(
    folder: Path,
    files: Iterable[tuple[Path, bytes]],
    count: int,
    encoder: PatchCoreEncoder,
    alter: Alter | None = None,
) -> tuple[NDArray[np.float16], ...]:
    """The features that a folder keeps, by the encoder's layers; what is missing is made.

    Args:
        folder: of these pictures and this encoder alone.
        files: the pictures by their names and bytes; not read if nothing is missing.
        count: number of them.
        encoder: with the size of the input.
        alter: alters the encoder's input.

    Raises:
        CorpusError: a picture is turned by its EXIF data.
        PicturesError: a picture cannot be read.
    """
    layers = encoder.config.layers
    missing = [block for block in layers if not _file(folder, block).is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        _compute(files, count, encoder, missing, folder, alter)
    return tuple(np.load(_file(folder, block), mmap_mode="r") for block in layers)


@torch.no_grad()
def _compute(
    files: Iterable[tuple[Path, bytes]],
    count: int,
    encoder: PatchCoreEncoder,
    blocks: Sequence[int],
    folder: Path,
    alter: Alter | None,
) -> None:
    config = replace(
        encoder.config, layers=tuple(sorted(blocks)), bank_sizes=(1,) * len(set(blocks))
    )
    model = PatchCore(config).eval()
    load_into(model.encoder, encoder)
    run = _Compiled(model.encoder, config.input_size)
    spec = preprocess_of(encoder.recipe)
    kept: list[NDArray[np.float16]] = []
    sizes, places = [], []
    for number, (path, data) in enumerate(files):
        with named(path):
            read, model_input = prepare(data, spec, MAX_PIXELS)
        if read.turn != NO_TURN:
            raise CorpusError(f"{path} is turned by its EXIF data: store it upright")
        sizes.append((read.width, read.height))
        places.append((*read.placed.x, *read.placed.y))
        levels = np.asarray(model_input, np.uint8)
        altered = levels if alter is None else alter(number, levels)
        image = as_image(altered, torch.device("cpu"))
        found = run(model.normalize(image).numpy())
        if not kept:
            kept = [
                np.lib.format.open_memmap(
                    _part(folder, block), "w+", np.float16, (count, *layer.shape[1:])
                )
                for block, layer in zip(config.layers, found, strict=True)
            ]
        for array, layer in zip(kept, found, strict=True):
            array[number] = layer[0]
    np.save(folder / "sizes.npy", np.array(sizes, np.int64))
    np.save(folder / "places.npy", np.array(places, np.int64))
    kept.clear()
    for block in config.layers:
        _part(folder, block).replace(_file(folder, block))


class _Compiled:
    """The encoder in OpenVINO, on one thread."""

    def __init__(self, encoder: nn.Module, size: tuple[int, int]) -> None:
        import openvino

        with warnings.catch_warnings():
            # OpenVINO traces the encoder by a function that torch calls deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            example = torch.zeros(1, 3, *size)
            converted = openvino.convert_model(encoder, example_input=example)
        self._run = openvino.Core().compile_model(converted, "CPU", ON_ONE_THREAD)

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Normalised [1,3,H,W] -> features [1,C,h,w] of each layer."""
        found = self._run(image)
        return [found[number] for number in range(len(found))]


def _key(paths: Sequence[Path], encoder: PatchCoreEncoder) -> str:
    """The name of a folder: other pictures, weights or ways to the input have another."""
    digest = hashlib.sha256(repr(encoder.recipe).encode())
    for path in paths:
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    for name in sorted(encoder.weights):
        digest.update(encoder.weights[name].numpy().tobytes())
    root = Path(os.path.commonpath(paths))
    name = re.sub(r"\W+", "-", f"{root.name} {encoder.name}")
    return f"{name}-{encoder.config.width}x{encoder.config.height}-{digest.hexdigest()[:12]}"


def _file(folder: Path, block: int) -> Path:
    return folder / f"block{block}.npy"


def _part(folder: Path, block: int) -> Path:
    return folder / f"block{block}.{os.getpid()}.part"
