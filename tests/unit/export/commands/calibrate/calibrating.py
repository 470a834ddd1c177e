"""Runs of `takt calibrate`, its pictures, and what is read of its output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner, Result

from takt_export.commands.calibrate import calibrate


def run(*arguments: object) -> Result:
    return CliRunner().invoke(calibrate, [str(argument) for argument in ("-q", *arguments)])


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(result: Result, status: int = 1) -> str:
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    return result.output.strip().splitlines()[-1]


def write(folder: Path, levels: Sequence[int]) -> Path:
    """Flat pictures: the model of `make_bundle` scores each with its level / 255."""
    folder.mkdir()
    for number, level in enumerate(levels):
        picture = np.full((32, 32, 3), level, np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.png"), picture)
    return folder


def of(level: int) -> float:
    return float(np.float32(level) / np.float32(255))


def in_words(output: str) -> str:
    return " ".join(output.split())


def cells(text: str) -> list[str]:
    return text.split()


def row(output: str, name: str) -> list[str]:
    (line,) = (line for line in output.splitlines() if line.startswith(name))
    return line.removeprefix(name).split()
