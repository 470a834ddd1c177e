from __future__ import annotations

import math

from takt.observing.status.reading import Reading, Series
from takt.observing.status.readings import KeptReadings, Readings, over_hours, over_minutes
from takt.observing.status.ring import Ring

PICTURES = "takt_requests_total"
GOOD: Series = (PICTURES, (("model", "nut"), ("outcome", "ok"), ("verdict", "good")))
BAD: Series = (PICTURES, (("model", "nut"), ("outcome", "ok"), ("verdict", "anomalous")))
FULL: Series = (PICTURES, (("model", "nut"), ("outcome", "queue_full"), ("verdict", "none")))
DEPTH: Series = ("takt_queue_depth", (("model", "nut"), ("version", "1")))


def asked(*past: tuple[float, dict[Series, float]]) -> Readings:
    """What can be asked after these readings."""
    kept = KeptReadings(every_s=5)
    for at_s, values in past:
        now = Reading(at_s, values)
        kept.add(now)
    return Readings(now, kept, unix_s=1e9)


def test_an_increase_is_that_of_the_stretch_alone() -> None:
    readings = asked(*((60.0 * minute, {GOOD: 10.0 * minute}) for minute in range(15)))
    assert readings.increase(PICTURES, over_minutes(5)) == {(): 50}
    assert readings.increase(PICTURES, over_minutes(2, ago=3)) == {(): 20}


def test_an_increase_adds_up_by_labels_what_is_wanted() -> None:
    readings = asked(
        (0.0, {GOOD: 1, BAD: 1, FULL: 1}),
        (300.0, {GOOD: 5, BAD: 3, FULL: 2}),
    )
    over = over_minutes(5)
    assert readings.increase(PICTURES, over, ("model", "outcome")) == {
        ("nut", "ok"): 6,
        ("nut", "queue_full"): 1,
    }
    assert readings.increase(PICTURES, over, (), {"verdict": ("anomalous", "none")}) == {(): 3}


def test_a_series_that_came_within_the_stretch_counts_from_0() -> None:
    readings = asked((0.0, {}), (290.0, {FULL: 4}), (300.0, {FULL: 5}))
    assert readings.increase(PICTURES, over_minutes(5)) == {(): 5}


def test_a_young_server_counts_from_its_first_reading() -> None:
    readings = asked((0.0, {GOOD: 3}), (5.0, {GOOD: 4}))
    assert readings.increase(PICTURES, over_minutes(5)) == {(): 1}


def test_a_mean_and_a_least_are_of_the_moments_at_which_the_series_was_there() -> None:
    readings = asked((0.0, {DEPTH: 99}), (60.0, {}), (120.0, {DEPTH: 2}), (180.0, {DEPTH: 4}))
    assert readings.mean("takt_queue_depth", over_minutes(2), ("model",)) == {("nut",): 3}
    assert readings.least("takt_queue_depth", over_minutes(2)) == {(): 2}


def test_a_single_moment_has_no_least() -> None:
    assert asked((0.0, {DEPTH: 9})).least("takt_queue_depth", over_minutes(2)) == {}


def test_answers_are_known_for_a_day_and_a_quarter_and_the_rest_for_a_quarter() -> None:
    day_s = 24 * 3600
    readings = asked(
        *((float(at_s), {GOOD: at_s / 60, FULL: at_s / 60}) for at_s in range(0, day_s + 1800, 60))
    )
    over = over_hours(24, minutes_ago=15)
    assert readings.increase(PICTURES, over, (), {"outcome": "ok"}) == {(): 24 * 60}


def test_no_more_is_kept_than_is_asked_for() -> None:
    ring = Ring(every_s=5, kept_s=60)
    for at_s in range(600):
        ring.add(float(at_s), {GOOD: 1.0})
    assert len(ring) == 60 / 5 + 1
    assert ring.before(0.0).at_s == 535


def test_a_series_that_is_gone_has_no_value_and_keeps_its_place() -> None:
    ring = Ring(every_s=5, kept_s=60)
    ring.add(0.0, {GOOD: 1.0, DEPTH: 2.0})
    ring.add(5.0, {DEPTH: 3.0})
    ring.add(10.0, {GOOD: 4.0, DEPTH: 5.0, FULL: 6.0})
    place = ring.places[PICTURES][GOOD[1]]
    values = [past.value(place) for past in ring.since(0.0)]
    assert (values[0], values[2]) == (1.0, 4.0)
    assert math.isnan(values[1])
    assert math.isnan(ring.before(0.0).value(ring.places[PICTURES][FULL[1]]))
