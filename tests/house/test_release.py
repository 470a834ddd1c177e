"""What names the version names the same one, and the changelog is ready for its tag."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def of_toml(path: str) -> set[str]:
    return {tomllib.loads((ROOT / path).read_text("utf-8"))["project"]["version"]}


def of_json(path: str) -> set[str]:
    told = json.loads((ROOT / path).read_text("utf-8"))
    return {told["version"], told.get("packages", {}).get("", told)["version"]}


def by(pattern: str, path: str) -> set[str]:
    return set(re.findall(pattern, (ROOT / path).read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    "named",
    [
        of_toml("clients/python/pyproject.toml"),
        of_json("clients/typescript/package.json"),
        of_json("clients/typescript/package-lock.json"),
        by(r'^(?:version|appVersion): "?([^"\n]+)', "deploy/helm/takt/Chart.yaml"),
        by(r'image\.version="([^"]+)"', "docker/cpu.Dockerfile"),
        by(r'image\.version="([^"]+)"', "docker/gpu.Dockerfile"),
        by(r"takt:(\d[^\s-]*)-[cg]pu", "docs/kubernetes.md"),
    ],
)
def test_whatever_names_the_version_names_the_projects(named: set[str]) -> None:
    assert named == {VERSION}


def test_the_changelog_has_this_version_with_its_day_and_what_came_later_above() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    released = [section for section in sections if section != "Unreleased"]
    assert re.fullmatch(rf"{re.escape(VERSION)} – \d{{4}}-\d\d-\d\d", released[0])
    assert sections.index(released[0]) <= 1
