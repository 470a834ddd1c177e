"""`make test-all` runs every test, and the targets of one environment run none twice."""

from __future__ import annotations

import pytest

from tests.targets import (
    COLLECTED,
    ROOT,
    Selection,
    selection_of,
    targets_of_all,
    targets_of_integration,
    targets_of_tests,
)

ENVIRONMENTS_OF_THEIR_OWN = {"test-newer", "test-oldest", "test-ray", "test-triton"}
"""Targets whose tests run in another environment than `.venv`, some of them there alone."""

FEW = "test-few"
"""Has a part of what runs in most of these environments."""


@pytest.fixture(scope="module")
def selections() -> dict[str, Selection]:
    """By target, what `make test-all` runs."""
    return {target: selection_of(target) for target in targets_of_all()}


def found_tests(config: pytest.Config) -> list[tuple[str, str, set[str]]]:
    """Id, file and marks of all that pytest has found: every test, in a run of `make test`."""
    return [
        (
            item.nodeid,
            item.path.relative_to(ROOT).as_posix(),
            {mark.name for mark in item.iter_markers()},
        )
        for item in config.stash[COLLECTED]
    ]


def test_each_target_is_one_of_test_all() -> None:
    assert targets_of_tests() - targets_of_all() == {"test-all", FEW}


def test_continuous_integration_leaves_out_what_is_slow_and_shortens_environments() -> None:
    left_out = targets_of_all() - targets_of_integration()
    assert left_out == {"test-slow", "test-newer", "test-ray", "test-triton"}
    assert FEW in targets_of_integration()


def test_each_test_is_in_one_target(
    selections: dict[str, Selection], pytestconfig: pytest.Config
) -> None:
    wrong = {}
    for name, path, marks in found_tests(pytestconfig):
        found = {target for target, one in selections.items() if one.runs(path, marks)}
        homes = found - ENVIRONMENTS_OF_THEIR_OWN
        if len(homes) > 1 or bool(found) is ("gpu" in marks):
            wrong[name] = homes
    assert wrong == {}, "none, or more than one, of the Makefile's targets selects these"


@pytest.mark.parametrize(
    ("command", "path", "marks", "runs"),
    [
        ("-m 'torch and not (slow or gpu)' tests/unit", "tests/unit/a.py", {"torch"}, True),
        ("-m 'torch and not (slow or gpu)' tests/unit", "tests/unit/a.py", {"torch", "gpu"}, False),
        ("-m 'torch and not (slow or gpu)' tests/unit", "tests/units/a.py", {"torch"}, False),
        ("-n 2 --ignore=tests/unit/a.py tests/unit", "tests/unit/a.py", set(), False),
        ("-n 2 --ignore=tests/unit/a.py tests/unit", "tests/unit/b.py", set(), True),
        ("-q", "clients/python/tests/a.py", {"slow"}, True),
    ],
)
def test_what_a_command_selects(command: str, path: str, marks: set[str], runs: bool) -> None:
    assert Selection.of(f"python -m pytest {command}").runs(path, marks) is runs


def test_streams_are_tried_with_the_oldest_packages_that_are_declared() -> None:
    """A range whose lowest version cannot serve a stream was declared for long."""
    assert "test-oldest" in targets_of_integration()
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = makefile.partition("\ntest-oldest:")[2].partition("\n\n")[0]
    assert "--resolution lowest-direct" in recipe
    assert "tests/e2e/test_stream.py" in selection_of("test-oldest").paths
