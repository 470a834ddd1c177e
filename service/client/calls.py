"""The calls of the REST surface, as values: what is sent, and how the answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypedDict, TypeVar
from urllib.parse import quote

import httpx

from service.client.answers import (
    Inspected,
    Model,
    Readiness,
    read_inspected,
    read_model,
    read_models,
    read_readiness,
)
from service.client.failures import Refusal, refusal_of
from service.client.propagation import trace_headers
from service.domain import HeatmapKind, ImageFormat, Priority
from service.errors import InvalidParameterError

T = TypeVar("T")

_LONGEST_TIMEOUT_MS = 3_600_000
_WAY_BACK_S = 0.1
_WAY_BACK_SHARE = 0.1
"""How much sooner than the client the server gives up, so that what it says of it arrives."""
_OK = (200,)
_OK_OR_NOT_READY = (200, 503)


class InspectChoices(TypedDict, total=False):
    """What a picture's sender may choose; what is left out is the server's choice.

    Attributes:
        heatmap: `none`, the coloured `map`, the `overlay` on the picture, or the `raw` map.
        format: of the coloured pictures.
        threshold: instead of the model's, for this verdict.
        pixel_threshold: instead of the model's, for these regions.
        timeout_ms: after which the server gives up.
        priority: `line` goes before `bulk` where both wait.
    """

    heatmap: HeatmapKind
    format: ImageFormat
    threshold: float
    pixel_threshold: float
    timeout_ms: float
    priority: Priority


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request of the REST surface.

    Attributes:
        method: of HTTP.
        path: below the server's URL.
        read: makes the answer from the body; raises UnreadableAnswerError.
        query: its parameters.
        content: the body.
        answers: the statuses that carry an answer.
        bounded: whether the server is told how long the client still waits.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, str | float] = field(default_factory=dict)
    content: bytes | None = None
    answers: tuple[int, ...] = _OK
    bounded: bool = False

    def request(self, http: httpx.Client | httpx.AsyncClient, remaining_s: float) -> httpx.Request:
        """The HTTP request of an attempt that has this long."""
        query = dict(self.query)
        sooner_s = remaining_s - min(_WAY_BACK_S, _WAY_BACK_SHARE * remaining_s)
        if self.bounded and "timeout_ms" not in query:
            query["timeout_ms"] = min(round(sooner_s * 1000, 3), _LONGEST_TIMEOUT_MS)
        # Who is not even connected by then shall hear that, and not of the deadline.
        limits = httpx.Timeout(remaining_s, connect=sooner_s)
        return http.build_request(
            self.method,
            self.path,
            params=query,
            content=self.content,
            headers=trace_headers(),
            timeout=limits,
        )

    def refusal(self, response: httpx.Response) -> Refusal | None:
        """Why a response is no answer; None if it is one."""
        if response.status_code in self.answers:
            return None
        retry_after = response.headers.get("retry-after")
        return refusal_of(response.status_code, response.content, retry_after)


def inspect_call(
    model: str, version: str | None, data: bytes, choices: InspectChoices
) -> Call[Inspected]:
    """`POST /v1/models/{model}[/versions/{version}]/inspect`."""
    path = f"{_model_path(model, version)}/inspect"
    query: dict[str, str | float] = {**choices}  # type: ignore[dict-item]
    return Call("POST", path, read_inspected, query, data, bounded=True)


def models_call() -> Call[tuple[Model, ...]]:
    """`GET /v1/models`."""
    return Call("GET", "/v1/models", read_models)


def model_call(name: str) -> Call[Model]:
    """`GET /v1/models/{name}`."""
    return Call("GET", _model_path(name, None), read_model)


def ready_call() -> Call[Readiness]:
    """`GET /health/ready`."""
    return Call("GET", "/health/ready", read_readiness, answers=_OK_OR_NOT_READY)


def checked_server(url: str) -> str:
    """The server's URL, without a slash at its end.

    Raises:
        InvalidParameterError: it is none.
    """
    scheme, separator, rest = url.partition("://")
    if scheme.lower() not in ("http", "https") or not separator or not rest:
        raise InvalidParameterError(f"{url!r} is no URL of a server; give http://HOST:PORT")
    return url.rstrip("/")


def stream_url(server: str, model: str, version: str | None) -> str:
    """The WebSocket's address on a server."""
    scheme, _, rest = server.partition("://")
    secure = "wss" if scheme.lower() == "https" else "ws"
    return f"{secure}://{rest}{_model_path(model, version)}/stream"


def _model_path(model: str, version: str | None) -> str:
    path = f"/v1/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{quote(version, safe='')}"
