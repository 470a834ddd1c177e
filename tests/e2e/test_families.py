"""A family of detectors is added by a distribution of its own, as that of the examples is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.conftest import TAKT
from tests.e2e.test_learning import once, part
from tests.plugins import install_example
from tests.tree import ROOT


@pytest.fixture(autouse=True)
def grey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The family of the examples, which every process from here on finds."""
    folder = install_example(tmp_path / "installed", "grey")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), str(ROOT))))


def said(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def good_pictures(folder: Path, count: int = 20) -> Path:
    folder.mkdir()
    for seed in range(count):
        (folder / f"{seed:02}.png").write_bytes(part(seed))
    return folder


def with_a_hole() -> bytes:
    picture = cv2.imdecode(np.frombuffer(part(3), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    picture[20:40, 30:50] = 0
    return cv2.imencode(".png", picture)[1].tobytes()


def test_a_family_of_another_distribution_is_learned_and_served(
    repository: Path, tmp_path: Path, start_server: Any
) -> None:
    good = good_pictures(tmp_path / "good")
    quick = ("--device", "cpu", "--threads", 1, "--server", "http://127.0.0.1:9", "-q")

    summary = said(
        TAKT, "learn", good, "--model", "parts", "--repository", repository,
        "--family", "grey", *quick,
    )  # fmt: skip

    assert "20 pictures, 80 x 60" in summary
    manifest = json.loads((repository / "parts/1/manifest.json").read_text("utf-8"))
    assert (manifest["family"], manifest["variant"]) == ("grey", "tiny")
    with (
        start_server(repository) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        asked = {"content": part(30)}, {"content": with_a_hole()}
        answers = [http.post("/v1/models/parts/inspect", **one).json() for one in asked]
        assert [one["anomalous"] for one in answers] == [False, True]
        assert answers[1]["regions"]
        assert http.get("/console/families.json").json()[-1]["name"] == "grey"


@pytest.mark.slow
def test_a_server_learns_the_family_and_its_pages_and_document_name_it(
    bundle: Any, repository: Path, tmp_path: Path, start_server: Any
) -> None:
    with (
        start_server(repository, "--data-folder", str(tmp_path / "data")) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        shown = http.get("/console/families.json").json()
        assert shown[-1] == {
            "name": "grey",
            "about": "Grey compares greys, and learns at once.",
            "is_trained": False,
        }
        schemas = http.get("/openapi.json").json()["components"]["schemas"]
        assert schemas["LearningIn"]["properties"]["family"]["enum"][-1] == "grey"
        update = {"model": "nut", "family": "grey", "update": True}
        refused = http.post("/v1/learning", json=update)
        assert "only a patchcore can be updated" in refused.json()["detail"]
        asked = http.post("/v1/learning", json={"model": "nut", "family": "grey"})
        path = f"/v1/learning/{asked.raise_for_status().json()['id']}"
        for seed in range(20):
            http.post(f"{path}/pictures", content=part(seed)).raise_for_status()
        http.post(f"{path}/start").raise_for_status()
        job = once(http, path, lambda job: job["state"] == "done")
        assert (job["family"], job["learned"]["version"]) == ("grey", "1")


def test_commands_and_pages_of_the_documentation_list_the_family() -> None:
    assert "[patchcore|efficientad|inpformer|grey]" in said(TAKT, "learn", "--help")
    code = "from docs._reference.families import families; print(families())"
    rows = said(sys.executable, "-P", "-c", code).splitlines()
    assert rows[-1].startswith("| `grey` | Grey compares greys, and learns at once. | about 1 s |")


def test_the_list_and_what_commands_offer_of_it_are_there_without_torch() -> None:
    code = (
        "import sys, takt.core.families.every, takt.cli, takt.api.learning.schemas; "
        "assert takt.core.families.every.named('grey').title == 'Grey'; "
        "print({'torch', 'takt_models', 'takt_export'} & sys.modules.keys())"
    )
    assert said(sys.executable, "-P", "-c", code) == "set()\n"
