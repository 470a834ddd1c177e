"""The progress of `takt learn` for programs: an object of JSON a line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TextIO

from takt.core.domain import Json
from takt_export.learning.stages import Report

_AT_MOST_EVERY_S = 0.2


def lines_to(stream: TextIO, clock: Callable[[], float] = time.monotonic) -> Report:
    """A report that writes each event as a line, and of progress only some.

    >>> import sys
    >>> report = lines_to(sys.stdout)
    >>> report({"event": "stage", "stage": "fit"})
    {"event": "stage", "stage": "fit"}

    Args:
        stream: takes the lines.
        clock: gives seconds that never go back.
    """
    writing = threading.Lock()
    next_s = 0.0

    def report(event: Json) -> None:
        nonlocal next_s
        with writing:
            if event["event"] == "progress":
                if clock() < next_s:
                    return
                next_s = clock() + _AT_MOST_EVERY_S
            stream.write(json.dumps(event) + "\n")
            stream.flush()

    return report
