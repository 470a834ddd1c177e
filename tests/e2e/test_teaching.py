"""Teaching by a real server that is killed at every step; a stand-in learns."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from takt.core.bundles.bundle import CHECKPOINT
from tests.fake_learn import FIT, PLAN, RESULT, TAUGHT

Step = Literal["gathering", "fitting", "made", "told"]

WITHIN_S = 60

STAND_IN = """
import sys

if sys.orig_argv[1:3] == ["-P", "-c"] and "--teach" in sys.orig_argv:
    import json, os, pathlib, shutil, signal

    arguments = dict(zip(sys.orig_argv[5::2], sys.orig_argv[6::2]))
    model = pathlib.Path(arguments["--repository"], arguments["--update"])
    version = str(1 + max(int(one.name) for one in model.glob("[0-9]*")))
    control = pathlib.Path({control!r})
    plan, fit, result = json.loads({events!r})

    def tell(event):
        print(json.dumps(event), flush=True)

    def comes_to(step):
        (control / step).touch()
        if (control / "stop").read_text() == step:
            signal.pause()

    tell(plan)
    tell({{"event": "place", "model": model.name, "version": version}})
    tell(fit)
    shutil.copytree(control / version, model / ("." + version + "-abcd_123"))
    (model / ("." + version + ".fit")).mkdir()
    comes_to("fitting")
    (model / ("." + version + ".fit")).rmdir()
    (model / ("." + version + "-abcd_123")).rename(model / version)
    comes_to("made")
    tell(result | {{"version": version}})
    comes_to("told")
    os._exit(0)
"""
"""Takes the place of `takt learn` in the process that the server starts for it."""


@pytest.fixture
def control(
    tmp_path: Path, make_bundle: Any, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder by which a test stops the stand-in; with the versions that it makes."""
    folder = tmp_path / "control"
    folder.mkdir()
    for version in ("1", "2", "3"):
        make_bundle("nut", version, family="patchcore", kept={CHECKPOINT: b"a bank"})
        if version != "1":
            shutil.move(repository / "nut" / version, folder / version)
    result = RESULT | {"model": "nut", "taught": TAUGHT}
    text = STAND_IN.format(control=str(folder), events=json.dumps([PLAN, FIT, result]))
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    return folder


def once(holds: Callable[[], Any]) -> Any:
    """What a question answers, as soon as that holds."""
    deadline_s = time.monotonic() + WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return found


def recorded(http: httpx.Client, picture: bytes, judgement: str) -> None:
    """Inspect a picture, and judge it."""
    answer = http.post("/v1/models/nut/inspect", content=picture).raise_for_status()
    said = {"request_id": answer.json()["request_id"], "judgement": judgement, "reviewer": "ann"}
    once(lambda: http.post("/v1/inspections/judgements", json=said).is_success)


def begun(http: httpx.Client) -> str:
    """The path of a teaching that was started."""
    made = http.post("/v1/learning", json={"model": "nut", "teach": True}).raise_for_status()
    path = f"/v1/learning/{made.json()['id']}"
    http.post(f"{path}/start").raise_for_status()
    return path


def teachable(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = (
        http.get("/v1/review/teachable", params={"model": "nut"}).raise_for_status().json()
    )
    return {name: found[name] for name in ("version", "defects", "good", "missing")}


def hold_back(data: Path) -> Callable[[], None]:
    """Make a kept picture one that nobody can read to its end; returns what undoes that."""
    picture = min(path for path in data.glob("pictures/**/*.png"))
    kept = picture.read_bytes()
    picture.unlink()
    os.mkfifo(picture)

    def undo() -> None:
        picture.unlink()
        picture.write_bytes(kept)

    return undo


@pytest.mark.slow
@pytest.mark.parametrize("step", ["gathering", "fitting", "made", "told"])
def test_a_killed_server_loses_no_judgement_and_leaves_no_half_version(
    step: Step,
    start_server: Any,
    repository: Path,
    control: Path,
    tmp_path: Path,
    picture_bytes: Callable[..., bytes],
) -> None:
    data = tmp_path / "data"
    options = ("--data-folder", str(data), "--record", "sqlite", "--keep", "rejects,sample=1")
    (control / "stop").write_text(step)
    undo = None
    with (
        start_server(repository, *options) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        http.post("/v1/models/nut/versions/1/activate").raise_for_status()
        for level, word in ((60, "defect"), (70, "defect"), (200, "good")):
            recorded(http, picture_bytes(level), word)
        before = teachable(http)
        assert before == {"version": "1", "defects": 2, "good": 1, "missing": 0}
        if step == "gathering":
            undo = hold_back(data)
        path = begun(http)
        if step == "gathering":
            once(lambda: http.get(path).json()["stage"] == "gather")
        else:
            once((control / step).exists)
        server.process.kill()
        server.process.wait()
    if undo is not None:
        undo()

    whole = ["1"] if step in ("gathering", "fitting") else ["1", "2"]
    (control / "stop").write_text("nowhere")
    with (
        start_server(repository, *options) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        (left,) = once(lambda: http.get("/v1/learning").raise_for_status().json()["jobs"])
        assert (left["state"], left["teach"]) == ("failed", True)
        folders = sorted(one.name for one in (repository / "nut").iterdir() if one.is_dir())
        assert folders == whole
        assert teachable(http) == before

        path = begun(http)
        done = once(lambda: _done(http.get(path).json()))
        assert done["gathered"] == {"defects": 2, "good": 1, "passed": 0}
        assert done["learned"]["taught"] == TAUGHT
        assert done["learned"]["version"] == str(len(whole) + 1)
        once(lambda: http.get(path).json()["learned"]["standing"] == "waiting")
        assert http.get("/v1/models/nut").json()["active"] == "1"


def _done(job: dict[str, Any]) -> dict[str, Any] | None:
    assert job["state"] != "failed", job
    return job if job["state"] == "done" else None
