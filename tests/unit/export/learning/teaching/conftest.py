"""A folder of judged pictures, and the command that teaches by it."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest
from click.testing import CliRunner, Result

from takt.core.bundles.bundle import Bundle, load_bundle
from takt_export.commands.learn import learn

Run = Callable[..., Result]


@pytest.fixture
def run(repository: Path) -> Run:
    """Runs `takt learn` into the repository."""

    def invoke(*arguments: object) -> Result:
        given = ("--repository", repository, "--device", "cpu", "--server", "http://127.0.0.1:9")
        return CliRunner().invoke(learn, [*map(str, (*arguments, *given)), "-q"])

    return invoke


@pytest.fixture(scope="module")
def learned(write_pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose model `parts` was learned from 25 pictures, and knows three defects."""
    folder = tmp_path_factory.mktemp("learned")
    spoil(write_pictures(folder / "known", 3, seed=77))
    write_pictures(folder / "good", 25)
    given = (
        "--model",
        "parts",
        "--alpha",
        "0.05",
        "--defects",
        folder / "known",
        "--device",
        "cpu",
    )
    quick = ("--repository", folder / "models", "--server", "http://127.0.0.1:9", "-q")
    result = CliRunner().invoke(learn, [*map(str, (folder / "good", *given, *quick))])
    assert result.exit_code == 0, result.output
    return folder / "models"


@pytest.fixture
def parts(learned: Path, repository: Path) -> Bundle:
    """Version 1 of the model `parts`, in the repository."""
    shutil.copytree(learned / "parts", repository / "parts")
    return load_bundle(repository / "parts" / "1")


def spoil(paths: Sequence[Path]) -> None:
    """Draws the same small defect into pictures, at different places."""
    for number, path in enumerate(paths):
        picture = cv2.imread(str(path))
        assert picture is not None
        x, y = 10 + 7 * (number % 7), 8 + 5 * (number % 8)
        picture[y : y + 8, x : x + 8 : 2] = (0, 0, 255)
        cv2.imwrite(str(path), picture)


@pytest.fixture
def judged(write_pictures: Any, tmp_path: Path) -> Path:
    """Judged pictures: eight alike defects, two good parts, and three that passed."""
    folder = tmp_path / "judged"
    spoil(write_pictures(folder / "defect", 8, seed=20))
    write_pictures(folder / "good", 2, seed=30)
    write_pictures(folder / "passed", 3, seed=40)
    return folder
