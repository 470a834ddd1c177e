"""One worker asks the others: the supervisor carries the question and brings all answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

from takt.observing.instruments.merging import TOPIC, Told, heard, merged, told
from takt.peers import Message, Reply
from takt.server.workers.member import Member

_PATIENT = frozenset({"prove"})
"""What a worker may take long for: it loads a version, which may hold up its interpreter."""

_KEPT_FOR_LATER = frozenset({"take", "keys", "browser_sessions"})
"""What one that stands still is told all the same, to know it once it goes on; it is asked nothing
else meanwhile, as nobody waits for what it would do later."""

_ONE_DOES = frozenset({"order", "part"})
"""What only the leading worker does: once it has answered, nobody waits for the others."""

DEPARTED = -1
"""The number under which those answer together that are gone."""


@dataclass(slots=True)
class _Gathering:
    asker: Member
    id: int
    topic: str
    missing: dict[int, Member]
    late: dict[int, Member] = field(default_factory=dict)
    expiry: asyncio.TimerHandle | None = None
    replies: dict[int, Reply] = field(default_factory=dict)


class Gatherings:
    """The questions that are under way, and what was counted by workers that are gone.

    Args:
        members: the workers that there are.
    """

    def __init__(self, members: Callable[[], Iterable[Member]]) -> None:
        self._members = members
        self._departed: Told = []
        self._under_way: dict[tuple[int, int], _Gathering] = {}

    def ask(self, asker: Member, message: Message) -> None:
        """Carry a question to the others."""
        others = [one for one in self._members() if one is not asker and one.hears]
        key = asker.number, message["id"]
        gathering = _Gathering(
            *(asker, message["id"], message["topic"]),
            missing={one.number: one for one in others if not one.still},
            late={one.number: one for one in others if one.still},
        )
        self._under_way[key] = gathering
        for one in others:
            if not one.still or message["topic"] in _KEPT_FOR_LATER:
                one.tell("ask", id=list(key), topic=message["topic"], body=message["body"])
        gathering.expiry = asyncio.get_running_loop().call_later(
            message["within_s"], self._finish, gathering
        )
        self._look(gathering)

    def reply(self, of: Member, message: Message) -> None:
        """Take one worker's answer."""
        gathering = self._under_way.get(tuple(message["id"]))
        if gathering is None or of.number not in gathering.missing:
            return
        del gathering.missing[of.number]
        gathering.replies[of.number] = Reply(of.number, message["body"], message["failure"])
        if gathering.topic == TOPIC and not message["failure"]:
            # Newer than its last report, and somebody has been told it.
            of.count(told(heard(message["body"]["families"]), counters_only=True))
        if gathering.topic in _ONE_DOES and message["body"]:
            self._finish(gathering)
            return
        self._look(gathering)

    def give_up(self, of: Member) -> None:
        """Wait no more for a worker that stands still."""
        for gathering in list(self._under_way.values()):
            if of.number in gathering.missing and gathering.topic not in _PATIENT:
                gathering.late[of.number] = gathering.missing.pop(of.number)
                self._look(gathering)

    def depart(self, of: Member) -> None:
        """Keep what a worker has counted, and wait for its answers no more."""
        self._departed = told(merged([heard(self._departed), heard(of.counted)]))
        for gathering in list(self._under_way.values()):
            gathering.replies.pop(of.number, None)
            gathering.missing.pop(of.number, None)
            gathering.late.pop(of.number, None)
            if gathering.asker is of:
                self._remove(gathering)
            else:
                self._look(gathering)

    def _look(self, gathering: _Gathering) -> None:
        if not gathering.missing:
            self._finish(gathering)

    def _finish(self, gathering: _Gathering) -> None:
        if not self._remove(gathering):
            return
        is_metrics = gathering.topic == TOPIC
        late = [
            # Of those that are late, what they counted is known up to their last word.
            Reply(
                one.number,
                {"families": one.counted} if is_metrics else {},
                "it did not answer in time",
            )
            for one in (gathering.missing | gathering.late).values()
        ]
        replies = [*gathering.replies.values(), *late]
        if is_metrics:
            replies.append(Reply(DEPARTED, {"families": self._departed}))
        gathering.asker.tell("replies", id=gathering.id, replies=[asdict(one) for one in replies])

    def _remove(self, gathering: _Gathering) -> bool:
        if gathering.expiry is not None:
            gathering.expiry.cancel()
        return self._under_way.pop((gathering.asker.number, gathering.id), None) is not None
