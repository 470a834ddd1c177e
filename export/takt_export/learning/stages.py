"""One bar for work of several stages: where it is, how far, and how long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import click
from tqdm import tqdm

from takt.core.domain import Image, Json

Load = Callable[[Path], Image]
Report = Callable[[Json], None]
"""Takes one event for a program: an object of JSON with its kind under `event`."""

_TICK_S = 0.25
_FORMAT = "{desc} |{bar:24}| {percentage:3.0f} % {elapsed}{postfix}"
_KEPT = ("warning: ", "left out as copies", "size ", "parts known by ids")


class Stages:
    """A bar on standard error that goes through named stages; plain lines where no terminal is.

    >>> with Stages(quiet=True) as stages:
    ...     stages.plan({"fit": 3.0, "export": 1.0})
    ...     stages.begin("fit")
    ...     stages.at(1, 2, "pictures")
    ...     stages.tell("warning: few pictures")
    ...     stages.begin("export")
    >>> list(stages.seconds), stages.told
    (['start', 'fit', 'export'], ['few pictures'])

    Args:
        quiet: show nothing.
        report: hears of everything instead of the bar.

    Attributes:
        seconds: that each stage took, in order.
        told: warnings, for the summary.
    """

    def __init__(self, *, quiet: bool = False, report: Report | None = None) -> None:
        self._report = report
        self._shares: dict[str, float] = {}
        self._planned: dict[str, float] = {}
        hidden = quiet or report is not None
        self._bar = tqdm(total=1.0, disable=hidden or None, bar_format=_FORMAT, leave=False)
        self._bar.set_description_str("starting")
        self._plain = self._bar.disable and not hidden
        self._ended = threading.Event()
        self._ticking = threading.Thread(target=self._tick, daemon=True)
        self._begun = self._share = 0.0
        self._hidden = False
        self._name: str | None = "start"
        self._started_s = time.perf_counter()
        self.seconds: dict[str, float] = {}
        self.told: list[str] = []

    def __enter__(self) -> Self:
        """The stages; the end of the block takes the bar away."""
        self._ticking.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # An exit has been explained by whoever asked for it.
        if error is not None and not isinstance(error, click.exceptions.Exit):
            self.failed(str(error) or type(error).__name__)
        self.close()

    def failed(self, why: str) -> None:
        """Tells a program that nothing came of it."""
        self._tell_of("error", text=why)

    def close(self) -> None:
        """Ends the last stage, and takes the bar away."""
        self.end()
        self._ended.set()
        self._ticking.join()
        self._bar.close()

    def plan(self, seconds: Mapping[str, float]) -> None:
        """Tells the stages in their order, each with about the seconds that it takes."""
        whole = sum(seconds.values())
        self._planned = dict(seconds)
        self._shares = {name: usual / whole for name, usual in seconds.items()}
        self._tell_of("plan", stages=list(seconds))

    def begin(self, name: str) -> None:
        """Ends the stage before, and shows this one."""
        self.end()
        names = list(self._shares)
        number = names.index(name)
        self._share = self._shares[name]
        self._begun = sum(self._shares[one] for one in names[:number])
        self._name, self._started_s = name, time.perf_counter()
        self._bar.set_description_str(f"{name} ({number + 1} of {len(names)})", refresh=False)
        self._tell_of("stage", stage=name, share=round(self._begun, 4))
        self._show(0.0, "")
        if self._plain:
            click.echo(f"{name} …", err=True)

    def end(self) -> None:
        """Ends the stage, and keeps its time."""
        if self._name is not None:
            self.seconds[self._name] = time.perf_counter() - self._started_s
            self._name = None

    def at(self, done: int, of: int, what: str) -> None:
        """Shows how far the stage is."""
        self._show(min(1.0, done / max(1, of)), f"{done} of {of} {what}")
        self._tell_of("progress", share=round(self._bar.n, 4), text=f"{done} of {of} {what}")

    def tell(self, line: str) -> None:
        """Keeps warnings and what else is of use for the summary; shows others beside the bar."""
        if line.startswith(_KEPT):
            self.told.append(line.removeprefix(_KEPT[0]))
            self._tell_of("warning", text=self.told[-1])
        else:
            self._bar.set_postfix_str(line[:60])

    def tried(self, facts: Json) -> None:
        """Tells a program of one way to learn that was tried."""
        self._tell_of("tried", **facts)

    def counted(self, load: Load, count: int) -> Load:
        """A function that reads a picture, and moves the bar with each one that is new."""
        read: set[Path] = set()

        def counting(path: Path) -> Image:
            picture = load(path)
            read.add(path)
            self.at(len(read), count, "pictures")
            return picture

        return counting

    @contextmanager
    def others_bar(self) -> Iterator[None]:
        """Leaves the line to the bar of a fit while the block runs."""
        self._hidden = True
        self._bar.clear()
        try:
            yield
        finally:
            self._hidden = False

    def _show(self, share: float, text: str) -> None:
        self._bar.n = min(1.0, self._begun + self._share * share)
        self._bar.set_postfix_str(text, refresh=False)
        if not self._hidden:
            self._bar.refresh()

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_S):
            if not self._hidden:
                self._bar.refresh()
            elif self._report is not None and self._name is not None:
                # A fit with a bar of its own has so much time, and tells nothing else.
                passed_s = time.perf_counter() - self._started_s
                share = min(1.0, passed_s / self._planned.get(self._name, passed_s))
                whole = self._begun + self._share * share
                self._tell_of("progress", share=round(whole, 4), text="")

    def _tell_of(self, event: str, **facts: object) -> None:
        if self._report is not None:
            self._report({"event": event, **facts})
