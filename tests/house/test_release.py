"""What names the version names the same one, and the changelog is ready for its tag."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path

import pytest

from tests.tree import DISTRIBUTIONS, declared

ROOT = Path(__file__).parents[2]
LICENCE = ROOT / "LICENSE"
VERSION: str = declared("takt-inspection")["version"]


def of_json(path: str) -> set[str]:
    told = json.loads((ROOT / path).read_text("utf-8"))
    return {told["version"], told.get("packages", {}).get("", told)["version"]}


def by(pattern: str, path: str) -> set[str]:
    return set(re.findall(pattern, (ROOT / path).read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    "named",
    [
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


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_distribution_has_the_licence_and_the_facts_of_the_service(distribution: str) -> None:
    service, own = declared("takt-inspection"), declared(distribution)
    for fact in ("version", "license", "authors", "requires-python"):
        assert own[fact] == service[fact]
    assert (DISTRIBUTIONS[distribution] / "LICENSE").read_bytes() == LICENCE.read_bytes()
    ours = re.compile(rf"takt-[a-z]+(?:\[[a-z]+\])?=={re.escape(VERSION)}")
    asked = [*own["dependencies"], *chain(*own.get("optional-dependencies", {}).values())]
    assert all(ours.fullmatch(one) for one in asked if one.startswith("takt-"))


def test_the_changelog_has_this_version_with_its_day_and_what_came_later_above() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    released = [section for section in sections if section != "Unreleased"]
    assert re.fullmatch(rf"{re.escape(VERSION)} – \d{{4}}-\d\d-\d\d", released[0])
    assert sections.index(released[0]) <= 1
