from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[4]
FOLDERS = ("models", "export", "service", "benchmarks", "tests")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
UNPICKLERS = {
    (module, name)
    for module in ("pickle", "dill", "cloudpickle", "joblib")
    for name in ("load", "loads", "Unpickler")
}


def calls(text: str) -> Iterator[tuple[str, str, ast.Call]]:
    """Every `owner.name(...)` of a source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            yield getattr(owner, "id", getattr(owner, "attr", "")), node.func.attr, node


def keyword(call: ast.Call, name: str) -> object:
    found = [one.value for one in call.keywords if one.arg == name]
    return found[0].value if found and isinstance(found[0], ast.Constant) else None


def test_there_are_sources() -> None:
    assert {path.parent.name for path in SOURCES} >= {"checkpoints", "export", "service"}


def test_nobody_unpickles_what_could_run() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        # Most files name nothing of the kind, and need not be parsed.
        if not any(word in text for word in ("load", "Unpickler", "allow_pickle")):
            continue
        for owner, name, call in calls(text):
            where = f"{path.relative_to(ROOT)}, line {call.lineno}"
            if (owner, name) == ("torch", "load"):
                assert keyword(call, "weights_only") is True, where
            # One test shows that its attack would work.
            if path.name != "test_pickles.py":
                assert (owner, name) not in UNPICKLERS, where
            assert keyword(call, "allow_pickle") is not True, where
