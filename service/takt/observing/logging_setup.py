"""Logging of the service's process: one line a message, for people or as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from takt.observing.repeats import Repeats

LogFormat = Literal["text", "json"]
Write = Callable[[str], object]
"""Takes whole lines, without the last one's end."""

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
AUDIT = "takt.audit"
SERVER = "takt.server"
WEBSOCKETS = "takt.server.websockets"
"""The logger of the library that speaks WebSocket."""
_OF_CONNECTIONS = "uvicorn.error"
"""uvicorn's one logger, whatever the level."""
_OF_MIGRATIONS = "alembic"


class JsonFormatter(logging.Formatter):
    """Writes a message as a JSON object: time, level, logger, message; facts and exception if any.

    >>> record = logging.makeLogRecord({"name": "takt", "levelname": "INFO", "msg": "ready"})
    >>> json.loads(JsonFormatter().format(record))["message"]
    'ready'
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        event = getattr(record, "takt_event", None)
        if event is None:
            line["message"] = record.getMessage()
        else:
            line["message"] = event
            line["facts"] = getattr(record, "takt_facts", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json_line(line)


def json_line(facts: dict[str, Any]) -> str:
    """A line of facts; what JSON has no form for is written as text."""
    try:
        return orjson.dumps(facts, default=str, option=orjson.OPT_UTC_Z).decode()
    except TypeError:
        # Text that is no UTF-8, such as the name of a folder.
        return json.dumps(facts, default=str)


def configure_logging(level: str, log_format: LogFormat, handler: logging.Handler) -> None:
    """Set up the process's logging; the command that serves calls it once.

    Args:
        level: level of the least severe message that is logged.
        log_format: the form of a line.
        handler: takes every message.
    """
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(FORMAT))
    handler.addFilter(_named_as_ours)
    handler.addFilter(Repeats(handler.handle))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At debug the library that reads WebSockets writes each header, keys among them.
    logging.getLogger(_OF_CONNECTIONS).setLevel(max(logging.INFO, root.level))
    # Of each WebSocket that opens, closes or is refused it says no more than uvicorn does.
    logging.getLogger(WEBSOCKETS).setLevel(max(logging.WARNING, root.level))
    # The library that makes the record's tables lists its own parts at info.
    logging.getLogger(_OF_MIGRATIONS).setLevel(max(logging.WARNING, root.level))
    # Changes that people made are logged even where only errors are.
    logging.getLogger(AUDIT).setLevel(logging.INFO)
    # A warning that Python writes itself would be no JSON.
    logging.captureWarnings(log_format == "json")


def _named_as_ours(record: logging.LogRecord) -> bool:
    """Gives what uvicorn tells of the server to our own logger; all of it is logged."""
    if record.name == _OF_CONNECTIONS:
        record.name = SERVER
    return True


def audit(event: str, **facts: object) -> None:
    """Log a change that somebody made while serving."""
    log_event(logging.getLogger(AUDIT), event, facts)


def log_event(logger: logging.Logger, event: str, facts: dict[str, object]) -> None:
    """Log an event of level `info`: its name, and its facts as JSON.

    The JSON is ASCII, so that no text from outside can end the line and forge another.
    """
    if logger.isEnabledFor(logging.INFO):
        extra = {"takt_event": event, "takt_facts": facts}
        logger.info("%s %s", event, json.dumps(facts), extra=extra)
