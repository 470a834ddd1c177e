"""An answer, reduced to what must not change: digests of its parts, and its score in full."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SHORT = 16
"""Hexadecimal digits of a digest in a record; the digest over all answers is of the whole ones."""

NO_HEATMAP = "-"

VARYING = {"request_id", "timings_ms", "age_ms", "captured_us"}
"""Fields of an answer that differ from run to run."""

OVERLOADED = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said of a picture.

    Attributes:
        score: in hexadecimal, so that no bit is lost; of a refusal, status and code.
        verdict: digest of all that is not in the other parts: verdict, thresholds, percentile,
            sizes, votes.
        regions: digest.
        heatmap: digest of its pixels or of the map's values.
    """

    score: str
    verdict: str
    regions: str
    heatmap: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        """All four in full."""
        return self.score, self.verdict, self.regions, self.heatmap

    @property
    def line(self) -> str:
        """All four with short digests, parted by spaces."""
        return " ".join((self.score, *(part[:SHORT] for part in self.parts[1:])))


def answer_of(fields: Mapping[str, Any], heatmap: bytes | NDArray[np.float32] | None) -> Answer:
    """Reduce an answer.

    Args:
        fields: of its JSON. What it says of the heatmap counts, but for the encoded bytes.
        heatmap: an encoded picture, a .npy, or the map's values.
    """
    rest = {name: value for name, value in fields.items() if name not in VARYING}
    score, regions = rest.pop("score"), rest.pop("regions", None)
    if rest.get("heatmap"):
        rest["heatmap"] = {name: rest["heatmap"][name] for name in ("kind", "format")}
    return Answer(
        score=float(score).hex(),
        verdict=_digest_json(rest),
        regions=_digest_json(regions),
        heatmap=NO_HEATMAP if heatmap is None else _digest_heatmap(heatmap),
    )


def refusal_of(problem: Mapping[str, Any]) -> Answer:
    """Reduce a problem: status and code, as its words are for people.

    Raises:
        SystemExit: the server is overloaded or failed, so that another run may answer otherwise.
    """
    status, code = problem["status"], problem["code"]
    if status == OVERLOADED or status >= 500:
        raise SystemExit(f"the server answered {status} {code}: {problem.get('detail')}")
    return Answer(f"{status}:{code}", *[NO_HEATMAP] * 3)


def _digest_json(value: Any) -> str:
    text = json.dumps(_exact(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _exact(value: Any) -> Any:
    """Write every float in hexadecimal."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, Mapping):
        return {name: _exact(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_exact(part) for part in value]
    return value


def _digest_heatmap(heatmap: bytes | NDArray[np.float32]) -> str:
    values = _values(heatmap) if isinstance(heatmap, bytes) else heatmap
    total = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def _values(data: bytes) -> NDArray[Any]:
    if data.startswith(b"\x93NUMPY"):
        values: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
        return values
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise SystemExit(f"a heatmap of {len(data)} bytes is no picture")
    return np.asarray(decoded)
