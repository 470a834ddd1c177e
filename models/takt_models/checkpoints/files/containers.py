"""The container of a file, told by its first bytes before anything in it is interpreted."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from takt_models.checkpoints.errors import CheckpointError, few

Container = Literal["safetensors", "torch"]

ACCEPTED = (
    "give a checkpoint of `takt fit`, an anomalib .ckpt of Dinomaly, EfficientAd, InpFormer or "
    "Patchcore, the model.pth of the official Dinomaly or INP-Former, or nelson1425's three files"
)

GIT_LFS = b"version https://git-lfs"
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
PICKLE = b"\x80"
GZIP = b"\x1f\x8b"
ONNX_VERSIONS = range(3, 32)
CHECKPOINT_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".safetensors"})
LONGEST_START = 64
MAX_HEADER_BYTES = 100_000_000
"""Largest header of a safetensors file, by its format."""


def container_of(path: Path) -> Container:
    """The container of a file: safetensors, or an archive of torch.save.

    Raises:
        CheckpointError: the file is neither; the message says what it seems to be, and the remedy.
    """
    if path.is_dir():
        raise CheckpointError(_of_folder(path))
    if not path.exists():
        raise CheckpointError(f"{path} does not exist: {ACCEPTED}")
    if not path.is_file():
        raise CheckpointError(f"{path} is no ordinary file: {ACCEPTED}")
    with path.open("rb") as file:
        start = file.read(LONGEST_START)
    # The length of a header may begin with the byte that begins a pickle.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES:
        return "safetensors"
    if start.startswith((ZIP, EMPTY_ZIP)):
        return "torch"
    raise CheckpointError(f"{path} {_what(start, path)}")


def _what(start: bytes, path: Path) -> str:
    text = start.lstrip().lower()
    if not start:
        return "is empty: copy it again"
    if start.startswith(GIT_LFS):
        return "is only Git LFS's pointer to a file: get the file itself with `git lfs pull`"
    if text.startswith((b"<!doctype", b"<html")):
        return "is a web page, not what was to be downloaded: download it again"
    if path.suffix.lower() == ".onnx" or _is_onnx(start):
        return "is an ONNX graph, which `takt import onnx` takes"
    if path.suffix.lower() == ".xml" or text.startswith(b"<?xml"):
        return "is an XML file, as of an OpenVINO model: give the checkpoint that it came from"
    if start.startswith(PICKLE):
        return (
            "is a bare pickle, as torch.save wrote before 1.6: open it with the torch that wrote "
            "it and save it again with a later torch.save"
        )
    if start.startswith(GZIP):
        return "is a gzip archive: unpack it and give the checkpoint in it"
    return f"is no checkpoint that Takt knows: {ACCEPTED}"


def _is_onnx(start: bytes) -> bool:
    """Whether a file begins as an ONNX model: 0x08, a small number (its version), then text."""
    return len(start) > 2 and start[0] == 8 and start[1] in ONNX_VERSIONS and start[2] == 0x12


def _of_folder(path: Path) -> str:
    inside = [one.name for one in path.iterdir() if one.suffix.lower() in CHECKPOINT_SUFFIXES]
    if not inside:
        return f"{path} is a folder without a checkpoint: {ACCEPTED}"
    return f"{path} is a folder; give the checkpoint in it ({few(inside)})"
