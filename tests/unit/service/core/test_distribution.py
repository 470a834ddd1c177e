from __future__ import annotations

import importlib.metadata
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from takt.commands.doctor.remedies import tensorrt
from takt.core import distribution
from takt.core.distribution import CLIENT, DISTRIBUTION, install_hint, package_versions, version
from tests.tree import declared, tracked

ROOT = Path(__file__).parents[4]
SERVICE, EXPORT, MODELS = (
    declared(one) for one in ("takt-inspection", "takt-export", "takt-models")
)
EXTRAS: dict[str, list[str]] = SERVICE["optional-dependencies"] | {
    "train": [
        *SERVICE["optional-dependencies"]["train"],
        *EXPORT["optional-dependencies"]["train"],
        *(one for one in MODELS["dependencies"] if not one.startswith("takt-inspection")),
    ]
}
"""By extra what it brings."""


@pytest.fixture(autouse=True)
def as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each pyproject.toml declares, however old the installed metadata is."""

    def requires(distribution: str) -> list[str]:
        project = declared(distribution)
        extras = project.get("optional-dependencies", {})
        lines = [f'{one} ; extra == "{extra}"' for extra, them in extras.items() for one in them]
        return [*lines, *project["dependencies"]]

    monkeypatch.setattr(importlib.metadata, "requires", requires)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that count as installed; none at first."""
    found: set[str] = set()
    monkeypatch.setattr(
        distribution, "installed_version", lambda name: "1.0" if name in found else None
    )
    return found


def test_a_package_is_named_with_the_range_that_is_declared() -> None:
    assert install_hint("openvino") == "pip install 'openvino>=2025.2'"
    assert install_hint("nncf") == "pip install 'nncf>=2.17'"


def test_a_package_that_is_not_declared_is_named_alone() -> None:
    assert install_hint("nvidia-cudnn-cu13") == "pip install nvidia-cudnn-cu13"


def test_a_range_that_is_given_is_kept() -> None:
    assert install_hint("tensorrt-cu12>=10,<11") == "pip install 'tensorrt-cu12>=10,<11'"


def ranges(requirements: Iterable[str]) -> set[tuple[str, str]]:
    """Names, with their extras, and ranges; who reads a hint knows the own platform."""
    parsed = map(Requirement, requirements)
    return {(f"{one.name}{sorted(one.extras)}", str(one.specifier)) for one in parsed}


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_an_extra_is_its_packages(extra: str, installed: set[str]) -> None:
    hint = shlex.split(install_hint(extra))
    assert hint[:2] == ["pip", "install"]
    assert ranges(hint[2:]) == ranges(EXTRAS[extra])


def test_only_the_packages_that_are_missing_are_named(installed: set[str]) -> None:
    installed.add("nvidia-ml-py")
    assert install_hint("gpu") == "pip install 'onnxruntime-gpu[cuda,cudnn]>=1.23'"


def test_all_are_named_where_none_is_missing(installed: set[str]) -> None:
    installed |= {"nvidia-ml-py", "onnxruntime-gpu"}
    both = "pip install 'nvidia-ml-py>=12.535' 'onnxruntime-gpu[cuda,cudnn]>=1.23'"
    assert install_hint("gpu") == both


def test_an_extra_of_many_packages_is_named_as_one(installed: set[str]) -> None:
    """Pip takes what the extra of the installed Takt needs, wherever that came from."""
    installed.add(DISTRIBUTION)
    assert install_hint("train") == "pip install 'takt-inspection[train]'"
    assert install_hint("gpu", "train").endswith(" 'takt-inspection[train]'")
    names = {Requirement(one).name for one in EXTRAS["train"]}
    installed |= names
    assert install_hint("train", again=True).count("'") > 2 * 5
    installed -= {"nncf", "openvino"}
    assert install_hint("train") == "pip install 'nncf>=2.17' 'openvino>=2025.2'"


def test_an_extra_of_a_takt_that_is_not_installed_is_its_packages(installed: set[str]) -> None:
    assert "takt-inspection" not in install_hint("train")


def test_the_client_comes_from_the_project_s_folder(installed: set[str]) -> None:
    assert install_hint(CLIENT) == "pip install ./clients/python in the project's folder"
    installed.add("matplotlib")
    both = "pip install 'httptools>=0.6' ./clients/python in the project's folder"
    assert install_hint("bench", CLIENT) == both


def test_what_is_broken_is_installed_again() -> None:
    hint = install_hint("onnxruntime", again=True)
    assert hint == "pip install --force-reinstall 'onnxruntime>=1.20'"


def test_versions_are_told_by_the_command_s_name() -> None:
    assert (
        package_versions("numpy")["takt"] == version() == importlib.metadata.version(DISTRIBUTION)
    )
    assert "numpy" in package_versions("numpy")
    assert "no-such-package" not in package_versions("no-such-package")


def test_nobody_is_told_to_install_a_distribution_that_is_not_ours() -> None:
    """PyPI's `takt` is somebody else's."""
    wrong = re.compile(r"pip install ['\"]?takt\b(?!-)|['\"]takt\[")
    for name in tracked():
        path = ROOT / name
        if path == Path(__file__) or path.suffix in {".jpg", ".png", ".onnx", ".npz", ".lock"}:
            continue
        text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        assert not wrong.search(text), name


def test_the_doctor_s_page_shows_the_commands_that_the_doctor_names(installed: set[str]) -> None:
    page = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    hints = (install_hint("cpu"), install_hint("openvino"), install_hint("gpu"), tensorrt())
    for hint in hints:
        assert f"| `{hint}` |" in page
