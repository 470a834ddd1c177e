"""From judged pictures to a better model: the whole circle, with the commands as installed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

TAKT = Path(sys.executable).with_name("takt")
STORED_WITHIN_S = 20


def part(seed: int, *, high: int = 200, defect: bool = False) -> bytes:
    """A picture of a blurred pattern, with a white bar on it for a defect."""
    coarse = np.random.default_rng((seed, high)).integers(0, high, (12, 16, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (80, 60), interpolation=cv2.INTER_CUBIC)
    if defect:
        picture[25:35, 20:60] = 255
    return cv2.imencode(".png", picture)[1].tobytes()


def takt(*arguments: object) -> str:
    """What a command says; it must end well."""
    done = subprocess.run(
        [str(TAKT), *map(str, arguments)], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def recorded(data: Path, count: int) -> dict[str, int]:
    """Ids of the inspections by their request ids, once they are stored."""
    deadline_s = time.monotonic() + STORED_WITHIN_S
    while True:
        listed = takt("records", "--json", "--data-folder", data, "--record", "sqlite")
        rows = [json.loads(line) for line in listed.splitlines()]
        if len(rows) >= count:
            return {row["request_id"]: row["id"] for row in rows}
        assert time.monotonic() < deadline_s, f"{len(rows)} of {count} are stored"


@pytest.mark.slow
def test_judged_pictures_become_a_version_that_is_compared_with_the_one_before(
    start_server: Any, repository: Path, tmp_path: Path
) -> None:
    data, folders, first = tmp_path / "data", tmp_path / "judged", tmp_path / "first"
    first.mkdir()
    for seed in range(8):
        (first / f"{seed}.png").write_bytes(part(seed))
    learn = ("--repository", repository, "--device", "cpu", "-q")
    nowhere = ("--server", "http://127.0.0.1:9")
    takt("learn", first, "--model", "parts", "--size", "64", *learn, *nowhere)

    keep = ("--record", "sqlite", "--data-folder", str(data), "--keep", "rejects,sample=1")
    with (
        start_server(repository, *keep) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        # Whatever the self-test says of so few parts of noise, this version is to answer.
        assert http.post("/v1/models/parts/versions/1/activate").is_success
        # Another shift: darker parts, which the first version has never seen, and two defects.
        good = {f"good-{seed}": part(seed, high=120) for seed in range(8)}
        bad = {f"bad-{seed}": part(seed, high=120, defect=True) for seed in range(2)}
        for request_id, picture in (good | bad).items():
            answer = http.post(
                "/v1/models/parts/inspect", content=picture, headers={"X-Request-ID": request_id}
            )
            assert answer.json()["version"] == "1"
        ids = recorded(data, len(good) + len(bad))

        by_api = [ids[name] for name in list(good)[:5]]
        judged = http.post(
            "/v1/inspections/judgements",
            json={"ids": by_api, "judgement": "good", "reviewer": "ann"},
        )
        assert judged.json()["inspections"] == 5
        of_record = ("--data-folder", data, "--record", "sqlite")
        by_hand = [ids[name] for name in list(good)[5:]]
        said = takt("records", "judge", *by_hand, "--as", "good", "--by", "bob", *of_record)
        assert said == "3 judged good by bob\n"
        defects = [ids[name] for name in bad]
        takt("records", "judge", *defects, "--as", "defect", "--kind", "bar", *of_record)

        wrote = takt("records", "export", "--folder", folders, "--model", "parts", *of_record)
        assert wrote.startswith("8 good, 2 defective")
        assert (folders / f"good/inspection-{by_api[0]}.png").read_bytes() == good["good-0"]

        judged_ones = ("--good", folders / "good", "--defects", folders / "defect")
        summary = takt("learn", "--update", "parts", *judged_ones, *learn, "--server", server.url)
        before, after = (line for line in summary.splitlines() if line.startswith("compared"))
        assert "version 1 at " in before and "version 2 at " in after
        assert "of the new good pictures" in before and "of the new good pictures" in after

        activated = http.post(
            "/v1/models/parts/versions/2/activate", json={"reason": "learned the dark shift"}
        )
        assert (activated.json()["before"], activated.json()["version"]) == ("1", "2")
        answer = http.post("/v1/models/parts/inspect", content=good["good-0"])
        assert answer.json()["version"] == "2"
        assert http.post("/v1/models/parts/inspect", content=bad["bad-0"]).json()["anomalous"]

        # What the first version did with these parts stays in the record.
        asked = {"model": "parts", "version": "1"}
        figures = http.get("/v1/review/confusion", params=asked).json()["whole"]
        counts = figures["counts"]
        assert counts["false_rejects"] + counts["true_passes"] == 8
        assert counts["true_rejects"] + counts["slips"] == 2
        shown = takt("records", "review", "--model", "parts", "--version", "1", *of_record)
        assert shown.startswith("10 inspections, ")
        assert "no threshold is proposed: judged of parts, version 1: 8 good, 2 defective" in shown
