from collections.abc import Sequence

import pytest

from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.model_metrics import SECONDS
from takt.ray.load import Load
from takt.ray.scaling import BUSY, QUEUE_WAIT_MS
from takt.ray.share import Share


class Instruments(Metrics):
    """Waits as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: dict[tuple[str, ...], list[int]] = {}

    def waited(self, model: str, *waits_s: float) -> None:
        counts = self.waits.setdefault((model, "queue"), [0] * (len(SECONDS) + 1))
        for wait_s in waits_s:
            counts[next(at for at, bound in enumerate(SECONDS) if wait_s <= bound)] += 1

    def stage_counts(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        return {labels: tuple(counts) for labels, counts in self.waits.items()}


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.used_s = 5.0


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def load(instruments: Instruments, clock: Clock) -> Load:
    return Load(instruments, Share(2, 0), lambda: clock.now_s, lambda: clock.used_s)


def after(clock: Clock, load: Load, seconds: float, used_s: float = 0.0) -> Sequence[float]:
    clock.now_s += seconds
    clock.used_s += used_s
    figures = load.read()
    return figures[QUEUE_WAIT_MS], figures[BUSY]


def test_what_95_of_a_hundred_pictures_waited_since_the_last_reading(
    instruments: Instruments, clock: Clock, load: Load
) -> None:
    instruments.waited("parts", *[0.001] * 90, *[0.2] * 10)
    wait_ms, _ = after(clock, load, 10)
    assert 150 < wait_ms <= 200
    assert after(clock, load, 10)[0] == 0.0


def test_the_model_whose_pictures_wait_longest_counts(
    instruments: Instruments, clock: Clock, load: Load
) -> None:
    instruments.waited("lids", *[0.001] * 1000)
    instruments.waited("parts", 1.0)
    assert after(clock, load, 10)[0] > 750


def test_processor_time_is_of_the_cores_that_the_replica_has(clock: Clock, load: Load) -> None:
    assert after(clock, load, 10, used_s=5)[1] == pytest.approx(0.25)
    assert after(clock, load, 10, used_s=50)[1] == 1.0


def test_an_engine_that_works_is_busy_though_the_processor_is_not(
    instruments: Instruments, clock: Clock, load: Load
) -> None:
    instruments._busy.labels("parts").inc(8)
    instruments.loaded("parts", "1", seconds=1, instances=1, bounds=(1.0,))
    assert after(clock, load, 10)[1] == pytest.approx(0.8)
