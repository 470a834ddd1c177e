"""A replay as JSON: in the API's answer and at the terminal."""

from __future__ import annotations

from dataclasses import asdict

from takt.core.domain import Json, Source, regions_json
from takt.repository.replaying.replay import Replay
from takt.repository.replaying.tolerance import source_of_stored


def json_of(replay: Replay) -> Json:
    """A replay as a JSON object."""
    stored, verdict = replay.stored, replay.verdict
    return {
        "id": stored.id,
        "model": stored.model,
        "version": stored.version,
        "digest": stored.digest,
        "reproduced": replay.reproduced,
        "same_verdict": replay.same_verdict,
        "same_score": replay.same_score,
        "same_regions": replay.same_regions,
        "score_difference": replay.score_difference,
        "peak_difference": replay.peak_difference,
        "threshold": stored.threshold,
        "pixel_threshold": stored.pixel_threshold,
        "tolerance": asdict(replay.tolerance),
        "recorded": {
            "anomalous": stored.anomalous,
            "verdict": stored.verdict,
            "score": stored.score,
            "regions": regions_json(stored.regions),
            **_engine(source_of_stored(stored)),
        },
        "replayed": {
            "anomalous": verdict.anomalous,
            "verdict": verdict.name,
            "score": verdict.score,
            "regions": regions_json(verdict.regions),
            **_engine(replay.source),
        },
    }


def _engine(source: Source) -> Json:
    told = asdict(source)
    del told["digest"]
    return told
