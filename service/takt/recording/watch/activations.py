"""Which version of a model was active when, for a watch that goes through what was."""

from __future__ import annotations

import json
from collections import defaultdict

from sqlalchemy import Connection, select

from takt.recording.audit.entry import LOADED
from takt.recording.tables import audit


class Activations:
    """What the audit log has of activations, and of what was active at each start.

    Args:
        connection: for reading.
    """

    def __init__(self, connection: Connection) -> None:
        self._of: defaultdict[str, list[tuple[int, str | None]]] = defaultdict(list)
        wanted = (
            select(audit.c.at_us, audit.c.action, audit.c.model, audit.c.new)
            .where(audit.c.action.in_((LOADED, "version_activated")))
            .order_by(audit.c.seq)
        )
        for row in connection.execute(wanted):
            new = json.loads(row.new)
            models = new["models"] if row.action == LOADED else {row.model: new}
            for model, said in models.items():
                self._of[model].append((row.at_us, said["active"]))

    def was_active(self, model: str, version: str, at_us: int) -> bool:
        """Whether a version answered at a time where a request named none, as far as is known."""
        return self.active(model, at_us) == version

    def active(self, model: str, at_us: int) -> str | None:
        """The version that did; None where none did, or none is known."""
        known = (
            active for since_us, active in reversed(self._of.get(model, [])) if since_us <= at_us
        )
        return next(known, None)
