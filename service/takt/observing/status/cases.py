"""What speaks for each alert condition: the cases that the readings show, with a value each."""

from __future__ import annotations

import math
from collections.abc import Callable

from takt.core.intervals import chance_of_so_many
from takt.observing.status.readings import (
    Found,
    Labels,
    Readings,
    Where,
    over_hours,
    over_minutes,
)

Find = Callable[[Readings], Found]
"""Finds the cases of a condition that hold, with the value of each."""

NO_CONNECTION = ("too_many", "too_many_of_client", "no_descriptor")
ENGINE_ERRORS = (
    "engine_failed",
    "engine_hung",
    "engine_died",
    "engine_out_of_memory",
    "internal_error",
)
_REJECTED = ("anomalous", "undecided")
_UNREADABLE = ("invalid_image", "unsupported_image", "image_too_large")

_NEAR_LIMIT_SHARE = 0.8
_FEW_PICTURES = 3
_FEW_REJECTS = 5
_TIMES_PROMISED = 3
_HARDLY_CHANCE = 0.001
SILENT_S = 600
MISSING_PICTURES = 10
_OF_VERSION = ("model", "version")


def shown(name: str, by: Labels = (), where: Where | None = None) -> Find:
    """Finds where a gauge is above 0."""
    return lambda readings: _above(readings.last(name, by, where), 0)


def down(name: str, by: Labels = ()) -> Find:
    """Finds where a gauge is 0 that is not while all is well."""
    return lambda readings: {labels: 0 for labels, up in readings.last(name, by).items() if up == 0}


def risen(name: str, minutes: float, by: Labels = (), where: Where | None = None) -> Find:
    """Finds where a counter rose within the last minutes."""
    return lambda readings: _above(readings.increase(name, over_minutes(minutes), by, where), 0)


def unanswered(*codes: str) -> Find:
    """Finds shares of a model's pictures that got one of these codes, by code."""
    return lambda readings: _shares(readings, _ended(readings, codes), 0.01)


def audit_not_stored(readings: Readings) -> Found:
    """Entries of the audit log that wait for 5 minutes, or were lost."""
    lost = risen("takt_audit_entries_total", 15, where={"outcome": "lost"})
    waiting = readings.least("takt_audit_entries_waiting", over_minutes(5))
    return lost(readings) | _above(waiting, 0)


def not_ready(readings: Readings, *, active: bool) -> Found:
    """Versions that do not answer, of those that are active or of the others."""
    activity = readings.last("takt_model_active", _OF_VERSION)
    return {
        labels: 1
        for labels, ready in readings.last("takt_model_ready", _OF_VERSION).items()
        if ready == 0 and (activity.get(labels) == 1) is active
    }


def of_active(name: str, label: str) -> Find:
    """Finds what a gauge says of active versions, by one more label."""

    def find(readings: Readings) -> Found:
        activity = readings.last("takt_model_active", _OF_VERSION)
        found = readings.last(name, (*_OF_VERSION, label))
        return {
            labels: 1
            for labels, value in found.items()
            if value == 1 and activity.get(labels[:2]) == 1
        }

    return find


def engine_missing(readings: Readings) -> Found:
    """Engines that a version lacks while others of it work."""
    instances = readings.last("takt_engine_instances", _OF_VERSION)
    return {
        labels: instances[labels] - working
        for labels, working in readings.last("takt_engines_working", _OF_VERSION).items()
        if labels in instances and 0 < working < instances[labels]
    }


def reject_rate_jump(readings: Readings) -> Found:
    """Shares of rejects far above the day before: 2 points and 5 standard deviations."""
    ok, rejected = {"outcome": "ok"}, {"outcome": "ok", "verdict": _REJECTED}
    quarter, day = over_minutes(15), over_hours(24, minutes_ago=15)
    counts = [
        readings.increase("takt_requests_total", over, ("model",), where)
        for over in (quarter, day)
        for where in (ok, rejected)
    ]
    pictures, rejects, before, rejects_before = counts
    found: Found = {}
    for labels, number in pictures.items():
        if number < 30 or before[labels] < 200:
            continue
        share = rejects.get(labels, 0.0) / number
        usual = (rejects_before.get(labels, 0.0) + 1) / (before[labels] + 2)
        if share > usual + 0.02 + 5 * math.sqrt(usual * (1 - usual) / number):
            found[labels] = share
    return found


def reject_rate_high(readings: Readings) -> Found:
    """Shares of rejects that are beyond three times what is promised, and not by chance."""
    activity = readings.last("takt_model_active", _OF_VERSION)
    promised = readings.last("takt_promised_reject_ratio", _OF_VERSION)
    quarter, ok = over_minutes(15), {"outcome": "ok"}
    pictures = readings.increase("takt_requests_total", quarter, ("model",), ok)
    rejected_ones = ok | {"verdict": _REJECTED}
    rejects = readings.increase("takt_requests_total", quarter, ("model",), rejected_ones)
    found: Found = {}
    for labels, share in promised.items():
        model, limit = labels[:1], min(1.0, _TIMES_PROMISED * share)
        number, rejected = pictures.get(model, 0.0), rejects.get(model, 0.0)
        is_more = rejected >= _FEW_REJECTS and rejected > number * limit
        if activity.get(labels) != 1 or not is_more:
            continue
        if chance_of_so_many(round(rejected), round(number), limit) < _HARDLY_CHANCE:
            found[model] = rejected / number
    return found


def camera_silent(readings: Readings) -> Found:
    """Minutes without a picture where more than ten are missing at the pace of 8 hours."""
    served = readings.last("takt_model_active", ("model",))
    hours = over_hours(8)
    answered = readings.increase("takt_requests_total", hours, ("model",), {"outcome": "ok"})
    found: Found = {}
    for labels, last_s in readings.last("takt_last_picture_timestamp_seconds", ("model",)).items():
        silent_s = readings.unix_s - last_s
        pace = answered.get(labels, 0.0) / hours.length_s
        is_missed = labels in served and silent_s * pace > MISSING_PICTURES
        if is_missed and silent_s > SILENT_S:
            found[labels] = silent_s / 60
    return found


def _ended(readings: Readings, codes: tuple[str, ...]) -> Found:
    by, where = ("model", "outcome"), {"outcome": codes}
    return readings.increase("takt_requests_total", over_minutes(5), by, where)


def _shares(readings: Readings, ended: Found, share: float) -> Found:
    """The shares of all pictures of a model, where they are more than a few."""
    of_all = readings.increase("takt_requests_total", over_minutes(5), ("model",))
    return {
        labels: number / of_all[labels[:1]]
        for labels, number in ended.items()
        if number >= _FEW_PICTURES and number / of_all[labels[:1]] > share
    }


def unreadable(readings: Readings) -> Found:
    """Shares of pictures that cannot be read."""
    ended: Found = {}
    for (model, _), number in _ended(readings, _UNREADABLE).items():
        ended[(model,)] = ended.get((model,), 0.0) + number
    return _shares(readings, ended, 0.05)


def queue_saturated(readings: Readings) -> Found:
    """How full the fullest queue of a model was over 2 minutes."""
    limit = readings.number("takt_queue_size_limit") or math.inf
    fill: Found = {}
    for (model, _), depth in readings.mean(
        "takt_queue_depth", over_minutes(2), _OF_VERSION
    ).items():
        fill[(model,)] = max(fill.get((model,), 0.0), depth / limit)
    return _above(fill, _NEAR_LIMIT_SHARE)


def picture_memory(readings: Readings) -> Found:
    """How much of their memory pictures took over 2 minutes."""
    limit = readings.number("takt_memory_in_flight_limit_bytes") or math.inf
    used = readings.mean("takt_memory_in_flight_bytes", over_minutes(2))
    return _above({labels: value / limit for labels, value in used.items()}, _NEAR_LIMIT_SHARE)


def frames_dropped(readings: Readings) -> Found:
    """Shares of streams' frames that newer ones replaced, of 30 at least."""
    minutes = over_minutes(5)
    dropped = readings.increase("takt_stream_frames_dropped_total", minutes, ("model",))
    looked_at = readings.increase("takt_stream_frame_age_seconds_count", minutes, ("model",))
    shares = {
        labels: number / (number + looked_at[labels])
        for labels, number in dropped.items()
        if number + looked_at.get(labels, 0.0) >= 30 and labels in looked_at
    }
    return _above(shares, 0.1)


def outlet_loses_answers(readings: Readings) -> Found:
    """Answers that an outlet lost, failed to send or dropped within 15 minutes."""
    by = ("outlet",)
    dropped = risen("takt_outlet_dropped_total", 15, by)
    failed = risen("takt_outlet_answers_total", 15, by, {"outcome": ("failed", "lost")})
    return dropped(readings) | failed(readings)


def record_away(readings: Readings) -> Found:
    """Whether the record's database takes nothing, and might again."""
    return {} if record_newer(readings) else down("takt_record_up")(readings)


record_newer = shown("takt_record_newer")
"""Finds that nothing is recorded, as the tables are of a newer release."""


def _above(found: Found, bound: float) -> Found:
    return {labels: value for labels, value in found.items() if value > bound}
