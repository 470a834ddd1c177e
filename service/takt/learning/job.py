"""One learning: what was asked, how far it is, and what came of it."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, TypeAdapter

from takt.core.domain import Json
from takt.core.families.every import learnable
from takt.learning.judged import GatheredJudged
from takt.learning.taught import Taught, taught_of
from takt.learning.wish import Wish

AdvisedSetting = Literal["alpha", "family"]
LearningState = Literal["collecting", "running", "done", "failed", "cancelled"]

MOST_LINES: Final = 50
"""Lines of the log, and warnings, that are kept of a learning."""

GATHER: Final = "gather"
"""The stage of a teaching before those of the process: judged pictures come from the record."""

_LONGEST_TEXT: Final = 2_000
_UNTOLD: Final = "what the version was taught could not be read; its notes say what it rests on"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Advice:
    """A setting with which another learning of the same pictures may find more.

    Attributes:
        setting: name of the setting.
        value: that is advised.
    """

    setting: AdvisedSetting
    value: float | str


def _text(value: object) -> str:
    return str("" if value is None else value)[:_LONGEST_TEXT]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(_text, value[:MOST_LINES])) if isinstance(value, list) else ()


def _advice(told: object) -> Iterator[Advice]:
    """Of what is told of settings, that which can be read."""
    for one in told[:MOST_LINES] if isinstance(told, list) else ():
        match one:
            case {"setting": "alpha", "value": float(value)} if 0 < value < 1:
                yield Advice("alpha", value)
            case {"setting": "family", "value": str(value)} if value in [
                one.name for one in learnable()
            ]:
                yield Advice("family", value)


_Text = Annotated[str, BeforeValidator(_text)]
_Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


@dataclass(frozen=True, slots=True)
class LearnedVersion:
    """What was learned, as `takt learn` tells it.

    Attributes:
        version: name of the new version.
        pictures: that it was learned from, in words.
        threshold: of its score.
        promise: of its thresholds, in words.
        self_test: the result on made-up defects, in words; None if none could be made.
        bears: what movement it bears, in words; None if that was not tested.
        findings: what speaks against it, each with its remedy.
        compared: an update beside the version before, a line each.
        notes: what else its answers rest on.
        taught: what judged pictures have changed; None for a version that was not taught.
        advice: settings to try with the same pictures, as something speaks against it.
    """

    version: _Text = ""
    pictures: _Text = ""
    threshold: float = 0.0
    promise: _Text = ""
    self_test: _Text | None = None
    bears: _Text | None = None
    findings: _Texts = ()
    compared: _Texts = ()
    notes: _Texts = ()
    taught: Annotated[Taught | None, BeforeValidator(taught_of)] = None
    advice: Annotated[tuple[Advice, ...], BeforeValidator(_advice)] = ()


_LEARNED = TypeAdapter(LearnedVersion)


@dataclass(slots=True)
class LearningJob:
    """One learning; changes while it goes on.

    >>> job = LearningJob(Wish("nut"), "ann")
    >>> job.take({"event": "stage", "stage": "fit", "share": 0.02})
    >>> job.stage, job.share
    ('fit', 0.02)

    Attributes:
        wish: what was asked.
        by: name of who asked.
        id: names it in paths.
        state: `collecting` takes pictures; `failed` takes more of them, to be started again.
        created_at: UTC, ISO 8601.
        started_at: when it was started last.
        ended_at: when it ended.
        pictures: that it has.
        bytes: of their files.
        duplicates: files that were copies of others, and left out.
        pictures_kept: whether the pictures are there, though nobody may be sending any more.
        gathered: the judged pictures of a teaching; None before they are there.
        stages: that it goes through, in their order.
        stage: in which it is.
        share: of the whole way, 0 to 1.
        detail: how far the stage is, in words.
        place: name of the version that is being made.
        warnings: of the way.
        log: last lines of the process.
        error: why it failed.
        learned: what came of it.
    """

    wish: Wish
    by: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: LearningState = "collecting"
    created_at: str = field(default_factory=_now)
    started_at: str | None = None
    ended_at: str | None = None
    pictures: int = 0
    bytes: int = 0
    duplicates: int = 0
    pictures_kept: bool = True
    gathered: GatheredJudged | None = None
    stages: tuple[str, ...] = ()
    stage: str | None = None
    share: float = 0.0
    detail: str = ""
    place: str | None = None
    warnings: list[str] = field(default_factory=list)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    error: str | None = None
    learned: LearnedVersion | None = None

    @property
    def under_way(self) -> bool:
        """Whether no other may begin."""
        return self.state in ("collecting", "running")

    @property
    def takes_pictures(self) -> bool:
        """Whether it may be given pictures, and be started."""
        return self.state in ("collecting", "failed")

    def begin(self) -> None:
        """It runs, maybe once more."""
        self.state, self.started_at, self.ended_at = "running", _now(), None
        self.stages, self.stage, self.share, self.detail = (), None, 0.0, ""
        self.place = self.error = self.learned = None
        self.warnings.clear()
        self.log.clear()

    def gathers(self, done: int, pictures: int) -> None:
        """Judged pictures come from the record; so many of all are there."""
        self.stage, self.detail = GATHER, f"{done} of {pictures} pictures"

    def has(self, gathered: GatheredJudged | None) -> None:
        """The judged pictures are there; None where they are not, or not any more."""
        self.gathered = gathered
        self.pictures = gathered.pictures if gathered else 0
        self.bytes = gathered.bytes if gathered else 0
        self.duplicates = gathered.repeated if gathered else 0

    def end(self, state: LearningState, error: str | None = None) -> None:
        """It is over, for whichever reason."""
        self.state, self.error, self.ended_at = state, error, _now()

    def take(self, event: Json) -> None:
        """Goes on by what the process tells; passes over what nobody knows."""
        match event:
            case {"event": "plan", "stages": [*stages]}:
                first = (GATHER,) if self.wish.teach else ()
                self.stages = (*first, *(_text(stage) for stage in stages[:MOST_LINES]))
            case {"event": "place", "version": str(version)}:
                self.place = version
            case {"event": "stage", "stage": str(stage), "share": float() | int() as share}:
                self.stage, self.share, self.detail = _text(stage), _share(share), ""
            case {"event": "progress", "share": float() | int() as share, "text": str(text)}:
                self.share, self.detail = _share(share), _text(text)
            case {"event": "warning", "text": str(text)} if len(self.warnings) < MOST_LINES:
                self.warnings.append(_text(text))
            case {"event": "error", "text": str(text)}:
                self.error = _text(text)
            case {"event": "result"}:
                self.learned = _LEARNED.validate_python(event)
                self.share = 1.0
                if self.wish.teach and self.learned.taught is None:
                    self.warnings.append(_UNTOLD)


def _share(value: float) -> float:
    return min(1.0, max(0.0, float(value)))
