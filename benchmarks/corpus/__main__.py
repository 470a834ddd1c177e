"""The corpus on the command line.

python -m benchmarks.corpus --set bank_size=1000 --seeds 3
python -m benchmarks.corpus compare out/corpus/results/A.json out/corpus/results/B.json
python -m benchmarks.corpus leave-one-out out/corpus/results/*.json
python -m benchmarks.corpus thresholds out/corpus/results/A.json
python -m benchmarks.corpus dirty
python -m benchmarks.corpus few --seeds 2
python -m benchmarks.corpus teach --wrong --splits
python -m benchmarks.corpus moves --name before
python -m benchmarks.corpus bears --choosing
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from benchmarks.corpus import (
    bearing,
    bearing_smoke,
    bears,
    choosing,
    comparing,
    dirty,
    few,
    lessons,
    thresholds,
)
from benchmarks.corpus.measuring import Task
from benchmarks.corpus.peers import outcomes as peers
from benchmarks.corpus.peers import report as peers_report
from benchmarks.corpus.peers import trained
from benchmarks.corpus.results import ROOT, Result, load, load_scores, save
from benchmarks.corpus.running import Run, run, run_each
from benchmarks.corpus.sets import CorpusError, find_sets
from benchmarks.corpus.settings import Setting, defaults
from benchmarks.corpus.speed import EngineName
from benchmarks.corpus.table import table
from benchmarks.corpus.teaching import Asked, measure_taught
from takt.core.errors import TaktError
from takt_models.fit.errors import FitError

DATA = Path(os.environ.get("TAKT_DATA", ROOT.parent / "shared" / "data"))
OUT = Path("out/corpus")

T = TypeVar("T")


def main(words: Sequence[str]) -> None:
    """Measures, or judges what was measured."""
    try:
        match list(words):
            case ["compare", *rest]:
                _compare(rest)
            case ["leave-one-out", *rest]:
                _leave_one_out(rest)
            case ["thresholds", *rest]:
                _thresholds(rest)
            case ["dirty", *rest]:
                told = f"Puts defects in the place of {dirty.SHARE:.0%} of the good pictures."
                _of_each_set(rest, "dirty", told, dirty.measure_dirty, dirty.report)
            case ["few", *rest]:
                told = "Fits a few good pictures as they are, and with turned ones."
                _of_each_set(rest, "few", told, few.measure_few, few.report)
            case ["teach", *rest]:
                _teach(rest)
            case ["moves", *rest]:
                _moves(rest)
            case ["peers", *rest]:
                _peers(rest)
            case ["bears", *rest]:
                _bears(rest)
            case _:
                _run(words)
    except (CorpusError, FitError, TaktError) as error:
        raise SystemExit(str(error)) from error


def _run(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.corpus",
        description="Fits a PatchCore to each set as `takt learn` does, and prints one table.",
        epilog="Of logged results: compare A.json B.json; leave-one-out A.json B.json ...; "
        "thresholds A.json. Of the sets: dirty, what defects in a good folder cost; few, what "
        "turned pictures give where good ones are few; teach, what a head of judged defects finds; "
        "moves, what movement, light and noise a model bears; bears, whether it says so itself",
    )
    _add_what_is_fitted(parser)
    parser.add_argument("--name", help="of the result; the setting itself without")
    parser.add_argument("--no-pixels", action="store_true", help="compare no map with its mask")
    parser.add_argument("--p50", nargs="?", const="onnxruntime", choices=get_args(EngineName))
    parser.add_argument("--results", type=Path, default=OUT / "results")
    parser.add_argument("--overwrite", action="store_true", help="a result of the same name")
    given = parser.parse_args(words)
    setting = Setting.parsed(given.values)
    sets = find_sets(given.data, given.sets)
    name = given.name or _name_of(setting)
    if (given.results / f"{name}.json").exists() and not given.overwrite:
        raise CorpusError(
            f"{given.results} has a result {name}: give another --name, or --overwrite"
        )
    started_s = time.perf_counter()
    found = run(
        Run(
            sets,
            setting,
            given.seeds,
            given.scratch,
            given.processes,
            given.p50,
            not given.no_pixels,
        )
    )
    result = Result.of_now(name, setting.values, [figures for figures, _ in found.values()])
    path = save(result, {one: scores for one, (_, scores) in found.items()}, given.results)
    print(f"{name}: {given.seeds} seed{'s' * (given.seeds > 1)}, {result.made_with['commit']}\n")
    print(table(result.sets))
    print(f"\n{path}, after {time.perf_counter() - started_s:.0f} s", file=sys.stderr)


def _name_of(setting: Setting) -> str:
    return re.sub(r"[^\w=,.+-]+", "_", setting.text)


def _add_what_is_fitted(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", default=[], help="names of some sets; all without")
    known = ", ".join(sorted(defaults()))
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="values", help=f"of {known}"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--processes", type=int, default=2, help="each has one thread; 0 starts none"
    )
    parser.add_argument("--scratch", type=Path, default=OUT, help="folder of what is kept")


def _of_each_set(
    words: Sequence[str],
    name: str,
    description: str,
    work: Callable[[Task], T],
    report: Callable[[Mapping[str, T]], str],
) -> None:
    """Does a work on each set, and prints what is reported of it."""
    parser = argparse.ArgumentParser(f"python -m benchmarks.corpus {name}", description=description)
    _add_what_is_fitted(parser)
    given = parser.parse_args(words)
    setting, sets = Setting.parsed(given.values), find_sets(given.data, given.sets)
    asked = Run(sets, setting, given.seeds, given.scratch, given.processes)
    print(report(run_each(asked, work)))


def _teach(words: Sequence[str]) -> None:
    """Teaches heads on each set, and prints what they find."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.corpus teach",
        description="Teaches a head of judged defects, with seed 0 of the fit.",
    )
    _add_what_is_fitted(parser)
    parser.add_argument("--draws", type=int, default=20, help="of judged defects")
    parser.add_argument("--wrong", action="store_true", help="judge some good pictures defects")
    parser.add_argument(
        "--splits", nargs="?", type=int, const=200, default=0, help="of the good parts"
    )
    given = parser.parse_args(words)
    setting, sets = Setting.parsed(given.values), find_sets(given.data, given.sets)
    asked = Asked(given.draws, given.wrong, given.splits)
    fits = Run(sets, setting, given.seeds, given.scratch, given.processes)
    print(lessons.report(run_each(fits, partial(measure_taught, asked=asked))))


def _peers(words: Sequence[str]) -> None:
    """Asks Takt's bank and other detectors, and prints the tables."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.corpus peers",
        description="Takt's bank beside anomalib's PatchCore and PaDiM, on the same features.",
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", default=[], help="names of some sets; all without")
    parser.add_argument("--anomalib", type=Path, help="a Python that has anomalib")
    parser.add_argument("--size", default="224", help="side of the input, for all detectors")
    parser.add_argument(
        "--minutes", type=float, default=5, help="of each trained model; 0 for none"
    )
    parser.add_argument("--processes", type=int, default=2, help="each has one thread")
    parser.add_argument(
        "--out", type=Path, default=Path("out/peers"), help="folder of what is kept"
    )
    given = parser.parse_args(words)
    setting, sets = Setting.parsed([f"size={given.size}"]), find_sets(given.data, given.sets)
    tasks = [Task(root, setting, 1, given.out) for root in sets]
    every = [*peers.asks(tasks, given.anomalib, given.out)]
    peers.answered(every, given.processes)
    print(peers_report.report(peers_report.kept(every), [root.name for root in sets]))
    if given.minutes:
        trained.fit_trained(given.data, given.minutes, given.out / "trained")
        print(f"\n{trained.report(given.data, given.minutes, given.out / 'trained')}")


def _moves(words: Sequence[str]) -> None:
    """Measures what movement each set's models bear, and logs it."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.corpus moves",
        description="Learns the middles of the good pictures, and inspects moved ones.",
    )
    _add_what_is_fitted(parser)
    parser.add_argument(
        "--choosing",
        action="store_true",
        help="by other movements, which settings are chosen by; a model is judged without",
    )
    parser.add_argument("--name", help="of the result; the setting itself without")
    parser.add_argument("--results", type=Path, default=OUT / "results")
    parser.add_argument("--overwrite", action="store_true", help="a result of the same name")
    parser.add_argument(
        "--compare", nargs="+", type=Path, default=[], metavar="JSON", help="former results"
    )
    parser.add_argument("--smoke", action="store_true", help="two tiny made-up sets, in seconds")
    given = parser.parse_args(words)
    if given.smoke:
        print(bearing_smoke.checked(choosing=given.choosing))
        return
    setting = Setting.parsed(given.values)
    sets = find_sets(given.data, given.sets)
    former = [bearing.MovesResult.load(path) for path in given.compare]
    name = given.name or _name_of(setting)
    path = bearing.file_of(name, given.results)
    if path.exists() and not given.overwrite:
        raise CorpusError(f"there is a result {path}: give another --name, or --overwrite")
    fits = Run(sets, setting, given.seeds, given.scratch, given.processes)
    result = bearing.measured(fits, name, choosing=given.choosing)
    result.save(given.results)
    print(f"{name}: {given.seeds} seed{'s' * (given.seeds > 1)}, {result.made_with['commit']}\n")
    print(bearing.report(result))
    for one in former:
        print(f"\n{bearing.comparison(one, result)}")
    print(f"\n{path}", file=sys.stderr)


def _bears(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.corpus bears",
        description="Learns the middles of the good pictures, and holds moved ones against what "
        "the model says that it bears.",
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", default=[], help="names of some sets; all without")
    parser.add_argument("--processes", type=int, default=2, help="0 starts none")
    parser.add_argument("--scratch", type=Path, default=OUT, help="folder of what is kept")
    parser.add_argument("--choosing", action="store_true", help="by other movements")
    parser.add_argument("--smoke", action="store_true", help="a tiny made-up set")
    given = parser.parse_args(words)
    work = partial(bears.measure_bears, choosing=given.choosing)
    if given.smoke:
        print(bearing_smoke.bears_checked(work))
        return
    sets = find_sets(given.data, given.sets)
    asked = Run(sets, Setting.parsed([]), 1, given.scratch, given.processes)
    print(bears.report(run_each(asked, work)))


def _compare(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.corpus compare")
    parser.add_argument("old", type=Path, help="result of the old setting")
    parser.add_argument("new", type=Path, help="result of the new one")
    given = parser.parse_args(words)
    differences, alone = comparing.compared(given.old, given.new)
    print(comparing.report(differences, alone))


def _leave_one_out(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.corpus leave-one-out")
    parser.add_argument("results", nargs="+", type=Path)
    given = parser.parse_args(words)
    results = [path for path in given.results if not path.name.startswith(bearing.PREFIX)]
    print(choosing.report(choosing.aurocs_of([load(path) for path in results])))


def _thresholds(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.corpus thresholds")
    parser.add_argument("result", type=Path, help="result whose kept scores are judged")
    print(thresholds.report(load_scores(parser.parse_args(words).result)))


if __name__ == "__main__":
    main(sys.argv[1:])
