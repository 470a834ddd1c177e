"""Plugins that tests install without a package index: a folder as pip would leave it."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples" / "plugins"

Groups = Mapping[str, Mapping[str, str]]
"""Entry points by group and name: `{"takt.outlets": {"rejects": "takt_rejects:outlet"}}`."""


def install(
    folder: Path,
    groups: Groups,
    modules: Mapping[str, str] | None = None,
    name: str = "takt-made-up",
    version: str = "1.2.3",
) -> Path:
    """Put a distribution into a folder, which is to be on Python's path.

    Args:
        folder: where to.
        groups: its entry points.
        modules: the text of each of its modules, by name.
        name: of the distribution.
        version: of the distribution.

    Returns:
        The folder.
    """
    described = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    described.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (described / "METADATA").write_text(metadata)
    lines = []
    for group, entry_points in groups.items():
        lines += [f"[{group}]", *(f"{one} = {where}" for one, where in entry_points.items())]
    (described / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, text in (modules or {}).items():
        (folder / f"{module}.py").write_text(text)
    return folder


def install_example(folder: Path, name: str) -> Path:
    """Put a plugin of the examples into a folder, as its pyproject.toml says."""
    source = EXAMPLES / name
    project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))
    stated, setuptools = project["project"], project["tool"]["setuptools"]
    install(folder, stated["entry-points"], name=stated["name"], version=stated["version"])
    for module in setuptools.get("py-modules", ()):
        shutil.copy(source / f"{module}.py", folder)
    for package in setuptools.get("packages", ()):
        shutil.copytree(source / package, folder / package)
    return folder
