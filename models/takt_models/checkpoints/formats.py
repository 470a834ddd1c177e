"""The formats that Takt reads: how each is recognised and loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from takt.core.families.every import named
from takt_models.checkpoints import nelson, own
from takt_models.checkpoints.anomalib import file as anomalib_file
from takt_models.checkpoints.anomalib.file import is_lightning, state_of
from takt_models.checkpoints.errors import CheckpointError, few
from takt_models.checkpoints.facts import Checkpoint
from takt_models.checkpoints.family import family_of_kind, pickled_formats
from takt_models.checkpoints.files.containers import ACCEPTED, container_of
from takt_models.checkpoints.files.pickles import StandIn, read_pickle


@dataclass(frozen=True)
class Recognised:
    """Files of a known format, before a model is made of them.

    Attributes:
        files: all files of the checkpoint.
        format: name of the format, for people.
        framework: code base that wrote them.
        family: family of the model.
        load: makes the model of them; raises CheckpointError.
    """

    files: tuple[Path, ...]
    format: str
    framework: str
    family: str
    load: Callable[[], Checkpoint]


def load_checkpoint(paths: Path | Sequence[Path]) -> Checkpoint:
    """Reads a trained detector of any format that Takt knows; nothing in the file is run.

    Args:
        paths: path of its file, or paths of nelson1425's three files in any order, or path of the
            folder that holds them as `teacher_final.pth`, `student_final.pth` and
            `autoencoder_final.pth`.

    Raises:
        CheckpointError: the file is damaged, of no known format, or names code to run; or its
            model was not trained to the end, or cannot be served as it was trained.

    >>> import tempfile
    >>> from takt_models.checkpoints.own import FitFacts, save_checkpoint
    >>> from takt_models.inpformer.config import InpFormerConfig
    >>> from takt_models.inpformer.detector import InpFormer
    >>> model = InpFormer(InpFormerConfig(8, 2, 2, width=28, height=28))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "part.safetensors"
    ...     save_checkpoint(path, model, FitFacts(model.config, (), steps=1, seed=0))
    ...     checkpoint = load_checkpoint(path)
    >>> checkpoint.framework, checkpoint.model.input_size, checkpoint.recipe.text()
    ('takt', (28, 28), 'resized to 28 x 28 (area)')
    """
    return recognise(paths).load()


def recognise(paths: Path | Sequence[Path]) -> Recognised:
    """Recognises the format of files by their contents.

    Args:
        paths: files or folder, as `load_checkpoint` takes them.

    Raises:
        CheckpointError: the format is unknown.
    """
    files = files_of(paths)
    if len(files) == 1:
        return _recognise_one(files[0])
    return _recognise_parts([_part_among(path) for path in files])


def files_of(paths: Path | Sequence[Path]) -> tuple[Path, ...]:
    """The given files; a folder of nelson1425's stands for its three files."""
    given = (paths,) if isinstance(paths, Path) else tuple(paths)
    if len(given) != 1 or not given[0].is_dir():
        return given
    in_folder = [given[0] / f"{role}_final.pth" for role in nelson.ROLES]
    return tuple(path for path in in_folder if path.is_file()) or given


def grouped(paths: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    """Groups files to checkpoints: nelson1425's of one folder together, each other file alone."""
    groups: list[tuple[Path, ...]] = []
    by_folder: dict[Path, int] = {}
    for path in dict.fromkeys(paths):
        if len(paths) == 1 or not _is_part(path):
            groups.append((path,))
        elif path.parent in by_folder:
            groups[by_folder[path.parent]] += (path,)
        else:
            by_folder[path.parent] = len(groups)
            groups.append((path,))
    return tuple(groups)


def _recognise_one(path: Path) -> Recognised:
    if container_of(path) == "safetensors":
        kind = own.kind_of(path)
        name = f"Takt {kind} (safetensors)"
        load = partial(own.load_fitted, path)
        return Recognised((path,), name, own.FRAMEWORK, family_of_kind(kind), load)
    content = read_pickle(path)
    for family, one in pickled_formats():
        if one.recognises(content):
            load = partial(one.load, path, content)
            return Recognised((path,), one.name, one.framework, family, load)
    part = nelson.part_of(path, content)
    if part is None:
        raise CheckpointError(f"{path} {_stranger(content)}")
    return _recognise_parts([part])


def _recognise_parts(parts: Sequence[nelson.NetworkFile]) -> Recognised:
    return Recognised(
        tuple(part.path for part in parts),
        f"nelson1425 .pth ({', '.join(part.role for part in parts)})",
        nelson.FRAMEWORK,
        "efficientad",
        partial(nelson.load, parts),
    )


def _part_among(path: Path) -> nelson.NetworkFile:
    part = None
    if container_of(path) == "torch":
        part = nelson.part_of(path, read_pickle(path))
    if part is None:
        raise CheckpointError(
            f"{path} is none of nelson1425's three files, the only ones that make one model "
            "together: give one checkpoint at a time"
        )
    return part


def _is_part(path: Path) -> bool:
    try:
        return _part_among(path) is not None
    except (CheckpointError, OSError):
        return False


def _stranger(content: object) -> str:
    """The reason to refuse the content of a pickle of no known format, for a message."""
    whole = content.get("model") if isinstance(content, dict) else content
    if isinstance(whole, StandIn):
        of_anomalib = whole.name.startswith("anomalib.")
        way_out = (
            "give the .ckpt of the same training, which anomalib keeps as "
            "weights/lightning/model.ckpt"
        )
        return (
            f"holds a whole pickled model ({whole.name}), loading which would run its code; Takt "
            f"never runs a checkpoint's code: {way_out if of_anomalib else ACCEPTED}"
        )
    if is_lightning(content):
        names = state_of(content)
        of_model = [name for name in names if name.startswith(anomalib_file.MODEL)]
        parts = {".".join(name.split(".")[:2]) for name in of_model or names}
        return (
            f"is a Lightning checkpoint of another model (with {few(parts)}), and Takt loads "
            f"those of {_of_anomalib()}: export the model to ONNX where it was trained and give "
            f"that to `takt import onnx`, or {ACCEPTED}"
        )
    if isinstance(content, dict) and all(isinstance(value, Tensor) for value in content.values()):
        return (
            f"is a state dict of another model (with {few(map(str, content))}), or of a part of "
            f"one: {ACCEPTED}"
        )
    return f"holds no model that Takt knows: {ACCEPTED}"


def _of_anomalib() -> str:
    """The families whose Lightning checkpoints are loaded, for a message."""
    formats = pickled_formats()
    found = {family for family, one in formats if one.framework == anomalib_file.FRAMEWORK}
    *first, last = sorted(named(family).title for family in found)
    return f"{', '.join(first)} and {last}"
