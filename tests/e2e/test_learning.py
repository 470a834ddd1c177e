"""Learning by a real server, with the command as it is installed."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

ENDED_WITHIN_S = 240


def part(seed: int) -> bytes:
    """Looks much like the others, so that the self-test finds nothing grave against the model."""
    same = np.random.default_rng(0).integers(40, 200, (12, 16, 3))
    coarse = same + np.random.default_rng(seed).integers(-8, 9, same.shape)
    picture = cv2.resize(coarse.astype(np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".png", picture)[1].tobytes()


def started(http: httpx.Client, count: int) -> str:
    """The path of a learning of `nut` that was started with so many pictures."""
    made = http.post("/v1/learning", json={"model": "nut", "size": "64"}).raise_for_status()
    path = f"/v1/learning/{made.json()['id']}"
    for seed in range(count):
        http.post(f"{path}/pictures", content=part(seed)).raise_for_status()
    http.post(f"{path}/start").raise_for_status()
    return path


def once(http: httpx.Client, path: str, holds: Any) -> dict[str, Any]:
    deadline_s = time.monotonic() + ENDED_WITHIN_S
    while True:
        job: dict[str, Any] = http.get(path).raise_for_status().json()
        if holds(job):
            return job
        assert job["state"] != "failed" and time.monotonic() < deadline_s, job
        # Whoever asks without a pause takes the cores, as learning lets everybody go first.
        time.sleep(0.2)


def learner_of(server: int) -> int:
    """The process that a server has started."""
    (child,) = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return int(child)


@pytest.mark.slow
def test_pictures_that_were_sent_become_a_version_that_answers(
    start_server: Any, bundle: Any, repository: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with (
        start_server(repository, "--data-folder", str(data)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        path = started(http, count=8)
        stages = set()

        def served(job: dict[str, Any]) -> bool:
            stages.add(job["stage"])
            return job["learned"] is not None and job["learned"]["standing"] == "active"

        learned = once(http, path, served)["learned"]
        assert {"fit", "export"} <= stages
        assert (learned["version"], learned["pictures"]) == ("1", "8 pictures, 80 x 60")
        answer = http.post("/v1/models/nut/inspect", content=part(0)).raise_for_status()
        assert answer.json()["version"] == "1"
        assert answer.json()["threshold"] == pytest.approx(learned["threshold"])
        assert learned["advice"] == []
        http.delete(path).raise_for_status()
    assert not any((data / "learning").iterdir())
    assert sorted(one.name for one in (repository / "nut").iterdir()) == ["1"]


@pytest.mark.slow
def test_what_a_killed_server_was_learning_ends_with_it_and_has_failed_at_the_next_start(
    start_server: Any, bundle: Any, repository: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    options = ("--data-folder", str(data))
    with (
        start_server(repository, *options) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        once(http, started(http, count=8), lambda job: job["stage"] == "fit")
        assert (repository / "nut" / ".1.fit").is_dir()
        learner = os.pidfd_open(learner_of(server.process.pid))
        server.process.kill()
        ended, _, _ = select.select([learner], [], [], 30)
        os.close(learner)
        assert ended
    assert any((data / "learning").iterdir())
    with start_server(repository, *options) as server:
        while not (jobs := httpx.get(f"{server.url}/v1/learning").json()["jobs"]):
            time.sleep(0.05)
        (job,) = jobs
        assert (job["state"], job["pictures"]) == ("failed", 8)
        assert not (repository / "nut").exists()
        assert httpx.delete(f"{server.url}/v1/learning/{job['id']}").status_code == 200
        assert not any((data / "learning").iterdir())
