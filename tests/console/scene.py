"""A server with a shift behind it: pictures inspected at two stations, some of them judged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

PICTURES = Path(__file__).parents[2] / "examples/pictures"
MODEL = "pitting"


def pictures(kind: str) -> list[Path]:
    """The pictures of good parts (`good`) or of pitted ones (`pitting`) that the project ships."""
    return sorted((PICTURES / kind).glob("*.jpg"))


def work_a_shift(url: str, rounds: int = 3, headers: dict[str, str] | None = None) -> list[int]:
    """Inspect all pictures some times, and judge the rejects of the first round.

    Returns the numbers of the rejects in the record, the newest first.
    """
    anomalous = 0
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for turn in range(rounds):
            for part, path in enumerate([*pictures("good"), *pictures("pitting")]):
                labels = {
                    "x-takt-station": f"press-{1 + part % 2}",
                    "x-takt-lot": f"lot-{turn + 1}",
                    "x-takt-part": f"{turn + 1}-{part:03}",
                }
                body = path.read_bytes()
                answer = client.post(f"/v1/models/{MODEL}/inspect", content=body, headers=labels)
                anomalous += answer.raise_for_status().json()["anomalous"]
        rejects = _rejects(client, anomalous)
        judged = [one["id"] for one in rejects[-anomalous // rounds :]]
        judge = {"ids": judged[1:], "judgement": "defect", "kind": "pitting"}
        client.post("/v1/inspections/judgements", json=judge).raise_for_status()
        wrong = {"ids": judged[:1], "judgement": "good", "note": "a reflection of the lamp"}
        client.post("/v1/inspections/judgements", json=wrong).raise_for_status()
        return [one["id"] for one in rejects]


def fade_a_lamp(url: str, station: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Inspect good pictures at a station, and then darker ones, until the watch calls.

    Returns the alarm.
    """
    rng = np.random.default_rng(len(station))
    parts = [cv2.imread(str(path)).astype(np.float64) for path in pictures("good")]
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for light in [1.0] * 12 + [0.75] * 24:
            levels = parts[rng.integers(len(parts))] * light * rng.normal(1, 0.01)
            body = cv2.imencode(".jpg", np.clip(levels, 0, 255).astype(np.uint8))[1].tobytes()
            labels = {"x-takt-station": station}
            client.post(
                f"/v1/models/{MODEL}/inspect", content=body, headers=labels
            ).raise_for_status()
        for _ in range(600):
            for alarm in client.get("/v1/watch").raise_for_status().json()["calling"]:
                if alarm["station"] == station and alarm["cause"] == "camera":
                    return dict(alarm)
            time.sleep(0.05)
    raise TimeoutError(f"no alarm calls at {station}")


def _rejects(client: httpx.Client, wanted: int) -> list[dict[str, Any]]:
    """The rejects, once all of them are stored."""
    query = {"verdict": "reject", "limit": 1000}
    for _ in range(600):
        found: list[dict[str, Any]] = client.get("/v1/inspections", params=query).json()[
            "inspections"
        ]
        if len(found) >= wanted:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{wanted} rejects were not stored")
