"""A real server that starts with an empty folder of models."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from takt.core.bundles.bundle import Bundle
from tests.conftest import TAKT, StartServer
from tests.workers import eventually


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_starts_empty_is_ready_in_every_worker_once_a_model_comes(
    bundle: Bundle, tmp_path: Path, start_server: StartServer, workers: int, picture_bytes
) -> None:
    (empty := tmp_path / "empty").mkdir()
    given = ("--workers", str(workers), "--record", "none", "--repository-poll-s", "0.2")

    def answers(path: str) -> set[int]:
        """What is answered on connections of their own, so that every worker is asked."""
        return {httpx.get(f"{server.url}{path}").status_code for _ in range(8)}

    with start_server(empty, *given, told="has no model yet") as server:
        assert answers("/health/live") == {200}
        assert answers("/health/ready") == {503}
        assert answers("/console/") == {200}
        shutil.copytree(bundle.path, tmp_path / "whole" / "1")
        shutil.move(tmp_path / "whole", empty / "parts")
        eventually(lambda: answers("/health/ready") == {200})
        for _ in range(8):
            url = f"{server.url}/v1/models/parts/inspect"
            assert httpx.post(url, content=picture_bytes(50)).status_code == 200
        assert server.stop() in (0, -signal.SIGTERM)


def test_a_repository_that_is_not_there_ends_the_start_with_one_sentence(tmp_path: Path) -> None:
    command = [str(TAKT), "serve", "--port", "0", "--repository", str(tmp_path / "typo")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode != 0
    assert (
        ended.stderr.strip().splitlines()[-1].endswith("is no folder; name one with --repository")
    )
