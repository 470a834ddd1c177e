"""What the audit log knows of a server: its settings, keys and models, by the last entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from takt.core.domain import Json
from takt.recording.audit.entry import FILE, LOADED, SERVER, STARTED, Change
from takt.recording.audit.served import (
    ServedModel,
    ServedVersion,
    activation,
    key_changes,
    version_change,
)
from takt.recording.tables import audit

MEANWHILE: Final = "found at the start: it changed while the server was not running"
"""The reason of a change that nobody was there to notice."""


@dataclass(slots=True)
class Known:
    """A server as its last entries leave it.

    Attributes:
        takt: its version; None where no start is known.
        settings: by name; None where no start is known.
        keys: what is kept of each key, by its name.
        models: by name; None where they never loaded.
    """

    takt: str | None = None
    settings: Json | None = None
    keys: dict[str, Json] = field(default_factory=dict)
    models: dict[str, ServedModel] | None = None

    def take(self, action: str, model: str, version: str, new: Json) -> None:
        """Go on by one entry."""
        if action == STARTED:
            self.takt, self.settings, self.keys = new["takt"], new["settings"], new["keys"]
        elif action == LOADED:
            self.models = _MODELS.validate_python(new["models"])
        elif action in ("key_added", "key_changed"):
            self.keys[new["name"]] = new
        elif action == "key_revoked":
            self.keys.pop(new["name"], None)
        elif self.models is not None:
            self.models[model] = _after(
                self.models.get(model, ServedModel(None, {})), action, version, new
            )


# Entries from before there was the switch `undecided` do not have it.
_MODELS = TypeAdapter(dict[str, ServedModel])
_VERSION = TypeAdapter(ServedVersion)


def _after(model: ServedModel, action: str, version: str, new: Json) -> ServedModel:
    """A model after a change."""
    if action == "version_activated":
        return replace(model, active=new["active"])
    versions = dict(model.versions)
    if action in ("version_added", "version_changed"):
        versions[version] = _VERSION.validate_python(new)
    elif action == "version_removed":
        versions.pop(version, None)
    elif action == "threshold_changed" and version in versions:
        versions[version] = replace(
            versions[version],
            image=new["image"],
            pixel=new["pixel"],
            undecided=new.get("undecided", False),
        )
    return replace(model, versions=versions)


def last_known(connection: Connection, server: str) -> Known:
    """What the entries tell of this server; of the one that started last if it never did.

    A container has another name at each start.
    """
    known = Known()
    started = _newest(connection, STARTED, server) or _newest(connection, STARTED, None)
    if started is None:
        return known
    loaded = _newest(connection, LOADED, started.server)
    first = started.seq if loaded is None else min(loaded.seq, started.seq)
    entries = (
        select(audit.c.action, audit.c.model, audit.c.version, audit.c.old, audit.c.new)
        .where(audit.c.seq >= first, audit.c.server == started.server, audit.c.action.in_(_FOLDED))
        .order_by(audit.c.seq)
    )
    for entry in connection.execute(entries):
        content = json.loads(entry.new or entry.old or "{}")
        known.take(entry.action, entry.model or "", entry.version or "", content)
    return known


_FOLDED = (
    STARTED,
    LOADED,
    "key_added",
    "key_changed",
    "key_revoked",
    "version_added",
    "version_changed",
    "version_removed",
    "version_activated",
    "threshold_changed",
)


def _newest(connection: Connection, action: str, server: str | None) -> Any:
    wanted = select(audit.c.seq, audit.c.server).where(audit.c.action == action)
    if server is not None:
        wanted = wanted.where(audit.c.server == server)
    return connection.execute(wanted.order_by(audit.c.seq.desc()).limit(1)).one_or_none()


def changes_of_start(
    known: Known, takt: str, settings: Json, keys: dict[str, Json]
) -> Iterator[Change]:
    """The entries of a start: the server, and what is set otherwise than at the last one.

    Args:
        known: of the last start.
        takt: version of Takt.
        settings: in force, without secrets.
        keys: what is kept of each key, by its name.
    """
    yield Change(SERVER, STARTED, new={"takt": takt, "settings": settings, "keys": keys})
    if known.settings is None:
        return
    names = sorted(known.settings.keys() | settings.keys())
    differ = [name for name in names if known.settings.get(name) != settings.get(name)]
    if differ:
        old, new = ({name: one.get(name) for name in differ} for one in (known.settings, settings))
        yield Change(SERVER, "settings_changed", old=old, new=new)
    yield from key_changes(known.keys, keys, MEANWHILE)


def changes_of_relief(
    known: Known, takt: str, settings: Json, keys: dict[str, Json]
) -> Iterator[Change]:
    """The entries of a process that goes on with a server; of what is otherwise alone.

    Args:
        known: as the process before has left it.
        takt: version of Takt.
        settings: in force, without secrets.
        keys: what is kept of each key, by its name.
    """
    if (known.takt, known.settings) != (takt, settings):
        yield from changes_of_start(known, takt, settings, keys)
    else:
        yield from key_changes(known.keys, keys, MEANWHILE)


def changes_of_models(known: Known, models: dict[str, ServedModel]) -> Iterator[Change]:
    """The entries of models that changed while nobody was there.

    Args:
        known: of the last time.
        models: that are served now, by name.
    """
    before = known.models if known.models is not None else models
    none = ServedModel(None, {})
    for name in sorted(before.keys() | models.keys()):
        yield from _changes_of(name, before.get(name, none), models.get(name, none))


def loaded_models(models: dict[str, ServedModel]) -> Change:
    """The entry of what is served once everything has loaded."""
    return Change(
        SERVER, LOADED, new={"models": {name: one.as_json() for name, one in models.items()}}
    )


def _changes_of(name: str, before: ServedModel, after: ServedModel) -> Iterator[Change]:
    for version in sorted(before.versions.keys() | after.versions.keys()):
        old, new = before.versions.get(version), after.versions.get(version)
        if old is None or new is None or old.digest != new.digest:
            yield version_change(name, version, old, new, MEANWHILE)
        elif old.thresholds != new.thresholds:
            yield Change(
                *(FILE, "threshold_changed", name, version, old.thresholds, new.thresholds),
                reason=new.reason or MEANWHILE,
            )
    if before.active != after.active and after.active is not None:
        yield activation(FILE, name, before.active, after.active, MEANWHILE)
