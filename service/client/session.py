"""A stream's conversation without its connection: what to send, and what was answered."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, TypedDict

import orjson

from service.client.answers import inspected_of, readable, truth
from service.client.calls import InspectChoices
from service.client.failures import error_of
from service.client.stream_items import (
    FrameAnswer,
    FrameDropped,
    FrameRefused,
    StreamItem,
    StreamStats,
    Vote,
    read_stats,
)
from service.domain import Heatmap, Json, RawPicture
from service.errors import RequestError, TaktError, UnreadableAnswerError
from service.streaming.frames import Frame, pack

StreamPolicy = Literal["all", "latest"]


class VoteRule(TypedDict):
    """Anomalous if `k` of the last `n` frames are."""

    k: int
    n: int


class StreamChoices(InspectChoices, total=False):
    """What a stream's sender may choose beside what holds for one picture.

    Attributes:
        policy: `all` answers every frame; `latest` drops older frames while the engine is busy.
        vote: see `VoteRule`.
        smoothing: weight of the newest score in the smoothed one, above 0 and up to 1.
    """

    policy: StreamPolicy
    vote: VoteRule
    smoothing: float


@dataclass(frozen=True, slots=True)
class _Headed:
    """An answer whose heatmap is still to come."""

    answer: Json
    kind: str
    format: str


class StreamSession:
    """Numbers frames, counts credits, keeps what is unanswered, reads what arrives.

    It does no I/O; one thread or task at a time may call it.
    """

    def __init__(self, choices: StreamChoices) -> None:
        self._choices = choices
        self._session: str | None = None
        self._next_sequence = 0
        self._last_answered: int | None = None
        self._unanswered: dict[int, bytes] = {}
        self._granted = 0
        self._headed: _Headed | None = None
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
        """Whether nothing has arrived that was not taken yet, and more may come."""
        return not self._arrived and self.stats is None

    def hello(self) -> str:
        """What the client says first, on each connection."""
        self._headed = None
        hello: Json = {"type": "hello", **self._choices}
        if self._session is not None:
            hello |= {"session": self._session, "last_sequence": self._last_answered}
        return orjson.dumps(hello).decode()

    def welcome(self, message: str | bytes) -> list[bytes | str]:
        """Read what the server says first; the frames to send once more, oldest first.

        Raises:
            TaktError: it refused.
            UnreadableAnswerError: it said something else.
        """
        with readable("a stream's welcome", message):
            body = orjson.loads(message)
            if body["type"] == "error":
                raise _error_in(body)
            if body["type"] != "welcome":
                raise ValueError(body["type"])
            self._session, self._granted = str(body["session"]), int(body["credits"])
            first = int(body["next_sequence"])
        again = [data for sequence, data in self._unanswered.items() if sequence >= first]
        return [*again, *([_BYE] if self.finishing else [])]

    def frame(self, picture: bytes | RawPicture, captured_us: int) -> bytes:
        """The next frame; it counts as unanswered from now on.

        Raises:
            RequestError: there are to be no more frames, or this is none.
        """
        if self.finishing:
            raise RequestError("the stream has been finished; open another one")
        data = pack(Frame(self._next_sequence, captured_us, picture))
        self._unanswered[self._next_sequence] = data
        self._next_sequence += 1
        return data

    def bye(self) -> str:
        """What says that no frame follows."""
        self.finishing = True
        return _BYE

    def read(self, message: str | bytes) -> None:
        """Take in a message; `next_item` then has what it answers.

        Raises:
            TaktError: the server ends the session.
            UnreadableAnswerError: the message makes no sense.
        """
        with readable("a message of a stream", message):
            if isinstance(message, bytes):
                self._read_heatmap(message)
                return
            body = orjson.loads(message)
            kind = body["type"]
            if kind == "answer":
                self._read_answer(body)
            elif kind == "dropped":
                self._keep(FrameDropped(int(body["sequence"]), int(body["dropped"])))
            elif kind == "error":
                error = _error_in(body)
                if body.get("sequence") is None:
                    raise error
                self._settle(FrameRefused(int(body["sequence"]), error))
            elif kind == "bye":
                self.stats = read_stats(body["stats"])
                self._give_up_before(self._next_sequence)
            else:
                raise ValueError(kind)

    def next_item(self) -> StreamItem | None:
        """What has arrived and was not taken yet, in the order of the frames."""
        return self._arrived.popleft() if self._arrived else None

    def _read_answer(self, body: Json) -> None:
        heatmap = body["heatmap"]
        if heatmap is not None:
            self._headed = _Headed(body, heatmap["kind"], heatmap["format"])
        else:
            self._settle(_answer(body, None))

    def _read_heatmap(self, data: bytes) -> None:
        headed, self._headed = self._headed, None
        if headed is None:
            raise ValueError("a binary message that no answer announced")
        heatmap = Heatmap(headed.kind, headed.format, data)  # type: ignore[arg-type]
        self._settle(_answer(headed.answer, heatmap))

    def _settle(self, item: FrameAnswer | FrameRefused) -> None:
        """A frame is done with; so are those before it, as answers come in order."""
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
        if self._unanswered.pop(item.sequence, None) is not None:
            self._arrived.append(item)


_BYE = orjson.dumps({"type": "bye"}).decode()


def _answer(body: Json, heatmap: Heatmap | None) -> FrameAnswer:
    vote = body["vote"]
    return FrameAnswer(
        sequence=int(body["sequence"]),
        captured_us=int(body["captured_us"]),
        age_ms=float(body["age_ms"]),
        dropped=int(body["dropped"]),
        inspected=inspected_of(body, heatmap),
        smoothed_score=body["smoothed_score"],
        vote=None if vote is None else Vote(truth(vote["anomalous"]), vote["count"], vote["of"]),
    )


def _error_in(body: Json) -> TaktError:
    return error_of(body["status"], body["code"], body["title"], body["detail"])
