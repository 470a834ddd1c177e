"""Tests again and again beside two processes that burn, to find those that fail by chance.

    python -m tests.flaky                   # goes on where it was ended
    python -m tests.flaky --fresh           # begins anew
    python -m tests.flaky tests/console     # files below that alone
    python -m tests.flaky --known           # what has failed by chance before alone
    python -m tests.flaky --part 2/3        # a third of all that, for one of three machines

Files of the console, servers, services and the station are run five times, and what has failed by
chance before a hundred times. It prints each failure, keeps its output below `out/flaky`, and ends
with 1 where there was one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from tests.targets import ROOT, is_below

OUT = ROOT / "out/flaky"
MARKS = "(browser or servers or services) and not (slow or gpu)"
STATION = "plugins/station/tests"
ROUNDS = 5
OFTEN = 100
BY_CHANCE = (
    "tests/api/rpc/test_calls.py::test_calls_that_say_nothing_are_in_no_probes_way",
    "tests/api/rpc/test_transports.py::test_an_answer_waits_for_its_commit_where_it_is_to",
    "tests/console/test_audit.py::test_a_moment_is_typed_at_one_go",
    "tests/console/test_audit.py::test_a_moment_is_typed_over_another_one",
    "tests/console/test_health.py::test_a_page_that_nobody_sees_asks_nothing",
    "tests/console/test_judging.py",
    "tests/console/test_live.py::test_a_running_stream_is_found_on_the_wall_and_watched_large",
    "tests/console/test_live.py::test_nothing_can_be_chosen_before_the_models_are_known",
    "tests/console/test_review.py::test_the_first_tiles_that_are_drawn_stand_side_by_side",
    "tests/e2e/test_workers.py::test_a_killed_worker_takes_what_it_was_answering_with_it_and_is_back_soon",
    "tests/e2e/test_workers.py::test_connections_are_spread_evenly_and_what_each_worker_counts_is_added",
)
"""Tests that have failed by chance, run together."""


@dataclass
class Runs:
    """What came of a file.

    Attributes:
        done: runs.
        tests: that were run, in all of these.
        failed: names of those that failed, one for each failure.
    """

    done: int = 0
    tests: int = 0
    failed: list[str] = field(default_factory=list)


def files() -> list[str]:
    """The files that have tests of these kinds."""
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    found = set()
    for selected in (["-m", MARKS, "tests"], ["-m", "not (slow or gpu)", STATION]):
        told = subprocess.run(
            [*collect, *selected], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout
        found |= {line.partition("::")[0] for line in told.splitlines() if "::" in line}
    return sorted(one for one in found if not is_below(one, "tests/deploy/ray"))


@contextmanager
def burning(count: int = 2) -> Iterator[None]:
    """Processes that take what processor there is."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in burners:
            one.kill()
            one.wait()


def part_of(text: str) -> slice:
    """What takes that part of a list.

    >>> "abcdefg"[part_of("2/3")]
    'be'
    """
    number, parts = map(int, text.split("/"))
    if not 1 <= number <= parts:
        raise ValueError(text)
    return slice(number - 1, None, parts)


def run(file: str, runs: Runs) -> None:
    """Run a file, or several tests, once more, and note what came of it."""
    report = OUT / "report.xml"
    report.unlink(missing_ok=True)
    marks = "not (slow or gpu)"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", marks, f"--junitxml={report}", *file.split()],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    runs.done += 1
    cases = list(xml.parse(report).iter("testcase")) if report.exists() else []
    runs.tests += len(cases)
    failed = [
        case.get("name", "") for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]  # fmt: skip
    if done.returncode and not failed:
        failed = [f"ended with {done.returncode}"]
    runs.failed += failed
    if failed:
        kept = OUT / f"{file.split('::')[0].replace('/', '-')}-{runs.done}.txt"
        kept.write_text(done.stdout + done.stderr, "utf-8")
        print(f"{file}, run {runs.done}: {', '.join(failed)}; {kept}", flush=True)


def main() -> int:
    """Run what is left, and tell what has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.flaky", description=__doc__)
    parser.add_argument("below", nargs="*", help="files and folders; all if none")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each file; %(default)s")
    parser.add_argument("--often", type=int, default=OFTEN, help="of BY_CHANCE; %(default)s")
    parser.add_argument("--known", action="store_true", help="only BY_CHANCE")
    parser.add_argument("--part", type=part_of, default="1/1", help="of several, as 2/3")
    parser.add_argument("--fresh", action="store_true", help="forget earlier runs")
    given = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    kept = OUT / "runs.json"
    known: dict[str, Runs] = {}
    if kept.exists() and not given.fresh:
        known = {file: Runs(**runs) for file, runs in json.loads(kept.read_text("utf-8")).items()}
    wanted: dict[str, int] = {}
    if not given.known:
        chosen = [
            file for file in files()
            if not given.below or any(is_below(file, one.rstrip("/")) for one in given.below)
        ]  # fmt: skip
        wanted |= dict.fromkeys(chosen, given.rounds)
    if given.known or not given.below:
        wanted[" ".join(BY_CHANCE)] = given.often
    wanted = dict([*wanted.items()][given.part])
    with burning():
        for number in range(max(wanted.values())):
            for file, times in wanted.items():
                runs = known.setdefault(file, Runs())
                if runs.done > number or number >= times:
                    continue
                run(file, runs)
                told = {name: asdict(one) for name, one in known.items()}
                kept.write_text(json.dumps(told, indent=1), "utf-8")
    of_these = [known[file] for file in wanted]
    failures = sum(len(runs.failed) for runs in of_these)
    print(
        f"{len(wanted)} files, {sum(runs.done for runs in of_these)} runs, "
        f"{sum(runs.tests for runs in of_these)} tests, {failures} failures"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
