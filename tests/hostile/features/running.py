"""Malformed inputs of each feature that takes some, with the bounds that each kind has to keep.

Each kind is a module here with a function `send`, and a line in `KINDS`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.features import (
    archives,
    learning_files,
    modbus,
    mqtt,
    multiview,
    tokens,
    webhooks,
)
from tests.hostile.features.outcome import Outcome
from tests.hostile.report import Verdict, table

MOST_MIB = 200
"""What a process may take beyond its start."""

Send = Callable[[int, int, Path], Outcome]
"""Sends so many inputs, drawn from a seed, with a folder of its own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of inputs.

    Attributes:
        send: sends them.
        count: how many a whole run has.
    """

    send: Send
    count: int = 2_000


KINDS: dict[str, Kind] = {
    "archives": Kind(archives.send, 1_000),
    "codes": Kind(multiview.send_codes),
    "learning_files": Kind(learning_files.send),
    "modbus": Kind(modbus.send),
    "mqtt": Kind(mqtt.send),
    "recipes": Kind(multiview.send_recipes),
    "tokens": Kind(tokens.send),
    "views": Kind(multiview.send_views),
    "webhooks": Kind(webhooks.send),
}


def run(only: Sequence[str], share: float, seed: int) -> None:
    """Send all kinds and print a table; ends the process with 1 where a bound is missed.

    Args:
        only: names of kinds; all if empty.
        share: of the inputs of a whole run.
        seed: they are drawn from.
    """
    verdict, rows, total = Verdict(2), [], 0
    for name, kind in KINDS.items():
        if only and name not in only:
            continue
        began_s = time.monotonic()
        outcome = send(name, max(1, round(kind.count * share)), seed)
        judge(name, outcome, verdict)
        total += outcome.inputs
        answers = ", ".join(f"{answer}: {n}" for answer, n in outcome.answers.most_common(6))
        took_s = time.monotonic() - began_s
        rows.append((
            name, outcome.inputs, answers, len(outcome.wrong), f"{outcome.memory_mib:+.0f}",
            f"{outcome.good}/{outcome.good + outcome.unanswered}", f"{took_s:.0f}",
        ))  # fmt: skip
        for line in outcome.wrong[:20]:
            print(f"{name}: {line}")
    print(table(("kind", "inputs", "answers", "wrong", "MiB", "good answered", "s"), rows))
    verdict.end(f"{total} inputs")


def send(name: str, count: int, seed: int) -> Outcome:
    """Send so many inputs of one kind."""
    with tempfile.TemporaryDirectory(prefix=f"takt-{name}-") as folder:
        return KINDS[name].send(count, seed, Path(folder))


def judge(name: str, outcome: Outcome, verdict: Verdict) -> None:
    """Hold what came of one kind against the bounds."""
    verdict.demand(not outcome.wrong, f"{name}: {len(outcome.wrong)} wrong")
    most = f"{name}: {outcome.memory_mib:.0f} of {MOST_MIB} MiB"
    verdict.demand(outcome.memory_mib <= MOST_MIB, most)
    unanswered = f"{name}: {outcome.unanswered} requests of good clients without an answer"
    verdict.demand(outcome.unanswered == 0, unanswered)
    verdict.demand(outcome.inputs > 0, f"{name}: nothing was sent")
