import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from takt_export.learning.running import Running, wait_for

OTHERS = [("parts", "1")]


def server(
    *looks: dict[str, str],
    active: str = "1",
    reason: str | None = None,
    waits: str | None = None,
    other_worker: Sequence[dict[str, Any]] = (),
    digest: str = "new",
) -> Any:
    """GETs of a server: the state of each version of `parts`, look by look.

    Another worker answers first when it is asked about the model.
    """
    left, elsewhere = list(looks), list(other_worker)
    now: dict[str, str] = {}

    def get(path: str) -> Any:
        nonlocal now
        if path == "/v1/models/parts":
            versions = [{"version": one, "digest": digest if one == "2" else "old"} for one in now]
            told = {"active": active, "waits": waits, "versions": versions}
            return elsewhere.pop(0) if elsewhere else told
        assert path == "/health/ready"
        now = left.pop(0) if len(left) > 1 else left[0]
        return {
            "models": [
                {"name": "parts", "version": version, "state": state, "reason": reason}
                for version, state in now.items()
            ]
        }

    return get


def ask(get: Callable[[str], Any], *, within_s: float = 60.0, others: Any = OTHERS) -> Any:
    return wait_for(
        "http://x", "parts", "2", "new", others, get=get, within_s=within_s, sleep=lambda _: None
    )


def test_a_version_that_a_server_loads_is_waited_for() -> None:
    looks = ({"1": "ready"}, {"1": "ready"}, {"1": "ready", "2": "loading"}, {"2": "ready"})
    assert ask(server(*looks)) == Running("waiting", "1")
    assert ask(server(*looks, active="2")) == Running("active", "2")


def test_a_version_that_a_server_cannot_load_is_told_with_the_reason() -> None:
    looks = ({"1": "ready", "2": "failed"},)
    assert ask(server(*looks, reason="drift")) == Running("failed", reason="drift")


def test_a_server_of_another_repository_is_not_waited_for() -> None:
    assert ask(server({"1": "ready"}), others=[("nuts", "1")]) is None
    assert ask(server({"1": "ready"}), others=[]) is None


def test_a_server_that_does_not_look_at_its_folder_is_given_up() -> None:
    assert ask(server({"1": "ready"}), within_s=0) == Running("absent")


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(), TimeoutError(), ValueError("no JSON"), KeyError("models")]
)
def test_where_no_server_answers_nothing_is_said(error: Exception) -> None:
    def get(_: str) -> Any:
        raise error

    assert ask(get) is None


def test_a_server_with_keys_is_shown_the_one_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str | None] = []
    get = server({"1": "ready", "2": "ready"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["Authorization"])
            body = json.dumps(get(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("TAKT_KEY", "takt_secret")
    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        found = wait_for(f"http://127.0.0.1:{http.server_port}", "parts", "2", "new", OTHERS)
        http.shutdown()
    assert found == Running("waiting", "1")
    assert set(shown) == {"Bearer takt_secret"}


def test_a_version_that_waits_where_no_other_answers_is_told_so() -> None:
    looks = ({"1": "ready"}, {"1": "ready", "2": "ready"})
    assert ask(server(*looks, active="", waits="made_up_missed")) == Running("waiting", None)


def test_a_server_of_an_empty_repository_is_waited_for_with_its_first_version() -> None:
    empty: dict[str, str] = {}
    looks = (empty, empty, {"2": "loading"}, {"2": "ready"})
    assert ask(server(*looks, active="2"), others=[]) == Running("active", "2")
    assert ask(server({"2": "ready"}, active="2"), others=[]) == Running("active", "2")
    assert ask(server({}), others=[], within_s=0) is None
    another = server({"2": "ready"}, active="2", digest="of another repository")
    assert ask(another, others=[]) is None


@pytest.mark.parametrize(
    "behind",
    [
        {"title": "no such model", "status": 404},
        {"active": "", "waits": None, "versions": [{"version": "2", "digest": None}]},
        {"active": "1", "waits": None, "versions": [{"version": "1", "digest": "old"}]},
    ],
)
def test_a_worker_that_is_behind_another_one_is_asked_again(behind: dict[str, Any]) -> None:
    looks = ({"1": "ready", "2": "ready"},)
    assert ask(server(*looks, active="2", other_worker=[behind])) == Running("active", "2")
