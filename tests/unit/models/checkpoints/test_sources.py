from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
FOLDERS = ("models", "export", "service", "benchmarks", "tests")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
UNPICKLERS = {
    (module, name)
    for module in ("pickle", "dill", "cloudpickle", "joblib")
    for name in ("load", "loads", "Unpickler")
}


def calls(path: Path) -> Iterator[tuple[str, str, ast.Call]]:
    """Every `owner.name(...)` of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield getattr(owner, "id", getattr(owner, "attr", "")), node.func.attr, node


def keyword(call: ast.Call, name: str) -> object:
    found = [one.value for one in call.keywords if one.arg == name]
    return found[0].value if found and isinstance(found[0], ast.Constant) else None


def test_there_are_sources() -> None:
    assert {path.parent.name for path in SOURCES} >= {"checkpoints", "export", "service"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_unpickles_what_could_run(path: Path) -> None:
    for owner, name, call in calls(path):
        if (owner, name) == ("torch", "load"):
            assert keyword(call, "weights_only") is True, f"line {call.lineno}"
        # One test shows that its attack would work.
        if path.name != "test_pickles.py":
            assert (owner, name) not in UNPICKLERS, f"line {call.lineno}"
        assert keyword(call, "allow_pickle") is not True, f"line {call.lineno}"
