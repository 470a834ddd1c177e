from __future__ import annotations

from takt.observing.status.alarms import Alarms
from takt.observing.status.conditions import Condition
from takt.observing.status.reading import Reading
from takt.observing.status.readings import Found, KeptReadings, Readings

KEPT = KeptReadings(every_s=5)


def condition(found: Found, for_s: float = 60) -> Condition:
    """A condition that holds as long as it is in `found`."""
    text = "{model}: {percent:.0f} %."
    return Condition("TaktTest", text, lambda _: dict(found), labels=("model",), for_s=for_s)


def at(at_s: float) -> Readings:
    return Readings(Reading(at_s, {}), KEPT, at_s)


def test_a_condition_becomes_an_alarm_once_it_has_held_for_as_long_as_it_must() -> None:
    alarms = Alarms([condition({("nut",): 0.5})])
    seen = [(alarm.firing, alarm.since_s) for s in (10, 60, 70) for alarm in alarms.update(at(s))]
    assert seen == [(False, 10), (False, 10), (True, 10)]


def test_a_condition_that_is_interrupted_begins_anew() -> None:
    found: Found = {("nut",): 0.5}
    alarms = Alarms([condition(found)])
    alarms.update(at(0))
    found.clear()
    assert alarms.update(at(30)) == []
    found["nut",] = 0.5
    (alarm,) = alarms.update(at(60))
    assert (alarm.firing, alarm.since_s) == (False, 60)


def test_each_case_has_its_own_time_and_its_own_sentence() -> None:
    found: Found = {("nut",): 0.5}
    alarms = Alarms([condition(found)])
    alarms.update(at(0))
    found["bolt",] = 0.25
    bolt, nut = alarms.update(at(60))
    assert (bolt.text, bolt.firing) == ("bolt: 25 %.", False)
    assert (nut.text, nut.firing) == ("nut: 50 %.", True)
