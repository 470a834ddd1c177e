"""An outlet for Takt: each rejected part as a message in a channel of Slack."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from takt.observing.records import AnswerRecord, Asked
from takt.outlets.plugin import AwayError, Delivery, OutletContext, RefusedError

TIMEOUT_S = 10
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What Slack would read as a link or a mention."""


def outlet(context: OutletContext) -> Delivery:
    """What the entry point names; TAKT_PLUGIN_SLACK_URL says where to."""
    url = context.options.get("url", "")
    if not url.startswith(("https://", "http://")):
        raise ValueError("set TAKT_PLUGIN_SLACK_URL to the URL of an incoming webhook of Slack")
    return Delivery(message_of, lambda message: post(url, message))


def message_of(answer: AnswerRecord, asked: Asked) -> dict[str, Any] | None:
    """What the channel is told of an answer: nothing of a good part."""
    verdict = answer.verdict
    if not verdict.anomalous:
        return None
    part = f"part {asked.labels.part}" if asked.labels.part else "a part"
    at = f" at {asked.labels.station}" if asked.labels.station else ""
    why = f"score {verdict.score:.3g}, threshold {verdict.threshold:.3g}"
    if verdict.undecided is not None:
        why = f"cannot be judged: {verdict.undecided.text}"
    return {"text": f"{answer.model} rejects {part}{at} ({why})".translate(_ESCAPED)}


def post(url: str, message: dict[str, Any]) -> None:
    """Post a message; the server gives it again after what is raised, but for a RefusedError."""
    late = " (told late)" if message["late"] else ""
    body = json.dumps({"text": message["text"] + late}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        with error:
            said = f"{error.code} {error.read(200).decode(errors='replace')}"
        if error.code == 400:
            raise RefusedError(said) from None
        asked_for = error.headers.get("Retry-After", "")
        raise AwayError(said, float(asked_for) if asked_for.isdecimal() else 0.0) from None
