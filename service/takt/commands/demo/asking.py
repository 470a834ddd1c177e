"""Pictures whose truth is known, posted to a server: a line of a table for each."""

from __future__ import annotations

import base64
import json
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

_TIMEOUT_S: Final = 60
DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past any proxy, which would have no way to this very machine."""


@dataclass(frozen=True)
class KnownPicture:
    """A picture's file, and what is in it: `good`, or the name of a defect."""

    path: Path
    truth: str


@dataclass(frozen=True)
class Shown:
    """A picture that was answered: whether the verdict is the truth, and after how long."""

    right: bool
    latency_ms: float


def inspect_all(url: str, model: str, pictures: Sequence[KnownPicture], overlays: Path) -> None:
    """Post pictures one after another, print what is said of each, and keep the overlays.

    Raises:
        ClickException: one was not answered.
    """
    overlays.mkdir(parents=True, exist_ok=True)
    width = max(len(one.path.name) for one in pictures)
    click.echo(
        f"{'picture':<{width}} {'truth':<12} {'score':>8} {'verdict':<9} {'regions':>7} {'ms':>7}"
    )
    seen = [_inspect(url, model, one, overlays, width) for one in pictures]
    p50_ms = statistics.median(one.latency_ms for one in seen)
    click.echo(
        f"\n{sum(one.right for one in seen)} of {len(seen)} verdicts agree with the truth; "
        f"p50 {p50_ms:.1f} ms"
    )


def _inspect(url: str, model: str, picture: KnownPicture, overlays: Path, width: int) -> Shown:
    """Post one picture, print its line, keep its overlay."""
    started_s = time.perf_counter()
    place = f"{url}/v1/models/{model}/inspect?heatmap=overlay"
    answer = _post(place, picture.path.read_bytes())
    latency_ms = (time.perf_counter() - started_s) * 1000
    verdict = "anomalous" if answer["verdict"] == "defect" else answer["verdict"]
    click.echo(
        f"{picture.path.name:<{width}} {picture.truth:<12} {answer['score']:8.4f} {verdict:<9} "
        f"{len(answer['regions']):7d} {latency_ms:7.1f}"
    )
    overlay = base64.b64decode(answer["heatmap"]["data"])
    (overlays / f"{picture.truth}_{picture.path.stem}.jpg").write_bytes(overlay)
    return Shown(answer["anomalous"] is (picture.truth != "good"), latency_ms)


def _post(url: str, body: bytes) -> dict[str, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "image/jpeg"})
    try:
        with DIRECT.open(request, timeout=_TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise click.ClickException(f"the service refused: {error.read().decode()}") from None
    except OSError as error:
        raise click.ClickException(f"the service went away: {error}") from None
