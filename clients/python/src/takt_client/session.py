"""A stream's conversation without its connection: the messages to send, and what was answered."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal, Required, TypedDict

from takt_client.errors import (
    InvalidParameterError,
    RequestError,
    TaktError,
    UnreadableAnswerError,
)
from takt_client.failures import error_of
from takt_client.frames import frame_answer_of
from takt_client.pictures import RawPicture, pack_frame
from takt_client.reading import Json, readable, stats_of
from takt_client.values import (
    FrameAnswer,
    FrameDropped,
    FrameRefused,
    Heatmap,
    HeatmapKind,
    ImageFormat,
    Priority,
    StreamItem,
    StreamStats,
)

_BYE = '{"type": "bye"}'
_NO_PART = '{"type": "part"}'


class InspectChoices(TypedDict, total=False):
    """Options of a picture; the server chooses those that are left out.

    Attributes:
        heatmap: `none`, the coloured `map`, the `overlay` on the picture, or the `raw` map.
        format: of the coloured pictures.
        threshold: instead of the model's, for this verdict.
        pixel_threshold: instead of the model's, for these regions and this verdict.
        timeout_ms: after which the server gives up.
        priority: `line` goes before `bulk` where both wait.
        station: where the picture was taken; this and what follows is for the server's record.
        part: id of the part that it shows.
        lot: that the part belongs to.
        tags: anything else, as names and values.
    """

    heatmap: HeatmapKind
    format: ImageFormat
    threshold: float
    pixel_threshold: float
    timeout_ms: float
    priority: Priority
    station: str
    part: str
    lot: str
    tags: Mapping[str, str]


def query_of(choices: Mapping[str, Any]) -> dict[str, Any]:
    """The choices of a picture as a query has them: all tags are one text, `shift=2,camera=left`.

    None is the same as leaving a choice out: the server would take it for an empty text.

    Raises:
        InvalidParameterError: the server would read a tag as another one, or as several.
    """
    query = {name: value for name, value in choices.items() if value is not None}
    tags = query.pop("tags", {})
    for name, value in tags.items():
        if "," in f"{name}{value}" or "=" in name:
            raise InvalidParameterError(
                f"tag {name!r} is {value!r}; write it without a comma, and its name without ="
            )
    if tags:
        query["tags"] = ",".join(f"{name}={value}" for name, value in tags.items())
    return query


class PartLabels(TypedDict, total=False):
    """What a frame shows, for the server's record, beside what holds for the whole stream.

    Attributes:
        station: where the picture was taken.
        part: id of the part that it shows.
        lot: that the part belongs to.
        tags: anything else, as names and values.
    """

    station: str
    part: str
    lot: str
    tags: Mapping[str, str]


class FrameViewChoices(TypedDict, total=False):
    """Which view of which part a frame shows, and by which recipe it is inspected.

    Attributes:
        part: its id.
        view: its name in the recipe.
        recipe: its name; the same with all views of a part.
        again: whether the id stands for another part than the one that has just ended.
        station: where the picture was taken; this and what follows is for the server's record.
        lot: that the part belongs to.
        tags: anything else, as names and values.
    """

    part: Required[str]
    view: Required[str]
    recipe: Required[str]
    again: bool
    station: str
    lot: str
    tags: Mapping[str, str]


def view_message(choices: FrameViewChoices) -> str:
    """What is to be sent before a frame that shows a view."""
    return json.dumps({"type": "view", **choices})


class VoteChoice(TypedDict):
    """Anomalous if `k` of the last `n` frames are."""

    k: int
    n: int


class StreamChoices(InspectChoices, total=False):
    """Options of a stream, beside those of a picture.

    Attributes:
        policy: `all` answers every frame; `latest` drops older frames while the engine is busy.
        vote: over the last frames.
        smoothing: weight of the newest score in the smoothed one, above 0 and up to 1.
    """

    policy: Literal["all", "latest"]
    vote: VoteChoice
    smoothing: float


class StreamSession:
    """Numbers frames, counts credits, keeps what is unanswered, reads what arrives.

    It does no I/O; one thread or task at a time may call it.

    >>> session = StreamSession({"policy": "latest"})
    >>> session.hello()
    '{"type": "hello", "policy": "latest"}'
    >>> session.welcome('{"type": "welcome", "session": "a", "credits": 2, "next_sequence": 0}')
    []
    >>> frame = session.frame(b"a jpeg", captured_us=0)
    >>> session.credits
    1
    """

    def __init__(self, choices: StreamChoices) -> None:
        self._choices = choices
        self._session: str | None = None
        self._next_sequence = 0
        self._last_answered: int | None = None
        self._unanswered: dict[int, bytes] = {}
        self._parts: dict[int, str] = {}
        """What the unanswered frames show, by their numbers, as messages."""
        self._views: dict[int, str] = {}
        """Which views the unanswered frames show, by their numbers, as messages."""
        self._part = _NO_PART
        self._said: str | None = _NO_PART
        """What this connection has heard last; None if that is unknown."""
        self._session_has_parts = False
        self._granted = 0
        self._announced: Json | None = None
        """An answer whose heatmap is still to come."""
        self._arrived: deque[StreamItem] = deque()
        self.finishing = False
        self.stats: StreamStats | None = None

    @property
    def credits(self) -> int:
        """How many more frames may be sent now; below 1, none."""
        return self._granted - len(self._unanswered)

    @property
    def under_way(self) -> bool:
        """Whether frames are unanswered."""
        return bool(self._unanswered)

    @property
    def silent(self) -> bool:
        """Whether every item that has arrived was taken, and more may come."""
        return not self._arrived and self.stats is None

    def hello(self) -> str:
        """The client's first message on each connection."""
        self._announced = None
        hello: Json = {"type": "hello", **self._choices}
        if self._session is not None:
            hello |= {"session": self._session, "last_sequence": self._last_answered}
        return json.dumps(hello)

    def welcome(self, message: str | bytes) -> list[bytes | str]:
        """Read the server's first message; returns the frames to send once more, oldest first.

        Raises:
            TaktError: the server refused.
            UnreadableAnswerError: the message is no welcome.
        """
        with readable("a stream's welcome", message):
            body = json.loads(message)
            if body["type"] == "error":
                raise _error_in(body)
            if body["type"] != "welcome":
                raise ValueError(body["type"])
            self._session, self._granted = str(body["session"]), int(body["credits"])
            first = int(body["next_sequence"])
        again: list[bytes | str] = []
        self.unsaid()
        for sequence, data in self._unanswered.items():
            if sequence >= first:
                again += [*self._said_before(sequence), data]
        return [*again, *([_BYE] if self.finishing else [])]

    def unsaid(self) -> None:
        """Say again what the next frame shows: the server may not have heard it."""
        if self._session_has_parts:
            self._said = None

    def _said_before(self, sequence: int) -> list[str]:
        if sequence in self._views:
            return [self._views[sequence]]
        return self._news_of(self._parts.get(sequence, _NO_PART))

    def part(self, labels: PartLabels | None) -> list[str]:
        """Note what the next frame shows; returns what is to be sent before it.

        Raises:
            RequestError: the stream was finished.
        """
        if self.finishing:
            raise RequestError("the stream has been finished; open another one")
        self._part = json.dumps({"type": "part", **(labels or {})})
        return self._news_of(self._part)

    def _news_of(self, part: str) -> list[str]:
        """What the server has to hear so that it knows this part; nothing if it does."""
        if part == self._said:
            return []
        self._said, self._session_has_parts = part, True
        return [part]

    def frame(
        self, picture: bytes | RawPicture, captured_us: int, view: str | None = None
    ) -> bytes:
        """The next frame; it counts as unanswered from now on.

        Args:
            picture: that it is.
            captured_us: when it was captured, in µs since 1970.
            view: the message of `view_message` that is sent before it.

        Raises:
            RequestError: the stream was finished, or this is no frame: nothing is to be sent then.
        """
        if self.finishing:
            raise RequestError("the stream has been finished; open another one")
        try:
            data = pack_frame(self._next_sequence, captured_us, picture)
        except TaktError:
            # What was to be said before it is not said either.
            self.unsaid()
            raise
        self._unanswered[self._next_sequence] = data
        if view is None:
            self._parts[self._next_sequence] = self._part
        else:
            self._views[self._next_sequence] = view
        self._next_sequence += 1
        return data

    def bye(self) -> str:
        """The message that no frame follows."""
        self.finishing = True
        return _BYE

    def read(self, message: str | bytes) -> None:
        """Take in a message; `next_item` then has the items in it.

        Raises:
            TaktError: the server ends the session.
            UnreadableAnswerError: the message makes no sense.
        """
        with readable("a message of a stream", message):
            if isinstance(message, bytes):
                self._read_heatmap(message)
                return
            body = json.loads(message)
            kind = body["type"]
            if kind == "answer" and body["heatmap"] is not None:
                self._announced = body
            elif kind == "answer":
                self._settle(frame_answer_of(body, None))
            elif kind == "dropped":
                self._keep(FrameDropped(int(body["sequence"]), int(body["dropped"])))
            elif kind == "error":
                error = _error_in(body)
                if body.get("sequence") is None:
                    raise error
                self._settle(FrameRefused(int(body["sequence"]), error))
            elif kind == "bye":
                self.stats = stats_of(body["stats"])
                self._give_up_before(self._next_sequence)
            else:
                raise ValueError(kind)

    def next_item(self) -> StreamItem | None:
        """The oldest item that was not taken yet; None if there is none."""
        return self._arrived.popleft() if self._arrived else None

    def _read_heatmap(self, data: bytes) -> None:
        body, self._announced = self._announced, None
        if body is None:
            raise ValueError("a binary message that no answer announced")
        heatmap = Heatmap(body["heatmap"]["kind"], body["heatmap"]["format"], data)
        self._settle(frame_answer_of(body, heatmap))

    def _settle(self, item: FrameAnswer | FrameRefused) -> None:
        """Keep a frame's item; those before it are over too, as answers come in order."""
        if item.sequence not in self._unanswered:
            return  # sent again after a lost connection, though it had arrived
        self._last_answered = item.sequence
        self._give_up_before(item.sequence)
        self._keep(item)

    def _give_up_before(self, end: int) -> None:
        for sequence in [one for one in self._unanswered if one < end]:
            lost = UnreadableAnswerError(f"the server went on without a word on frame {sequence}")
            self._keep(FrameRefused(sequence, lost))

    def _keep(self, item: StreamItem) -> None:
        self._parts.pop(item.sequence, None)
        self._views.pop(item.sequence, None)
        if self._unanswered.pop(item.sequence, None) is not None:
            self._arrived.append(item)


def _error_in(body: Json) -> TaktError:
    return error_of(body["status"], body["code"], body["title"], body["detail"])
