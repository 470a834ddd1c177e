"""What explains the others is told first."""

from __future__ import annotations

from takt.recording.watch.alarms import MovedFact
from takt.watching.explaining import explaining_first


def told(side: str = "high", **shares: float) -> list[str]:
    moved = [MovedFact(name, side, share, 0, 1) for name, share in shares.items()]
    return [one.fact for one in explaining_first(moved)]


def test_a_place_explains_why_a_picture_is_unlike_others() -> None:
    assert told(likeness=0.6, contrast=0.2, turn=0.2) == ["turn", "likeness", "contrast"]


def test_a_fact_explains_however_weakly_it_speaks() -> None:
    assert told(likeness=0.95, brightness=0.05) == ["brightness", "likeness"]


def test_a_blurred_picture_has_less_that_is_white() -> None:
    assert told("low", bright=0.6, noise=0.2, sharpness=0.2) == ["sharpness", "noise", "bright"]


def test_a_picture_with_more_detail_is_of_another_light_or_a_noisier_sensor() -> None:
    assert told(sharpness=0.6, noise=0.2, brightness=0.2) == ["brightness", "noise", "sharpness"]


def test_what_explains_no_other_comes_after_what_does_the_strongest_first() -> None:
    assert told(spot=0.3, contrast=0.4, noise=0.3) == ["noise", "contrast", "spot"]


def test_an_alarm_of_the_promise_has_its_one_fact() -> None:
    assert told(rejected=1.0) == ["rejected"]
