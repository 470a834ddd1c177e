"""What explains the others is told first."""

from __future__ import annotations

from service.recording.watch.alarms import MovedFact
from service.watching.explaining import explaining_first


def facts(**shares: float) -> list[MovedFact]:
    return [MovedFact(name, "high", share, 0, 1) for name, share in shares.items()]


def told(**shares: float) -> list[str]:
    return [one.fact for one in explaining_first(facts(**shares))]


def test_a_place_explains_why_a_picture_is_unlike_others() -> None:
    assert told(likeness=0.6, contrast=0.2, turn=0.2) == ["turn", "likeness", "contrast"]


def test_a_fact_with_little_evidence_explains_nothing() -> None:
    assert told(likeness=0.95, brightness=0.05) == ["likeness", "brightness"]


def test_what_explains_no_other_comes_after_what_does_the_strongest_first() -> None:
    assert told(spot=0.3, contrast=0.4, noise=0.3) == ["noise", "contrast", "spot"]


def test_an_alarm_of_the_promise_has_its_one_fact() -> None:
    assert told(rejected=1.0) == ["rejected"]
