"""What a server appends in its lifetime: its start, its models and keys, its end."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from takt.core.domain import Json
from takt.peers import Message, Peers
from takt.recording.audit.entry import FILE, SERVER, Change
from takt.recording.audit.known import (
    Known,
    changes_of_models,
    changes_of_relief,
    changes_of_start,
    last_known,
    loaded_models,
)
from takt.recording.audit.served import ServedModel, key_changes
from takt.recording.audit.trail import AuditTrail
from takt.security.keys.key import Key

Models = dict[str, ServedModel]


class Lifetime:
    """Notes the start and the end of a server once, however many processes it has.

    The process that leads notes them. One that leads after another notes what is otherwise than
    the log has it, since nobody may have been there to notice.

    Args:
        trail: of the server.
        peers: its other processes.
        takt: its version.
        settings: in force, without secrets.
        closing: whether this process is about to end.

    Attributes:
        began_s: when the server began; None while that is not noted.
    """

    def __init__(
        self,
        trail: AuditTrail,
        peers: Peers,
        takt: str,
        settings: Json,
        closing: Callable[[], bool],
    ) -> None:
        self._trail = trail
        self._peers = peers
        self._takt = takt
        self._settings = settings
        self._closing = closing
        self.began_s: float | None = None
        self._leads = False
        self._end_is_noted = False
        peers.answer("lifetime", self._answer)

    async def run(
        self, keys: Callable[[], Iterable[Key]], models: Callable[[bool], Awaitable[Models]]
    ) -> None:
        """Note what there is once this process leads.

        Args:
            keys: those of now.
            models: gives what is served once everything has loaded; looks once more if told so.
        """
        await self._ask_for_its_begin()
        await self._peers.leading.wait()
        self._leads = True
        await self._ask_for_its_begin()
        if self.began_s is not None:
            found = await models(True)
            told = _told(keys())
            _find(
                self._trail,
                lambda known: (
                    *changes_of_relief(known, self._takt, self._settings, told),
                    *changes_of_models(known, found),
                ),
            )
            return
        note_start(self._trail, self._takt, self._settings, keys())
        # The same clock in all processes of a host.
        self.began_s = time.monotonic()
        if self._peers.workers > 1:
            await self._peers.ask("lifetime", {"began_s": self.began_s})
        note_models(self._trail, await models(False))

    def note_keys(self, before: Sequence[Key], after: Sequence[Key]) -> None:
        """Note that the file of keys has changed."""
        if self._peers.leading.is_set():
            note_keys(self._trail, before, after)

    async def end(self) -> None:
        """Note the end, unless another process goes on."""
        if not self._leads:
            return
        replies = await self._peers.ask("lifetime", {"ended": True})
        if not self._end_is_noted and not any(reply.body.get("goes_on") for reply in replies):
            note_stop(self._trail)

    async def goes_on(self) -> bool:
        """Whether another process of the server goes on where this one ends."""
        replies = await self._peers.ask("lifetime", {})
        return any(reply.body.get("goes_on") for reply in replies)

    async def _ask_for_its_begin(self) -> None:
        if self._peers.workers > 1 and self.began_s is None:
            for reply in await self._peers.ask("lifetime", {}):
                self.began_s = reply.body.get("began_s") or self.began_s

    async def _answer(self, body: Message) -> Message:
        self.began_s = body.get("began_s") or self.began_s
        if body.get("ended") and self._closing():
            self._end_is_noted = True
        return {"began_s": self.began_s, "goes_on": not self._closing()}


def note_start(trail: AuditTrail, takt: str, settings: Json, keys: Iterable[Key]) -> None:
    """Note that a server starts, and what is set otherwise than at its last start.

    Args:
        trail: of the server.
        takt: its version.
        settings: in force, without secrets.
        keys: of its callers.
    """
    told = _told(keys)
    _find(trail, lambda known: changes_of_start(known, takt, settings, told))


def note_models(trail: AuditTrail, models: Models) -> None:
    """Note the models that have loaded, and what became of them since the server last ran."""
    _find(trail, lambda known: (*changes_of_models(known, models), loaded_models(models)))


def note_keys(trail: AuditTrail, before: Sequence[Key], after: Sequence[Key]) -> None:
    """Note that the file of keys has changed."""
    for change in exchanged_keys(before, after):
        trail.tell(change)


def note_stop(trail: AuditTrail) -> None:
    """Note that the server ends as it was told to."""
    trail.tell(Change(SERVER, "server_stopped"))


def exchanged_keys(before: Sequence[Key], after: Sequence[Key]) -> Iterator[Change]:
    """The entries of keys that came, went or are others now, without the keys or their digests.

    A key that takes the name of another is a revoked one and an added one, though nothing but
    the secret differs.
    """
    digests = {key.name: key.digest for key in before}
    others = {key.name for key in after if digests.get(key.name, key.digest) != key.digest}
    old, new = _told(before), _told(after)
    for name in sorted(others):
        yield Change(FILE, "key_revoked", old=old.pop(name))
        yield Change(FILE, "key_added", new=new.pop(name))
    yield from key_changes(old, new)


def _find(trail: AuditTrail, changes: Callable[[Known], Iterable[Change]]) -> None:
    """Note what differs from what the log knows of this server."""
    trail.find(lambda connection: [*changes(last_known(connection, trail.server))])


def _told(keys: Iterable[Key]) -> dict[str, Json]:
    return {
        key.name: {
            "name": key.name,
            "scopes": sorted(key.scopes),
            "created": key.created.isoformat() if key.created else None,
            "expires": key.expires.isoformat() if key.expires else None,
        }
        for key in keys
    }
