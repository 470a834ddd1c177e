"""Alarms: one for each cause, of the right one, and none without."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from takt.watching.calibration import CalibratedFacts
from takt.watching.causes import PATIENCE, CauseAlarm, CauseEnded, CauseWatch
from tests.unit.service.watching.conftest import FACTS

BRIGHTNESS, SCORE = FACTS.index("brightness"), FACTS.index("score")


def pictures(
    rng: np.random.Generator, count: int, brightness: float = 0, score: float = 0, share: float = 1
) -> NDArray[np.float64]:
    """Facts of pictures, of a share of which some are moved."""
    found = rng.normal(size=(count, len(FACTS)))
    moved = rng.random(count) < share
    found[moved, BRIGHTNESS] += brightness
    found[moved, SCORE] += score
    return found


@pytest.fixture
def watch(calibration: CalibratedFacts) -> CauseWatch:
    return CauseWatch(calibration)


def test_a_darker_picture_is_an_alarm_of_the_camera_that_says_what_and_since_when(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    assert watch.see_all(pictures(rng, 300)) == []

    (alarm,) = watch.see_all(pictures(rng, 200, brightness=-2))

    assert isinstance(alarm, CauseAlarm)
    assert alarm.cause == "camera"
    assert (alarm.moved[0].fact, alarm.moved[0].side) == ("brightness", "low")
    assert abs(alarm.since - 300) <= 5
    assert alarm.picture < 350
    assert watch.standing == (alarm,)


def test_a_darker_picture_that_scores_higher_is_one_alarm_of_the_camera(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    events = watch.see_all(pictures(rng, 300, brightness=-3, score=6))

    assert [type(one).__name__ for one in events] == ["CauseAlarm"]
    assert [one.cause for one in watch.standing] == ["camera"]


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_defects_are_an_alarm_of_more_defects(
    watch: CauseWatch, rng: np.random.Generator, share: float
) -> None:
    watch.see_all(pictures(rng, 300))

    (alarm,) = watch.see_all(pictures(rng, 300, score=6, share=share))

    assert isinstance(alarm, CauseAlarm)
    assert alarm.cause == "defects"
    assert [(one.fact, one.side) for one in alarm.moved] == [("score", "high")]
    assert alarm.picture - alarm.since >= PATIENCE


def test_defects_that_change_their_own_pictures_are_not_the_camera(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    events = watch.see_all(pictures(rng, 1000, brightness=-4, score=6, share=0.2))

    assert [one.cause for one in events if isinstance(one, CauseAlarm)] == ["defects"]


def test_nothing_but_defects_is_not_the_camera_though_facts_of_their_pictures_have_moved(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    defects = rng.normal(size=(400, len(FACTS)))
    defects[:, BRIGHTNESS] += rng.normal(-3, 4, 400)
    defects[:, SCORE] += rng.gamma(2, 3, 400)

    (alarm,) = watch.see_all(defects)

    assert isinstance(alarm, CauseAlarm)
    assert alarm.cause == "defects"


def test_the_camera_takes_over_an_alarm_of_defects_that_it_caused(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    # Brightness falls slowly, and scores have risen at once.
    changed = pictures(rng, 2000)
    changed[:, BRIGHTNESS] -= np.minimum(3, np.arange(2000) / 50)
    changed[:, SCORE] += 6 * (rng.random(2000) < 0.4)

    events = watch.see_all(changed)

    assert [type(one).__name__ for one in events] == ["CauseAlarm", "CauseEnded", "CauseAlarm"]
    assert [one.cause for one in watch.standing] == ["camera"]


def test_an_alarm_ends_when_its_facts_are_back_and_may_come_again(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    (alarm,) = watch.see_all(pictures(rng, 2000, brightness=-2))
    (ended,) = watch.see_all(pictures(rng, 1000))
    (again,) = watch.see_all(pictures(rng, 100, brightness=-2))

    assert isinstance(ended, CauseEnded)
    assert ended.alarm == alarm
    assert ended.picture < 2400
    assert isinstance(again, CauseAlarm)
    assert again.since >= 2990


def test_a_change_that_stays_is_one_alarm(watch: CauseWatch, rng: np.random.Generator) -> None:
    events = watch.see_all(pictures(rng, 20_000, brightness=1.5))

    assert len(events) == 1


def test_pictures_like_the_calibration_are_no_alarm(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    assert watch.see_all(pictures(rng, 20_000)) == []


def test_facts_with_few_values_are_no_alarm(rng: np.random.Generator) -> None:
    def coarse(count: int) -> NDArray[np.float64]:
        found = np.round(np.maximum(0, rng.normal(-1, 1, size=(count, 4))), 1)
        found[:, 1] = 0
        return found

    watch = CauseWatch(CalibratedFacts(("clipped", "aspect", "noise", "score"), coarse(200)))

    assert watch.see_all(coarse(20_000)) == []


def test_a_fact_that_never_varied_is_an_alarm_once_it_does(rng: np.random.Generator) -> None:
    table = rng.normal(size=(200, 2))
    table[:, 0] = 1.5
    watch = CauseWatch(CalibratedFacts(("aspect", "score"), table))
    changed = rng.normal(size=(50, 2))
    changed[:, 0] = 1.4

    (alarm,) = watch.see_all(changed)

    assert isinstance(alarm, CauseAlarm)
    assert (alarm.moved[0].fact, alarm.moved[0].side) == ("aspect", "low")


def test_pictures_one_by_one_and_many_at_once_are_the_same(
    calibration: CalibratedFacts, rng: np.random.Generator
) -> None:
    stream = np.concatenate([pictures(rng, 4200), pictures(rng, 100, brightness=2)])
    stream[::7, 2] = np.nan
    one_by_one, at_once = CauseWatch(calibration), CauseWatch(calibration)

    events = [event for picture in stream for event in one_by_one.see_all(picture[None])]

    assert at_once.see_all(stream) == events
    assert at_once.state() == one_by_one.state()
    assert len(events) == 1


@pytest.mark.parametrize("cut", [0, 100, 330, 900])
def test_a_watch_that_is_stopped_goes_on_as_if_it_had_not_been(
    calibration: CalibratedFacts, rng: np.random.Generator, cut: int
) -> None:
    stream = np.concatenate(
        [pictures(rng, 310), pictures(rng, 600, brightness=2), pictures(rng, 300)]
    )
    whole, before, after = CauseWatch(calibration), CauseWatch(calibration), CauseWatch(calibration)

    early = before.see_all(stream[:cut])
    assert after.resume(before.state())
    late = after.see_all(stream[cut:])

    assert early + late == whole.see_all(stream)
    assert after.state() == whole.state()
    assert after.standing == whole.standing


def test_the_state_of_another_calibration_is_not_taken(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    watch.see_all(pictures(rng, 50))
    other = CauseWatch(CalibratedFacts(FACTS, rng.normal(size=(200, len(FACTS)))))

    assert not other.resume(watch.state())
    assert other.pictures == 0


def test_a_restart_forgets_alarms_and_evidence_and_counts_on(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    watch.see_all(pictures(rng, 200, brightness=2))

    watch.restart()

    assert watch.standing == ()
    assert watch.pictures == 200
    assert watch.see_all(pictures(rng, 1000)) == []


def test_facts_without_a_score_are_watched(rng: np.random.Generator) -> None:
    watch = CauseWatch(CalibratedFacts(("brightness",), rng.normal(size=(100, 1))))

    (alarm,) = watch.see_all(rng.normal(3, size=(100, 1)))

    assert isinstance(alarm, CauseAlarm)
    assert alarm.cause == "camera"


def test_unknown_facts_are_no_alarm(rng: np.random.Generator) -> None:
    table = np.full((100, 2), np.nan)
    table[:10] = 1.0
    watch = CauseWatch(CalibratedFacts(("brightness", "score"), table))

    assert watch.see_all(rng.normal(9, size=(500, 2))) == []


def test_a_fact_that_is_not_known_for_long_is_no_alarm(
    watch: CauseWatch, rng: np.random.Generator
) -> None:
    stream = pictures(rng, 20_000)
    stream[:, BRIGHTNESS] = np.nan

    assert watch.see_all(stream) == []
    assert watch.moved("camera")[0].evidence < 20


@pytest.mark.parametrize("count", [20, 60, 200])
def test_evidence_of_nothing_does_not_grow_with_time(rng: np.random.Generator, count: int) -> None:
    watch = CauseWatch(CalibratedFacts(FACTS, rng.normal(size=(count, len(FACTS)))))

    watch.see_all(pictures(rng, 10_000))

    for cause in ("camera", "defects"):
        assert all(one.evidence < 1000 for one in watch.moved(cause))


FACES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])


def faces(rng: np.random.Generator, face: NDArray[np.int64]) -> NDArray[np.float64]:
    """Facts of dice that show faces: the more pips, the brighter and the richer in contrast."""
    found = rng.normal(size=(len(face), len(FACTS)))
    found[:, [0, 1, 2]] += 3 * FACES[face][:, None] * [1, 0.5, -0.5]
    found[:, SCORE] += 2 * np.abs(FACES[face])
    return found


@pytest.fixture
def dice(rng: np.random.Generator) -> CauseWatch:
    """A watch that was calibrated on all faces in turn."""
    return CauseWatch(CalibratedFacts(FACTS, faces(rng, np.arange(200) % 6)))


def test_kinds_of_good_parts_that_come_in_batches_are_no_change(
    dice: CauseWatch, rng: np.random.Generator
) -> None:
    batches = np.repeat([rng.permutation(6) for _ in range(5)], 200)
    assert dice.see_all(faces(rng, batches)) == []


def test_kinds_that_come_mixed_are_no_change(dice: CauseWatch, rng: np.random.Generator) -> None:
    assert dice.see_all(faces(rng, rng.integers(6, size=6000))) == []


@pytest.mark.parametrize("face", range(6))
def test_a_lamp_that_fades_within_a_batch_of_one_kind_is_the_camera(
    dice: CauseWatch, rng: np.random.Generator, face: int
) -> None:
    pictures = faces(rng, np.full(300, face))
    pictures[200:, BRIGHTNESS] -= 4
    (alarm,) = dice.see_all(pictures)
    assert isinstance(alarm, CauseAlarm)
    assert alarm.cause == "camera"
    assert (alarm.moved[0].fact, alarm.moved[0].side) == ("brightness", "low")
    assert alarm.picture < 250


def test_defects_in_a_batch_of_one_kind_are_defects_though_their_facts_have_moved(
    dice: CauseWatch, rng: np.random.Generator
) -> None:
    pictures = faces(rng, np.full(400, 5))
    pictures[100:, BRIGHTNESS] += rng.normal(-3, 4, 300)
    pictures[100:, SCORE] += rng.gamma(2, 3, 300)
    (alarm,) = dice.see_all(pictures)
    assert isinstance(alarm, CauseAlarm)
    assert alarm.cause == "defects"


def together(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Facts that nearly follow one another, and a score that does not."""
    found = 0.1 * rng.normal(size=(count, len(FACTS)))
    found[:, :SCORE] += rng.normal(size=(count, 1))
    found[:, SCORE] *= 10
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("moved", "within"), [((-2, 2, 0, 0), 20), ((-2.5, 0, 0, 0), 60)])
def test_what_moves_facts_apart_that_go_together_is_the_camera_though_scores_scatter(
    moved: tuple[float, ...], within: int, seed: int
) -> None:
    # Which good pictures are most alike is then off, and what is usual by them scatters.
    rng = np.random.default_rng(seed)
    watch = CauseWatch(CalibratedFacts(FACTS, together(rng, 200)))
    pictures = together(rng, 400)
    pictures[200:, :SCORE] += moved
    pictures[200:, SCORE] += 8 * (rng.random(200) < 0.5)
    (alarm,) = watch.see_all(pictures)
    assert isinstance(alarm, CauseAlarm)
    assert alarm.cause == "camera"
    assert 200 <= alarm.picture < 200 + within
