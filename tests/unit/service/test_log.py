import logging

import pytest

from service.log import AUDIT, audit, configure_logging


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
        configure_logging("error")
        audit("threshold_changed", new=0.4)
        logging.getLogger("takt.app").info("no news")
    finally:
        root.setLevel(level)
        logging.getLogger(AUDIT).setLevel(logging.NOTSET)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith('takt.audit: threshold_changed {"new": 0.4}')
