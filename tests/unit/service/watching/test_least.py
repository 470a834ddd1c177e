"""The least shift that is seen in time."""

from __future__ import annotations

import numpy as np
import pytest

from takt.watching.calibration import CalibratedFacts
from takt.watching.causes import CauseAlarm, CauseWatch
from takt.watching.least import least_shift
from tests.unit.service.watching.conftest import FACTS


def test_the_least_shift_is_seen_after_about_so_many_pictures(rng: np.random.Generator) -> None:
    delays = []
    for _ in range(40):
        calibration = CalibratedFacts(FACTS, rng.normal(size=(200, len(FACTS))))
        least = least_shift(calibration)
        assert least is not None
        stream = rng.normal(size=(1000, len(FACTS)))
        stream[:, 1] += least.deviations * calibration.deviations[1]
        alarm = CauseWatch(calibration).see_all(stream)[0]
        assert isinstance(alarm, CauseAlarm)
        delays.append(alarm.picture + 1)

    assert np.mean(delays) == pytest.approx(50, abs=15)


def test_more_calibrating_and_more_watched_pictures_show_less(rng: np.random.Generator) -> None:
    few, many = (CalibratedFacts(FACTS, rng.normal(size=(n, len(FACTS)))) for n in (60, 400))
    soon, less, late = least_shift(few), least_shift(many), least_shift(many, 1000)

    assert soon is not None and less is not None and late is not None
    assert soon.deviations > less.deviations > late.deviations
    assert soon.share > less.share > late.share > 0.05


def test_too_few_pictures_show_nothing() -> None:
    few = CalibratedFacts(FACTS, np.zeros((5, len(FACTS))))

    assert least_shift(few) is None
    assert least_shift(CalibratedFacts(FACTS, np.zeros((200, len(FACTS)))), pictures=1) is None
