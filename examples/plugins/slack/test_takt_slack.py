"""The outlet alone, with an other end in place of Slack: `python -m pytest test_takt_slack.py`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from takt.core.domain import UNKNOWN_SOURCE, Labels, Reason, Timings, Verdict
from takt.observing.records import AnswerRecord, Asked
from takt.outlets.plugin import AwayError, OutletContext, RefusedError
from takt_slack import message_of, outlet, post


class Slack(HTTPServer):
    """Answers with what `status` and `headers` say, and has the texts that it was posted."""

    status, headers = 200, {}
    texts: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/x"


class Handler(BaseHTTPRequestHandler):
    server: Slack

    def do_POST(self) -> None:  # the name that http.server asks for
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.texts.append(message["text"])
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack(("127.0.0.1", 0), Handler) as server:
        server.texts = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def answer(*, anomalous: bool, undecided: Reason | None = None) -> AnswerRecord:
    return AnswerRecord(
        model="parts",
        version="1",
        verdict=Verdict(anomalous, 0.75, 0.5, 99.0, (), undecided=undecided),
        width=64,
        height=48,
        timings=Timings(1, 1, 1, 1, 1, 1, 6),
        by="rest",
        request_id="r1",
        trace_id=None,
        at_s=0.0,
        warnings=(),
        source=UNKNOWN_SOURCE,
    )


def message(text: str = "hello", *, late: bool = False) -> dict[str, Any]:
    return {"text": text, "id": "1", "late": late}


def test_a_rejected_part_is_a_message_and_a_good_one_is_none(slack: Slack, tmp_path: Path) -> None:
    delivery = outlet(OutletContext("slack", {"url": slack.url}, tmp_path, worker=0))
    asked = Asked(labels=Labels(part="<A-17>", station="line3"))
    assert delivery.message_of(answer(anomalous=False), asked) is None
    made = delivery.message_of(answer(anomalous=True), asked)
    assert made is not None
    delivery.deliver({**made, "id": "1", "late": False})
    assert slack.texts == [
        "parts rejects part &lt;A-17&gt; at line3 (score 0.75, threshold 0.5)",
    ]


def test_the_message_of_a_part_that_cannot_be_judged_says_why() -> None:
    dark = Reason("brightness", 3.4, 61.2, 201.7, "the picture is too dark")
    assert message_of(answer(anomalous=True, undecided=dark), Asked()) == {
        "text": "parts rejects a part (cannot be judged: the picture is too dark)"
    }


def test_a_message_that_was_kept_says_so(slack: Slack) -> None:
    post(slack.url, message(late=True))
    assert slack.texts == ["hello (told late)"]


def test_what_slack_calls_malformed_is_not_sent_again(slack: Slack) -> None:
    slack.status = 400
    with pytest.raises(RefusedError, match="400"):
        post(slack.url, message())


def test_slack_may_ask_for_time(slack: Slack) -> None:
    slack.status, slack.headers = 429, {"Retry-After": "30"}
    with pytest.raises(AwayError, match="429") as away:
        post(slack.url, message())
    assert away.value.again_s == 30


def test_an_other_end_that_is_not_there_is_an_error_after_which_it_is_sent_again() -> None:
    with pytest.raises(OSError, match="refused"):
        post("http://127.0.0.1:9/", message())


def test_without_its_url_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set TAKT_PLUGIN_SLACK_URL"):
        outlet(OutletContext("slack", {}, tmp_path, worker=0))
