"""The shipped model on the shipped pictures, as a newcomer meets them."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import pytest

from takt.core.bundles.bundle import Bundle

EXAMPLES = Path(__file__).parents[2] / "examples"
PATH = "/v1/models/parts/inspect"
PICTURES = sorted((EXAMPLES / "pictures").glob("*/*.jpg"))


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "demo.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_demo_passes_the_good_parts_and_finds_what_the_model_can(tmp_path: Path) -> None:
    ended = demo("--out", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert len(PICTURES) == 12
    found = 0
    for picture in PICTURES:
        truth = picture.parent.name
        line = next(line for line in ended.stdout.splitlines() if line.startswith(picture.name))
        if truth == "good":
            assert "anomalous" not in line
        else:
            found += "anomalous" in line
        overlay = cv2.imread(str(tmp_path / f"{truth}_{picture.stem}.jpg"))
        assert overlay is not None
        assert overlay.shape == cv2.imread(str(picture)).shape
    assert found >= 4
    assert re.search(r"1[012] of 12 verdicts agree with the truth; p50 \d+\.\d ms", ended.stdout)


def test_the_demo_fails_when_an_answer_does_not_come(
    bundle: Bundle, repository: Path, tmp_path: Path
) -> None:
    ended = demo("--out", str(tmp_path / "out"), "--models", str(repository), "--model", "none")
    assert ended.returncode == 1
    assert "there is no model 'none'" in ended.stderr


def test_sixteen_clients_share_batches_and_a_corrupt_picture_fails_alone(
    fork_server, bundle: Bundle, repository: Path
) -> None:
    bodies = [PICTURES[i % len(PICTURES)].read_bytes() for i in range(16)]
    bodies[5] = bodies[5][:-2000]

    async def run(url: str) -> tuple[list[httpx.Response], str]:
        limits = httpx.Limits(max_connections=16)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as http:
            answers = await asyncio.gather(*(http.post(PATH, content=body) for body in bodies))
            return answers, (await http.get("/metrics")).text

    # Only full batches run, so that their number does not depend on who comes when.
    batches = ("--max-batch-size", "5", "--max-queue-delay-ms", "60000", "--engine-instances", "1")
    with fork_server(repository, "--timeout-ms", "600000", *batches) as server:
        answers, metrics = asyncio.run(run(server.url))
    corrupt = answers.pop(5)
    assert corrupt.status_code == 400
    assert "cut short" in corrupt.json()["detail"]
    assert {answer.status_code for answer in answers} == {200}
    found = {
        name: float(value)
        for name, value in re.findall(r'takt_batch_size_(\w+)\{model="parts"\} (\S+)', metrics)
    }
    assert found["sum"] == 15
    assert found["count"] == 3


@pytest.mark.parametrize("name", ["LICENSE.bsdata.txt", "README.md"])
@pytest.mark.parametrize("folder", ["learn", "pictures"])
def test_the_pictures_come_with_their_licence(folder: str, name: str) -> None:
    text = (EXAMPLES / folder / name).read_text()

    assert "CC BY-SA 4.0" in text or name.startswith("LIC")
    assert len(text) > 500
