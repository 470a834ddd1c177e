import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator

import pytest

from takt.observing.logging_setup import (
    AUDIT,
    JsonFormatter,
    LogFormat,
    audit,
    configure_logging,
)


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """The lines that a configured process has logged; what is configured is undone."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        yield lambda: capfd.readouterr().err.splitlines()
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
        for name in (AUDIT, "uvicorn.error", "alembic"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.captureWarnings(False)


def test_a_fact_from_outside_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, AUDIT):
        audit("threshold_changed", reason="lamp\n2026-01-01 INFO forged\u2028", new=0.4)
    (record,) = caplog.records
    assert record.getMessage() == (
        'threshold_changed {"reason": "lamp\\n2026-01-01 INFO forged\\u2028", "new": 0.4}'
    )


def test_what_people_changed_is_logged_even_where_only_errors_are(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    try:
        configure_logging("error", "text", logging.StreamHandler())
        audit("threshold_changed", new=0.4)
        logging.getLogger("takt.app").info("no news")
    finally:
        root.setLevel(level)
        for name in (AUDIT, "uvicorn.error", "alembic"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith('takt.audit: threshold_changed {"new": 0.4}')


def test_at_debug_the_headers_of_handshakes_stay_out_of_the_log(logged) -> None:
    configure_logging("debug", "text", logging.StreamHandler())
    logging.getLogger("uvicorn.error").debug("< authorization: Bearer takt_secret")
    logging.getLogger("takt.app").debug("begin")
    (line,) = logged()
    assert line.endswith("begin")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_the_library_below_the_server_tells_is_told_by_the_server(
    logged, log_format: LogFormat
) -> None:
    configure_logging("info", log_format, logging.StreamHandler())
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application")
    told, failed = logged()
    assert "takt.server" in told and "uvicorn" not in told and "error" not in told.lower()
    assert "takt.server" in failed and "error" in failed.lower().replace("takt.server", "")


def test_what_makes_the_records_tables_lists_none_of_its_parts(logged) -> None:
    configure_logging("info", "text", logging.StreamHandler())
    logging.getLogger("alembic.runtime.plugins").info("setup plugin alembic.autogenerate.schemas")
    logging.getLogger("alembic.runtime.plugins").warning("this plugin is broken")
    (line,) = logged()
    assert line.endswith("this plugin is broken")


def test_in_json_every_message_is_one_object(logged) -> None:
    configure_logging("info", "json", logging.StreamHandler())
    logging.getLogger("another.package").info("Started server process [%d]", 7)
    found = json.loads(logged()[0])
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "logger": "another.package",
        "message": "Started server process [7]",
    }


def test_in_json_what_people_changed_has_its_facts_as_fields(logged) -> None:
    configure_logging("info", "json", logging.StreamHandler())
    audit("threshold_changed", reason="lamp\nforged", new=0.4)
    (line,) = logged()
    found = json.loads(line)
    assert found["message"] == "threshold_changed"
    assert found["facts"] == {"reason": "lamp\nforged", "new": 0.4}


def test_in_json_an_exception_stays_on_its_line(logged) -> None:
    configure_logging("info", "json", logging.StreamHandler())
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("takt.app").exception("it failed")
    (line,) = logged()
    assert "ValueError: two" in json.loads(line)["exception"]


def test_in_json_a_warning_of_python_is_an_object_too(logged) -> None:
    configure_logging("info", "json", logging.StreamHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    (line,) = logged()
    assert "DeprecationWarning: old" in json.loads(line)["message"]


def test_what_json_does_not_know_is_written_as_text() -> None:
    record = logging.LogRecord("takt", logging.INFO, __file__, 1, "m", None, None)
    record.takt_event, record.takt_facts = "e", {"kind": sys}
    assert "module" in json.loads(JsonFormatter().format(record))["facts"]["kind"]
