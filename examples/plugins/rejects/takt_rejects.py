"""An outlet for Takt: each rejected part as a line of JSON at the end of a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from takt.observing.records import AnswerRecord, Asked
from takt.outlets.plugin import OutletContext, Sender


class JsonLines:
    """Publishes to a file, one line at a time, so that several processes may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Append one line."""
        self._file.write(json.dumps({"topic": topic, **payload}).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def outlet(context: OutletContext) -> Sender:
    """What the entry point names; TAKT_PLUGIN_REJECTS_FILE says where to."""
    lines = JsonLines(Path(context.options.get("file") or context.folder / "rejects.jsonl"))

    def send(answer: AnswerRecord, asked: Asked) -> None:
        if answer.verdict.anomalous:
            why = answer.verdict.undecided
            payload = {
                "at": datetime.fromtimestamp(answer.at_s, UTC).isoformat(),
                "version": answer.version,
                "score": answer.verdict.score,
                "threshold": answer.verdict.threshold,
                "undecided": None if why is None else why.text,
                "station": asked.labels.station,
                "part": asked.labels.part,
                "request_id": answer.request_id,
            }
            lines.publish(f"takt/{answer.model}/rejected", payload)

    return Sender(send, lines.close)
