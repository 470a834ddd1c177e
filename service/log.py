"""How the service's process logs: one line a message, on standard error."""

from __future__ import annotations

import json
import logging
import sys

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
AUDIT = "takt.audit"


def configure_logging(level: str) -> None:
    """Set the process's logging up; called once, by the command that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # What people changed is logged even where only errors are.
    logging.getLogger(AUDIT).setLevel(logging.INFO)


def audit(event: str, **facts: object) -> None:
    """Log what somebody changed: the event's name and its facts as JSON, in one line.

    JSON in ASCII, so that no text from outside can end the line and forge another.
    """
    logging.getLogger(AUDIT).info("%s %s", event, json.dumps(facts))
