"""A server that watches the repository: whether it has a new version, and which one answers."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

FOUND_WITHIN_S = 20.0
"""Longest wait for a server to load a version; it looks at its folder every other second."""

_ANSWERS_WITHIN_S = 2.0
_LOOK_EVERY_S = 0.2
_MOST_BYTES = 1 << 20

Get = Callable[[str], Any]


@dataclass(frozen=True)
class Running:
    """A server of this repository, as it answered.

    Attributes:
        state: of the new version: `active` answers, `waiting` is loaded and waits for its
            activation, `failed` could not be loaded, `absent` was not found in time.
        active: the version that answers where a request names none; None if none does.
        reason: why it failed.
    """

    state: Literal["active", "waiting", "failed", "absent"]
    active: str | None = None
    reason: str | None = None


def wait_for(
    url: str,
    model: str,
    version: str,
    digest: str,
    others: Iterable[tuple[str, str]],
    *,
    get: Get | None = None,
    within_s: float = FOUND_WITHIN_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Running | None:
    """Waits until a server has loaded a version; None if none serves this repository.

    Args:
        url: of the server.
        model: name of the model.
        version: the new one.
        digest: of its bundle.
        others: model and version of each other bundle in the repository. A server that has none of
            them serves another repository, and is not waited for; of an empty repository it may be
            one that has nothing yet.
        get: GETs a path and reads the JSON; raises OSError or ValueError.
        within_s: longest wait.
        sleep: waits a number of seconds.
    """
    get = get or _getter(url)
    deadline_s = time.monotonic() + within_s
    known, new, is_ours = set(others), (model, version), False
    try:
        while True:
            states = _states(get)
            is_ours = is_ours or bool(known & states.keys())
            if not is_ours and (known or states.keys() - {new}):
                return None
            state, reason = states.get(new, ("absent", None))
            if state == "failed":
                return Running("failed", reason=reason)
            if state == "ready":
                told = get(f"/v1/models/{model}")
                there = {one["version"]: one["digest"] for one in told.get("versions", ())}
                if there.get(version) not in (None, digest):
                    return None
                # Another worker, which loads it only now, may have answered.
                if version in there and (told["active"] or told["waits"]):
                    active = told["active"] or None
                    return Running("active" if active == version else "waiting", active)
            if time.monotonic() > deadline_s:
                return Running("absent") if is_ours or new in states else None
            sleep(_LOOK_EVERY_S)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _states(get: Get) -> dict[tuple[str, str], tuple[str, str | None]]:
    """State and reason of each version that the server has, by model and version."""
    return {
        (one["name"], one["version"]): (one["state"], one.get("reason"))
        for one in get("/health/ready")["models"]
    }


def _getter(url: str) -> Get:
    # A proxy of the plant has no way to this very machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _AnyStatus)
    key = os.environ.get("TAKT_KEY")

    def get(path: str) -> Any:
        request = urllib.request.Request(url.rstrip("/") + path)
        if key:
            request.add_unredirected_header("Authorization", f"Bearer {key}")
        with opener.open(request, timeout=_ANSWERS_WITHIN_S) as answer:
            return json.loads(answer.read(_MOST_BYTES))

    return get


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Takes every status as an answer: a server that is not ready says so by 503."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response
