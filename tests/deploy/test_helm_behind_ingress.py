"""The pod of a release behind a real nginx, set up as its Ingress says in the guide."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from takt_client.pictures import pack_frame
from tests.deploy.outside import Outside, reached_from_outside
from tests.deploy.pod import Cluster, Key

pytestmark = pytest.mark.services

INSPECT = "/v1/models/parts/inspect"


@pytest.fixture
def outside(cluster: Cluster, tmp_path: Path) -> Iterator[Outside]:
    (folder := tmp_path / "nginx").mkdir()
    with reached_from_outside(cluster, folder) as found:
        yield found


def test_pictures_streams_and_the_console_pass_and_metrics_and_probes_do_not(
    outside: Outside, key: Key, picture_bytes: Callable[..., bytes]
) -> None:
    ask, known = outside.ask, key.header
    assert ask("POST", INSPECT, content=picture_bytes()).status_code == 401
    noise = np.random.default_rng(7).integers(0, 256, (1200, 1600, 3), np.uint8)
    large = cv2.imencode(".png", noise)[1].tobytes()
    assert 5 << 20 < len(large) < 16 << 20
    for picture in (picture_bytes(), large):
        assert ask("POST", INSPECT, content=picture, headers=known).status_code == 200
    for path in ("/metrics", "/health/live", "/health/ready", "/v2/health/ready"):
        assert ask("GET", path, headers=known).status_code == 404, path
    assert httpx.get(f"{outside.server.urls['http']}/health/live").status_code == 200
    assert "<html" in ask("GET", "/console/live").text
    assert ask("GET", "/").headers["location"] == "/console/"
    assert ask("HEAD", "/console/static/icon.svg").status_code == 200
    assert ask("GET", "/console/", headers={"host": "other.example"}).status_code == 404
    with outside.stream(**known) as frames:
        frames.send(json.dumps({"type": "hello"}))
        assert json.loads(frames.recv(30))["type"] == "welcome"
        frames.send(pack_frame(0, 0, picture_bytes()))
        assert json.loads(frames.recv(30))["type"] == "answer"


def test_a_page_signs_in_and_streams_by_its_cookie_and_one_of_others_does_not(
    outside: Outside, key: Key
) -> None:
    page = {"origin": f"https://{outside.host}", "sec-fetch-site": "same-origin"}
    begun = outside.ask("POST", "/v1/session", headers=page | key.header)
    assert begun.status_code == 201
    cookie = begun.headers["set-cookie"]
    assert "Secure" in cookie and "HttpOnly" in cookie
    by_cookie = {"cookie": cookie.partition(";")[0]}
    assert outside.ask("GET", "/v1/models", headers=by_cookie).status_code == 200
    with outside.stream(**by_cookie, origin=page["origin"]) as frames:
        frames.send(json.dumps({"type": "hello"}))
        assert json.loads(frames.recv(30))["type"] == "welcome"
    foreign = "https://evil.example"
    with pytest.raises(InvalidStatus, match="403"), outside.stream(**by_cookie, origin=foreign):
        pass
    refused = outside.ask("DELETE", "/v1/session", headers=by_cookie | {"origin": foreign})
    assert refused.status_code == 403


def test_the_console_of_a_pod_without_a_model_is_reached_and_its_pictures_are_not(
    cluster: Cluster, key: Key, tmp_path: Path, repository: Path, picture_bytes
) -> None:
    for folder in ("empty", "nginx"):
        (tmp_path / folder).mkdir()
    claims = {**cluster.claims, "models": tmp_path / "empty"}
    empty = replace(cluster, claims=claims)
    with reached_from_outside(empty, tmp_path / "nginx", ready=False) as outside:
        ask, known = outside.ask, key.header
        assert "<html" in ask("GET", "/console/learn").text
        assert ask("GET", "/v1/models", headers=known).json()["models"] == []
        assert ask("POST", "/v1/session", headers=known).status_code == 201
        assert ask("GET", "/v1/learning", headers=known).status_code == 200
        # The key may not operate: the server itself has answered.
        assert ask("POST", "/v1/learning", json={"model": "nut"}, headers=known).status_code == 403
        refused = ask("POST", INSPECT, content=picture_bytes(), headers=known)
        assert (refused.status_code, "nginx" in refused.text) == (503, True)
