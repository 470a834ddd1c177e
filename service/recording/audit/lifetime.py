"""What a server appends in its lifetime: its start, its models and keys, its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from service.domain import Json
from service.recording.audit.entry import FILE, SERVER, Change
from service.recording.audit.known import changes_of_models, changes_of_start, last_known
from service.recording.audit.served import ServedModel, key_changes
from service.recording.audit.trail import AuditTrail
from service.security.keys.key import Key


def note_start(trail: AuditTrail, takt: str, settings: Json, keys: Iterable[Key]) -> None:
    """Note that a server starts, and what is set otherwise than at its last start.

    Args:
        trail: of the server.
        takt: its version.
        settings: in force, without secrets.
        keys: of its callers.
    """
    known_keys = _told(keys)

    def find(connection: Connection) -> Sequence[Change]:
        known = last_known(connection, trail.server)
        return [*changes_of_start(known, takt, settings, known_keys)]

    trail.find(find)


def note_models(trail: AuditTrail, models: dict[str, ServedModel]) -> None:
    """Note the models that have loaded, and what became of them since the server last ran."""
    trail.find(
        lambda connection: [*changes_of_models(last_known(connection, trail.server), models)]
    )


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
