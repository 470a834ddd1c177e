from __future__ import annotations

import pytest

from takt_station.plant.pace import PlantPace, pace_for

QUICK = [20.0, 35.0, 22.0]
SLOW = [110.0, 190.0, 120.0]
"""Of which the longest fits three times into 600 ms, and not into 300."""


def test_a_host_that_keeps_up_has_the_usual_pace() -> None:
    chosen = pace_for(QUICK, None, None)

    assert chosen.pace == PlantPace(5.0, 400.0)
    assert chosen.said == (
        "An inspection takes 22 ms here, 35 at most of 3 tried.\n"
        "That is enough for 5 parts a second with 300 ms from trigger to result."
    )


def test_a_slow_host_has_fewer_parts_and_more_time_for_each() -> None:
    chosen = pace_for(SLOW, None, None)

    assert chosen.pace == PlantPace(2.5, 800.0)
    assert chosen.pace.fits(SLOW)
    assert chosen.said.endswith(
        "That is too slow for 5 parts a second with 300 ms from trigger to result:\n"
        "played with --rate 2.5 --gate-ms 800."
    )


def test_what_was_asked_for_stays_and_the_rest_gives_way() -> None:
    assert pace_for(SLOW, 2.0, None).pace == PlantPace(2.0, 800.0)
    assert pace_for(SLOW, None, 900.0).pace == PlantPace(2.5, 900.0)


@pytest.mark.parametrize("asked", [(5.0, 400.0), (20.0, None), (None, 100.0)])
def test_what_was_asked_for_and_is_too_short_is_told_with_what_would_do(
    asked: tuple[float | None, float | None],
) -> None:
    chosen = pace_for(SLOW, *asked)

    assert asked[0] in (None, chosen.pace.rate)
    assert asked[1] in (None, chosen.pace.gate_ms)
    assert not chosen.pace.fits(SLOW)
    assert "many will have no decision" in chosen.said
    assert "\n--rate " in chosen.said
