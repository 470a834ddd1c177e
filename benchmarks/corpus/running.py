"""A setting on all sets: features first, then fits, one set to a process."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import torch

from benchmarks.corpus.figures import SetFigures
from benchmarks.corpus.measuring import Scores, Task, encode, measure
from benchmarks.corpus.settings import Setting
from benchmarks.corpus.speed import EngineName, p50_ms

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """What is asked for.

    Attributes:
        sets: folders of the sets.
        setting: of the fit.
        seeds: number of seeds.
        scratch: folder of what is kept.
        processes: number of processes, each on one thread; 0 for this one.
        p50: engine that times the graphs; None for no times.
        pixels: whether maps are compared with masks, which takes as long as all else.
    """

    sets: Sequence[Path]
    setting: Setting
    seeds: int
    scratch: Path
    processes: int
    p50: EngineName | None = None
    pixels: bool = True


def run(asked: Run) -> dict[str, tuple[SetFigures, Scores]]:
    """The figures and the scores of each set, by its name, in order.

    Raises:
        CorpusError: the setting cannot be had.
        FitError, PicturesError: a set does not do.
    """
    with tempfile.TemporaryDirectory() as folder:
        tasks = {
            root.name: Task(
                root,
                asked.setting,
                asked.seeds,
                asked.scratch,
                Path(folder) / f"{root.name}.onnx" if asked.p50 else None,
                asked.pixels,
            )
            for root in asked.sets
        }
        for name, seconds in _each(encode, tasks, asked.processes):
            _tell(f"{name}: features in {seconds:.0f} s")
        found = {}
        for name, measured in _each(measure, tasks, asked.processes, once=True):
            found[name] = measured
            _tell(f"{name}: image AUROC {measured[0].image_auroc:.4f}")
        if asked.p50:
            # After all else, so that nothing runs beside.
            for name, task in tasks.items():
                assert task.graph is not None
                figures, scores = found[name]
                found[name] = (
                    replace(figures, p50_ms=p50_ms(task.graph, asked.p50, *figures.sides)),
                    scores,
                )
    return {name: found[name] for name in tasks}


def run_each(asked: Run, work: Callable[[Task], T]) -> dict[str, T]:
    """What comes of the work on each set, by its name, in order.

    Raises:
        CorpusError: the setting cannot be had.
        FitError, PicturesError: a set does not do.
    """
    tasks = {
        root.name: Task(root, asked.setting, asked.seeds, asked.scratch) for root in asked.sets
    }
    found = {}
    for name, done in _each(work, tasks, asked.processes):
        found[name] = done
        _tell(f"{name}: done")
    return {name: found[name] for name in tasks}


def _each(
    work: Callable[[Task], T], tasks: dict[str, Task], processes: int, *, once: bool = False
) -> Iterator[tuple[str, T]]:
    """What comes of each task, as it comes; the sets with the most files go first.

    With `once` each task has a process of its own, whose memory tells of that set alone.
    """
    if not processes:
        yield from ((name, work(task)) for name, task in tasks.items())
        return
    first = sorted(tasks, key=lambda name: -sum(1 for _ in tasks[name].root.rglob("*")))
    with (
        _one_thread_each(),
        ProcessPoolExecutor(
            processes,
            mp_context=get_context("spawn"),
            initializer=_on_one_thread,
            max_tasks_per_child=1 if once else None,
        ) as pool,
    ):
        waiting = {pool.submit(work, tasks[name]): name for name in first}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that start meanwhile read from their environment that libraries have one thread."""
    former = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if former is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = former


def _on_one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
