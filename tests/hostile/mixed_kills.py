"""A server that is killed under mixed load: what was answered, and what is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select as waiting
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from takt.recording.record import Record, open_record
from takt.recording.tables import inspections, parts
from tests.hostile.bundle import write_bundle
from tests.hostile.killing import ids_of, judge, look, stored
from tests.hostile.mixed_load import KINDS, NEARLY, SCALES, MixedLife, MixedLoad, score_of
from tests.hostile.report import Verdict, table
from tests.hostile.server import Server, serve_command, started

OPTIONS = ("--record", "sqlite", "--keep", "rejects,sample=0.5", "--no-request-log")

MOST_UNRECORDED_S = 6.0
"""How long before a kill an answer may have come that the record has lost, unless answers wait for
it: a tenth of a second as a rule, and on a busy disk what a transaction may wait for another."""

_LEARNER_ENDS_WITHIN_S = 30.0

_MORE_S = 120.0
"""Longest time that a life may take beyond the one that it is to."""


def run(lives: int, life_s: float, folder: Path, *, first: bool, seed: int = 23) -> list[MixedLife]:
    """Start a server, kill it under load, and look at its record; again and again.

    Args:
        lives: of the server.
        life_s: of load before each kill; longer where a busy machine has not done all by then.
        folder: of the bundles and the record.
        first: whether answers wait for the record.
        seed: of the pictures.
    """
    for version, scale in SCALES.items():
        write_bundle(folder / "models", version, scale)
    drawn = random.Random(seed)
    options = ["--data-folder", str(folder / "data"), *OPTIONS]
    if first:
        options.append("--commit-before-answer")
    command = serve_command(folder / "models", *options)
    record = open_record(folder / "data", "sqlite")
    assert record is not None
    found = [asyncio.run(_live(record, command, life_s, drawn)) for _ in range(lives)]
    record.close()
    return found


async def _live(
    record: Record, command: list[str], life_s: float, drawn: random.Random
) -> MixedLife:
    life = MixedLife()
    with started(command) as server:

        async def kill() -> None:
            ends_s = time.monotonic() + life_s
            while (now_s := time.monotonic()) < ends_s or (
                not life.is_whole and now_s < ends_s + _MORE_S
            ):
                life.acknowledged = await asyncio.to_thread(stored, server)
                life.seen |= await asyncio.to_thread(ids_of, record)
                await asyncio.sleep(min(0.5, life_s / 10))
            with _learners_ended(server, life):
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()

        await MixedLoad(server.url, life, drawn).until_killed(kill)
    look(record, life)
    compare(record, life)
    return life


@contextlib.contextmanager
def _learners_ended(server: Server, life: MixedLife) -> Iterator[None]:
    """Whoever learns for a server ends with it."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    open_fds = []
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            open_fds.append(os.pidfd_open(int(child)))
    yield
    for descriptor in open_fds:
        ended, _, _ = waiting.select([descriptor], [], [], _LEARNER_ENDS_WITHIN_S)
        life.learnings["ended with the server" if ended else "outlived the server"] += 1
        os.close(descriptor)


def compare(record: Record, life: MixedLife) -> None:
    """Hold what the record has of a life against what was sent and answered."""
    of, found = inspections.c, Counter[str]()
    with record.database.reading() as connection:
        rows = connection.execute(select(of.request_id, of.version, of.score)).all()
        results = connection.execute(select(parts.c.part, parts.c.verdict)).all()
    for row in rows:
        if row.request_id not in life.sent:
            continue
        found[row.request_id] += 1
        expected = score_of(life.sent[row.request_id], row.version)
        if abs(row.score - expected) > NEARLY:
            life.wrong.append(f"{row.request_id} is recorded with {row.score}, not {expected}")
    life.wrong += [f"{one} is recorded {count} times" for one, count in found.items() if count > 1]
    for part, verdict in results:
        expected_verdict = {True: "good", False: "defect", None: verdict}[life.parts.get(part)]
        # One that waited for a view as its server ended has no other.
        unfinished = verdict == "undecided" and part not in life.told
        if verdict != expected_verdict and not unfinished:
            life.wrong.append(f"part {part} is recorded as {verdict}, not {expected_verdict}")
    life.unrecorded_s = [
        life.killed_s - at_s for one, at_s in life.acknowledged_s.items() if one not in found
    ]


def judge_mixed(lives: list[MixedLife], *, first: bool) -> Verdict:
    """What was missed, over all lives."""
    verdict = judge(list(lives))
    for number, life in enumerate(lives):
        verdict.demand(not life.wrong, f"life {number}: {len(life.wrong)} wrong, {life.wrong[:1]}")
        for kind in KINDS:
            verdict.demand(life.answers[kind] > 0, f"life {number} answered nothing by {kind}")
        verdict.demand(life.switches > 0, f"life {number} switched no version")
        verdict.demand(
            not life.learnings["outlived the server"], f"life {number}: a learner outlived it"
        )
        unrecorded, oldest_s = len(life.unrecorded_s), max(life.unrecorded_s, default=0.0)
        if first:
            verdict.demand(not unrecorded, f"life {number} has lost {unrecorded} answered ones")
        verdict.demand(
            oldest_s <= MOST_UNRECORDED_S,
            f"life {number} has lost an answer that came {oldest_s:.2f} s before the kill",
        )
    return verdict


def report(lives: list[MixedLife]) -> str:
    """The sums of all lives, as tables."""
    answers, refusals, learnings = Counter[str](), Counter[str](), Counter[str]()
    for life in lives:
        answers += life.answers
        refusals += life.refusals
        learnings += life.learnings
    unrecorded = [at_s for life in lives for at_s in life.unrecorded_s]
    sums = table(
        (
            *("kills", "answered", "wrong", "answered and lost", "oldest of these, s"),
            *("parts sent", "switches", "threshold changes", "in the audit log"),
            *("orphans removed", "rows without picture"),
        ),
        [
            (
                *(len(lives), sum(life.answered for life in lives)),
                *(sum(len(life.wrong) for life in lives), len(unrecorded)),
                f"{max(unrecorded, default=0.0):.2f}",
                sum(len(life.parts) for life in lives),
                sum(life.switches for life in lives),
                *(sum(life.changes for life in lives), lives[-1].entries),
                sum(life.orphans for life in lives),
                sum(life.missing for life in lives),
            )
        ],
    )
    return "\n".join(
        (
            sums,
            *(
                f"{name}: " + (", ".join(f"{kind} {n}" for kind, n in found.items()) or "none")
                for name, found in (
                    ("answers", answers),
                    ("refusals", refusals),
                    ("learnings", learnings),
                )
            ),
        )
    )
