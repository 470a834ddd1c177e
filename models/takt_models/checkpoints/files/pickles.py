"""The one place that opens a pickle; no class or function that it names is imported or called.

A pickle is a program. torch's `weights_only` reader runs its harmless steps only: numbers, texts,
containers and tensors. The other names that checkpoints of the public code bases are known to hold
(`pickle_names`) become inert stand-ins; any further name is refused before the pickle is read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch

from takt_models.checkpoints.errors import CheckpointError, UnsafeCheckpointError, few
from takt_models.checkpoints.files.pickle_names import DICTIONARIES, is_known

MAX_PICKLE_BYTES = 64 * 2**20
"""Largest pickle without its tensors, which lie beside it; a real one has some kilobytes."""

PICKLE = "data.pkl"


class StandIn:
    """The pickled form of an object whose class is neither imported nor called.

    Attributes:
        name: name of the class or function, with its module.
        arguments: arguments of the call that the pickle asks for.
        state: state that it sets afterwards, most often the attributes.

    >>> stand_in = StandIn()
    >>> stand_in.__setstate__({"stride": 2})
    >>> stand_in.get("stride"), stand_in.get("padding")
    (2, None)
    """

    name: ClassVar[str] = ""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: object) -> StandIn:
        """Keeps any arguments."""
        new = super().__new__(cls)
        new.arguments = arguments
        new.state = None
        return new

    def __init__(self, *arguments: object) -> None:
        """Accepts any arguments."""

    def __setstate__(self, state: object) -> None:
        self.state = state

    @property
    def kind(self) -> str:
        """Name of the class without its module."""
        return self.name.rpartition(".")[2]

    def get(self, attribute: str) -> Any:
        """An attribute; None if there is none of that name."""
        return self.state.get(attribute) if isinstance(self.state, dict) else None


def read_pickle(path: Path) -> object:
    """Reads a file of `torch.save`, with stand-ins for everything but plain data and tensors.

    Tensors are read when they are used, so the file must stay as it is until they are copied.

    Raises:
        UnsafeCheckpointError: the file names a class or function that is not in the table.
        CheckpointError: the file is damaged, or no file of `torch.save`.
    """
    _check_archive(path)
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception as error:  # Damaged bytes make torch raise errors of any class.
        raise _damaged(path, error) from error
    if unknown := [name for name in named if not is_known(name)]:
        raise UnsafeCheckpointError(
            f"{path} holds {few(unknown)}, which loading would run; Takt never runs a checkpoint's "
            "code: if you trust the file, save it again, where it was trained, without that object"
        )
    try:
        with torch.serialization.safe_globals([(_stand_in(name), name) for name in named]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # Damaged bytes do so here, too.
        raise _damaged(path, error) from error


def _stand_in(name: str) -> Callable[..., object]:
    return DICTIONARIES.get(name) or type("StandIn", (StandIn,), {"name": name})


def value_of(enumerated: object) -> object:
    """The value of the stand-in of an enumeration's member; other values stay as they are.

    Some releases of Python 3.11 pickle members by name; then the name is the value.
    """
    if isinstance(enumerated, StandIn) and enumerated.arguments:
        return enumerated.arguments[-1]
    return enumerated


def _check_archive(path: Path) -> None:
    """Refuses an archive that `torch.save` did not write, by its list of contents."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {_inner(entry.filename): entry for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or damaged: copy it again") from error
    if "constants.pkl" in entries or any(name.startswith("code/") for name in entries):
        raise CheckpointError(
            f"{path} is a TorchScript program, which has lost what Takt needs to know of its "
            "model: give the checkpoint that it was made from"
        )
    if PICKLE not in entries:
        raise CheckpointError(
            f"{path} is a zip archive that torch.save did not write (it holds "
            f"{few(entries)}): if the checkpoint is in it, unpack it and give that"
        )
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise CheckpointError(
            f"{path} holds compressed data, which torch.save never writes: give the file as it was "
            "saved"
        )
    if entries[PICKLE].file_size > MAX_PICKLE_BYTES:
        raise CheckpointError(
            f"{path} holds a pickle of {entries[PICKLE].file_size / 2**20:.0f} MB beside its "
            f"tensors, and Takt reads none over {MAX_PICKLE_BYTES / 2**20:.0f} MB: save the state "
            "dict alone with torch.save"
        )


def _inner(name: str) -> str:
    """A name without the folder in which torch.save puts all files."""
    return name.partition("/")[2] or name


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return CheckpointError(
        f"{path} cannot be read as a file of torch.save ({reason}): copy it again, or save it again"
    )
