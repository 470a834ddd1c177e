"""The house: floors, sizes and names that a reader may rely on."""

from __future__ import annotations

import ast
import graphlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest

from tests.tree import ROOT, SOURCES

HOUSES = ("takt", "takt_export", "takt_models", "takt_msa", "takt_station")

CLIENT = SOURCES["takt_client"] / "takt_client"
MOST_FLOORS = 12

Imports = dict[str, set[str]]
"""The modules that each module imports."""

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def modules() -> list[Path]:
    folders = [*(SOURCES[house] / house for house in HOUSES), CLIENT]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def rooms() -> list[Path]:
    return sorted({path.parent for path in modules()})


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def contract_of(house: str) -> dict[str, Any]:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    found: dict[str, Any]
    (found,) = (
        one for one in contracts if one["type"] == "layers" and one["containers"] == [house]
    )
    return found


@pytest.mark.parametrize("house", (*HOUSES, "takt.core"))
def test_the_floors_of_each_house_are_few_and_name_every_room(house: str) -> None:
    contract = contract_of(house)

    assert contract["exhaustive"] is True
    assert "ignore_imports" not in contract
    assert len(contract["layers"]) <= MOST_FLOORS


@pytest.fixture(scope="module")
def imports() -> Imports:
    """What each module imports; inside functions and under TYPE_CHECKING count as well."""
    graph = grimp.build_graph(*HOUSES, CLIENT.name, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_module_imports_itself_by_way_of_others(imports: Imports) -> None:

    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        pytest.fail("a circle: " + " imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("room", rooms(), ids=named)
def test_a_room_says_what_lives_in_it_and_where_to_start(room: Path) -> None:
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8"))) or ""

    assert "import" in said.lower(), "say what this room may import"
    assert "start" in said.lower(), "say where to start reading"
    for name in re.findall(r"`(\w+\.py)`", said):
        assert (room / name).is_file(), f"there is no {name} in this room"


def place_of(package: str) -> Path:
    """The folder of a package."""
    return SOURCES[package.partition(".")[0]].joinpath(*package.split("."))


def rooms_of(container: str) -> list[str]:
    folder = place_of(container)
    return [f"{container}.{one.parent.name}" for one in sorted(folder.glob("*/__init__.py"))]


@pytest.mark.parametrize(
    "room", [one for one in rooms_of("takt") if one != "takt.core"] + rooms_of("takt.core")
)
def test_a_room_of_the_service_says_which_others_it_imports(room: str, imports: Imports) -> None:
    container = room.rpartition(".")[0]
    text = (place_of(room) / "__init__.py").read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    sentence = re.search(r"(?<!\w)Imports (.+?)\.(?:\s|$)", docstring or "", re.DOTALL)
    assert sentence, "say `Imports …`, as a sentence of its own"

    found = set()
    for module, imported in imports.items():
        if module == room or module.startswith(f"{room}."):
            found |= {name_within(container, one) for one in imported} - {room.rpartition(".")[2]}
    assert set(re.findall(r"`(\w+)`", sentence[1])) == found - {""}


def name_within(container: str, module: str) -> str:
    """What a room calls another one: by its name, or by that of its house."""
    if module.startswith(f"{container}."):
        return module.removeprefix(f"{container}.").partition(".")[0]
    return module.partition(".")[0]


def test_no_two_public_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path in modules():
        if path.is_relative_to(CLIENT):
            continue  # what a caller gets mirrors what the service answers, under its name
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(named(path))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def prose() -> Iterator[tuple[str, str]]:
    """Every docstring and every page of the docs."""
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield named(path), ast.get_docstring(node) or ""
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]:
        yield named(page), page.read_text("utf-8")


def test_prose_does_not_send_the_reader_elsewhere() -> None:
    vague = re.compile(r"\b(?:see there|likewise)\b", re.IGNORECASE)

    assert [(place, said.group()) for place, text in prose() if (said := vague.search(text))] == []


def test_the_drawings_of_the_rooms_show_the_contracts() -> None:
    drawings = re.findall(r"```mermaid\n(.*?)```", ARCHITECTURE, re.DOTALL)
    drawn = [
        [
            set(re.findall(r"^\s+(\w+)\[", floor, re.MULTILINE))
            for floor in re.findall(r"subgraph \w+\[[^\n]*\n(.*?)\n\s*end", drawing, re.DOTALL)
        ]
        for drawing in drawings
    ]
    contracts = [contract_of(house)["layers"] for house in ("takt", "takt.core")]

    assert drawn == [[set(layer.split(" | ")) for layer in layers] for layers in contracts]


def test_every_file_that_the_architecture_names_is_there() -> None:
    places = re.findall(
        r"`((?:service|export|models|plugins|clients|tests|benchmarks)/[\w./-]+)`", ARCHITECTURE
    )

    assert len(places) > 10
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_each_journey_names_at_most_five_files() -> None:
    section = ARCHITECTURE.partition("## Where is it?")[2].partition("\n## ")[0]
    answers = re.findall(r"^\*\*(.+?\?)\*\*(.*?)(?=^\*\*|\Z)", section, re.MULTILINE | re.DOTALL)

    assert len(answers) >= 3
    for question, answer in answers:
        files = set(re.findall(r"`([\w/]+\.py)`", answer))
        assert 1 <= len(files) <= 5, f"{question} names {files}"
