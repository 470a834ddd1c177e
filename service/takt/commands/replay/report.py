"""What a replay has found, as a table or as JSON lines."""

from __future__ import annotations

import click
import orjson

from takt.commands.records.table import VERDICT_WORDS
from takt.digits import short
from takt.repository.replaying.json_form import json_of
from takt.repository.replaying.many import NotReplayed
from takt.repository.replaying.replay import Replay
from takt.repository.replaying.tolerance import source_of_stored

_TITLE = (
    f"{'ID':>8}  {'RECORDED':>12}  {'REPLAYED':>12}  {'DIFFERENCE':>10}  {'VERDICT':16}  "
    f"{'REGIONS':7}  RESULT"
)


class JsonReport:
    """A JSON object on a line for each replay."""

    def __init__(self) -> None:
        self.all_reproduced = True

    def put(self, one: Replay | NotReplayed) -> None:
        """Print one more."""
        if isinstance(one, NotReplayed):
            self.all_reproduced = False
            click.echo(orjson.dumps({"id": one.stored.id, "error": one.reason}))
            return
        self.all_reproduced &= one.reproduced
        click.echo(orjson.dumps(json_of(one)))

    def end(self) -> None:
        """Print nothing more."""


class TableReport:
    """A table for people: of each bundle and engine, and figures of all at the end."""

    def __init__(self) -> None:
        self._about = ""
        self._same = 0
        self._differ = 0
        self._not_replayed = 0
        self._largest = 0.0

    @property
    def all_reproduced(self) -> bool:
        """Whether each one gave the recorded answer."""
        return not self._differ and not self._not_replayed

    def put(self, one: Replay | NotReplayed) -> None:
        """Print one more."""
        if isinstance(one, NotReplayed):
            self._not_replayed += 1
            click.echo(f"{one.stored.id:>8}  not replayed: {one.reason}")
            return
        if (about := _about(one)) != self._about:
            click.echo(f"{about}\n{_TITLE}")
            self._about = about
        if one.reproduced:
            self._same += 1
        else:
            self._differ += 1
        self._largest = max(self._largest, abs(one.score_difference))
        click.echo(_line(one))

    def end(self) -> None:
        """Print the figures of all."""
        parts = [f"{self._same + self._differ} replayed", f"{self._differ} differ"]
        if self._not_replayed:
            parts.append(f"{self._not_replayed} could not be replayed")
        click.echo(f"{', '.join(parts)}; largest difference of a score: {short(self._largest, 3)}")


Report = JsonReport | TableReport
"""Takes replays as they are made."""


def _about(one: Replay) -> str:
    """What has answered then and now, and how far the answers may differ."""
    stored, now, tolerance = one.stored, one.source, one.tolerance
    before = source_of_stored(stored)
    bundle = f"{stored.model} {stored.version}, bundle {stored.digest[:12]}"
    if tolerance.rule == "same_engine":
        return (
            f"{bundle}, on {before.engine} ({before.runtime}, {before.processor}), as recorded: "
            "answers may differ by rounding, 1e-06 of them"
        )
    changes = "; ".join(
        f"{name} was {getattr(before, name) or 'none'}, is {getattr(now, name) or 'none'}"
        for name in tolerance.differs
    )
    return (
        f"{bundle}, not on the recorded engine: {changes}. Answers may differ as the bounds allow "
        f"in which servers load both: {tolerance.score:.2g} in score, {tolerance.peak:.2g} in peaks"
    )


def _line(one: Replay) -> str:
    verdicts = [VERDICT_WORDS[one.stored.verdict], VERDICT_WORDS[one.verdict.name]]
    verdict = verdicts[0] if one.same_verdict else " -> ".join(verdicts)
    count, now = len(one.stored.regions), len(one.verdict.regions)
    regions = f"{count}" if count == now else f"{count} -> {now}"
    wrong = [
        name
        for name, same in (
            ("verdict", one.same_verdict),
            ("score", one.same_score),
            ("regions", one.same_regions),
        )
        if not same
    ]
    result = f"DIFFERS: {', '.join(wrong)}" if wrong else "same"
    return (
        f"{one.stored.id:>8}  {one.stored.score:>12.7g}  {one.verdict.score:>12.7g}  "
        f"{one.score_difference:>10.2g}  {verdict:16}  {regions:7}  {result}"
    )
