"""What uploads do to the files of a version."""

from collections.abc import Callable
from pathlib import Path

GRAPH = "model.onnx"


def spoil(file: Path) -> Callable[[], object]:
    whole = file.read_bytes()
    file.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    return lambda: file.write_bytes(whole)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
