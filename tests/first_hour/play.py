"""One user's journey: each step in order, with what came of it."""

from __future__ import annotations

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.first_hour.console import Console, Seen, console
from tests.first_hour.journeys import Bar, Journey, Promise
from tests.first_hour.pages import Acted, Command, Ended, Printed, Saved, Step, steps
from tests.first_hour.terminal import Ran, StepError, Terminal, terminal
from tests.tree import copy_tracked

PORT = 8000
"""That of the pages; another one where it is taken, which is then put into the commands."""
PICTURES = "bsdata_pitting/train/good"
_NUMBER = re.compile(r"\d[\d.,]*(e-?\d+)?")


@dataclass(frozen=True)
class Done:
    """A command that was run, or a sentence that was done in the console.

    Attributes:
        clicks: how many it took in the console.
        seen: what was looked for there, as it stood.
    """

    user: str
    page: str
    line: int
    command: str
    seconds: float
    fault: str | None = None
    clicks: int = 0
    seen: str = ""


def bring_pictures(folder: Path, data: Path) -> int:
    """What a reader of the README has: `good/` and `part.jpg`; returns the number of pictures."""
    good = data / PICTURES
    if not good.is_dir():
        good = folder / "examples/learn/good"
    shutil.copytree(good, folder / "good")
    shutil.copy(sorted((folder / "examples/pictures/pitting").iterdir())[-1], folder / "part.jpg")
    return len(list(good.iterdir()))


def free_port() -> int:
    """8000 as on the pages, or another port where somebody has that one."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no port is free")


def play(journey: Journey, folder: Path, data: Path, tell: Callable[[Done], None]) -> list[Done]:
    """Go through a journey up to its end or its first fault.

    Where another user has been before, in a folder that is there, this one goes on with the copy.
    """
    if not folder.exists():
        copy_tracked(folder)
        bring_pictures(folder, data)
    done: list[Done] = []
    kept = set(journey.promises)
    port = free_port()
    with terminal(folder, port) as opened, console(folder) as person:
        for page, sections in journey.reading:
            output = ""
            for step in _read(page, sections, folder):
                took: Ran | Seen | None = None
                began_s = time.perf_counter()
                try:
                    took = _take(step, opened, person, port, output)
                    if took is None:
                        continue
                    if isinstance(took, Ran) and isinstance(step, Command):
                        output += took.output
                        for promise in promises_of(step, journey.promises):
                            promise.check(took, opened)
                            kept.discard(promise)
                    fault = None
                except (StepError, ValueError) as error:
                    fault = f"{error}\n--- server\n{opened.log()}"
                one = _done(journey.user, step, took, time.perf_counter() - began_s, fault)
                done.append(one)
                tell(one)
                if fault:
                    return done
            opened.end_server()
    for promise in kept:
        fault = "no command of the page begins so"
        done.append(Done(journey.user, promise.page, 0, promise.command, 0, fault))
        tell(done[-1])
    return done


def _done(user: str, step: Step, took: Ran | Seen | None, took_s: float, fault: str | None) -> Done:
    name = step.name if isinstance(step, Command | Acted) else "what the page prints"
    if fault:
        return Done(user, step.page, step.line, name, 0.0, fault)
    if isinstance(took, Ran):
        return Done(user, step.page, step.line, name, took.seconds)
    seen = took or Seen()
    return Done(user, step.page, step.line, name, took_s, None, seen.clicks, seen.text)


def _read(page: str, sections: tuple[str, ...] | None, folder: Path) -> Iterator[Step]:
    for step in steps(page, folder):
        if sections is None or step.section in sections:
            yield step


def _take(
    step: Step, opened: Terminal, person: Console, port: int, output: str
) -> Ran | Seen | None:
    """Do what the step says; None if there is nothing to run."""
    if isinstance(step, Saved):
        (opened.folder / step.file).write_text(_at(port, step.text))
    elif isinstance(step, Ended):
        opened.end_server()
    elif isinstance(step, Printed):
        check_printed(step.text, output)
    elif isinstance(step, Acted):
        return person.do(_at(port, step.text))
    elif step.is_run:
        text = _at(port, step.text)
        if step.serves:
            return opened.serve(text, has_model=step.has_model)
        ran = opened.run(text)
        if ran.status:
            raise StepError(f"it has ended with status {ran.status}:\n{ran.output[-3000:]}")
        return ran
    return None


def _at(port: int, text: str) -> str:
    return text.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}")


def promises_of(command: Command, promises: Iterable[Promise]) -> list[Promise]:
    """Those of this command: of all that it begins like, the longest one."""
    begun = [
        promise
        for promise in promises
        if promise.page == command.page and command.name.startswith(promise.command)
    ]
    longest = max((len(promise.command) for promise in begun), default=0)
    return [promise for promise in begun if len(promise.command) == longest]


def check_printed(said: str, output: str) -> None:
    """Whether the output has each line that a page shows, whatever its numbers are.

    Of an answer in JSON, to which a page adds line breaks, it has each name.

    >>> check_printed("found  4 of 6", "AUROC 0.9\\nfound 5 of 6 (83%)")
    >>> check_printed("lost   4 of 6", "AUROC 0.9\\nfound 5 of 6 (83%)")
    Traceback (most recent call last):
    tests.first_hour.terminal.StepError: the page shows what was not printed: lost   4 of 6
    """
    if said.startswith("{"):
        shown = re.findall(r'"\w+":', said)
        missing = [name for name in shown if name not in output]
    else:
        printed = _without_numbers(output)
        missing = [line for line in said.splitlines() if _without_numbers(line) not in printed]
    if missing:
        raise StepError(f"the page shows what was not printed: {missing[0]}")


def _without_numbers(text: str) -> str:
    return " ".join(_NUMBER.sub("#", text).split())


def time_of(bar: Bar, done: Iterable[Done]) -> float | None:
    """Seconds of a bar's steps, each the first that begins so; None if one is missing."""
    steps_done = list(done)
    total_s = 0.0
    for begin in bar.commands:
        found = [one for one in steps_done if one.command.startswith(begin) and one.fault is None]
        if not found:
            return None
        total_s += found[0].seconds
    return total_s
