"""The command line: make the bundles, record answers, compare two records."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.answers.compare import compare, table
from benchmarks.answers.modes import FEW, FULL
from benchmarks.answers.pictures import Sets, read_sets, sample
from benchmarks.answers.record import Question, ask, load, questions, save
from benchmarks.answers.server import serving

QUICK = ("whole", "tiled")
"""Models that are asked in every way."""

SHOWN = 20
"""Differences that are printed."""


def main() -> None:
    """Do what the command line asks for."""
    # So that a terminated run still ends its server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given = _parser().parse_args()
    given.run(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers",
        description="Whether two versions of Takt answer alike, bit by bit.",
    )
    commands = parser.add_subparsers(required=True)
    bundles = commands.add_parser("bundles", help="make the bundles that are asked, once")
    bundles.set_defaults(run=_bundles)
    record = commands.add_parser("record", help="start a server and write down its answers")
    record.set_defaults(run=_record)
    for command in (bundles, record):
        command.add_argument("--takt", type=Path, required=True, help="command of the version")
        command.add_argument("--data", type=Path, required=True, help="folder of sets of pictures")
        command.add_argument("--out", type=Path, required=True, help="what is written")
    bundles.add_argument("--copy", type=Path, nargs="*", default=[], help="folders of more bundles")
    record.add_argument("--repository", type=Path, required=True, help="of the bundles")
    record.add_argument("--pictures", type=int, default=200, help="of each set, at most")
    record.add_argument("--full", nargs="*", default=QUICK, help="models asked in every way")
    record.add_argument("--few", type=int, default=20, help="pictures of each set for the others")
    comparing = commands.add_parser("compare", help="tell what differs; exit 1 if anything does")
    comparing.set_defaults(run=_compare)
    comparing.add_argument("records", type=Path, nargs=2)
    return parser


def _bundles(given: argparse.Namespace) -> None:
    # Needs onnx, which recording does not.
    from benchmarks.answers.bundles import make_bundles

    make_bundles(given.takt, given.data, given.out, given.copy)


def _record(given: argparse.Namespace) -> None:
    sets = read_sets(given.data, given.pictures)
    asked = list(_questions(given, sets))
    started_s = time.monotonic()
    cells = []
    with serving(given.takt, given.repository) as url:
        for number, question in enumerate(asked, 1):
            cells.append(ask(url, question))
            _tell(f"{number}/{len(asked)}", question, time.monotonic() - started_s)
    save(cells, given.out)
    answers = sum(len(cell.answers) for cell in cells)
    print(f"{given.out}: {answers} answers in {time.monotonic() - started_s:.0f} s")


def _questions(given: argparse.Namespace, sets: Sets) -> Iterator[Question]:
    models = sorted(path.name for path in given.repository.iterdir() if path.is_dir())
    missing = sorted(set(given.full) - set(models))
    if missing:
        raise SystemExit(f"{given.repository} has no {', '.join(missing)}; it has {models}")
    yield from questions(given.full, FULL, sets)
    others = [name for name in models if name not in given.full]
    yield from questions(others, FEW, sample(sets, given.few))


def _tell(number: str, question: Question, passed_s: float) -> None:
    what = f"{question.model} {question.protocol} {question.mode.name} {question.set}"
    print(f"{number} {what} {passed_s:.0f} s", file=sys.stderr, flush=True)


def _compare(given: argparse.Namespace) -> None:
    before, after = given.records
    rows = compare(load(before), load(after))
    print(table(rows))
    differences = [line for row in rows for line in row.differences]
    _show(differences)
    if differences:
        raise SystemExit(1)


def _show(differences: Sequence[str]) -> None:
    for line in differences[:SHOWN]:
        print(line)
    if len(differences) > SHOWN:
        print(f"and {len(differences) - SHOWN} more")
