import asyncio

import numpy as np
import pytest

from takt.commands.bench.arrivals import Bursts, Fixed
from takt.commands.bench.clock import LoadClock
from takt.commands.bench.load import Generator
from takt.commands.bench.samples import OK, RequestOutcome


class OneAtATime:
    """A server with one worker that takes `work_s` a request, and once stalls for `stall_s`."""

    def __init__(
        self, clock: LoadClock, work_s: float, stall_at: int = -1, stall_s: float = 0
    ) -> None:
        self.clock = clock
        self.work_s = work_s
        self.stall_at = stall_at
        self.stall_s = stall_s
        self.asked = 0
        self.most_under_way = 0
        self.under_way = 0
        self.lanes: list[int] = []
        self.worker = asyncio.Lock()

    async def ask(self, lane: int) -> RequestOutcome:
        number = self.asked
        self.asked += 1
        self.lanes.append(lane)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            async with self.worker:
                await asyncio.sleep(self.work_s + self.stall_s * (number == self.stall_at))
            return RequestOutcome(self.clock.now_s(), OK, "ok")
        finally:
            self.under_way -= 1


def latencies_ms(generator: Generator) -> np.ndarray:
    columns = generator.samples.columns()
    return columns.latency_s[np.argsort(columns.intended_s, kind="stable")] * 1000


def codes(generator: Generator) -> list[str]:
    columns = generator.samples.columns()
    return [columns.kinds[kind].code for kind in columns.kind]


def test_an_open_loop_shows_a_stall_in_every_request_that_it_delayed(generate) -> None:
    """A stall of one second at ten a second delays eleven requests, not one."""
    generator = generate(
        lambda clock: OneAtATime(clock, work_s=0.01, stall_at=20, stall_s=1.0),
        lambda generator: generator.open(Fixed(10).offsets_s()),
        duration_s=5,
    )
    latency_ms = latencies_ms(generator)
    assert len(latency_ms) == 50
    np.testing.assert_allclose(latency_ms[:20], 10)
    # Each later one waits a tenth of a second less, but for the work on those before it.
    np.testing.assert_allclose(latency_ms[20:32], 1010 - 90 * np.arange(12))
    assert (latency_ms > 100).sum() == 11


def test_an_open_loop_sends_no_fewer_requests_to_a_slow_server(generate) -> None:
    servers = []

    def slow(clock: LoadClock) -> OneAtATime:
        servers.append(OneAtATime(clock, work_s=1.0))
        return servers[-1]

    generator = generate(
        slow, lambda generator: generator.open(Fixed(10).offsets_s()), duration_s=5
    )
    assert servers[0].asked == generator.sent == len(generator.samples) == 50
    assert latencies_ms(generator)[-1] == pytest.approx(50_000 - 4_900)


def test_a_burst_is_under_way_all_at_once(generate) -> None:
    servers = []

    def server(clock: LoadClock) -> OneAtATime:
        servers.append(OneAtATime(clock, work_s=0.01))
        return servers[-1]

    generate(server, lambda generator: generator.open(Bursts(16, 0.2).offsets_s()), duration_s=1)
    assert servers[0].most_under_way == 16
    assert servers[0].asked == 5 * 16


def test_a_closed_loop_keeps_as_many_under_way_as_asked(generate) -> None:
    servers = []

    def server(clock: LoadClock) -> OneAtATime:
        servers.append(OneAtATime(clock, work_s=0.1))
        return servers[-1]

    generator = generate(server, lambda generator: generator.closed(4), duration_s=2)
    assert servers[0].most_under_way == 4
    assert set(servers[0].lanes) == {0, 1, 2, 3}
    np.testing.assert_allclose(latencies_ms(generator)[4:], 400)


def test_a_request_that_gets_no_answer_is_unanswered_and_ends(generate) -> None:
    generator = generate(
        lambda clock: OneAtATime(clock, work_s=0.01, stall_at=0, stall_s=1e9),
        lambda generator: generator.open(Fixed(10).offsets_s()),
        duration_s=0.3,
        answer_s=2.0,
    )
    assert codes(generator) == ["unanswered", "ok", "ok"]
    assert latencies_ms(generator)[0] == pytest.approx(2000)


@pytest.mark.parametrize("kind", ["open", "closed"])
def test_no_more_requests_are_sent_than_were_asked_for(generate, kind) -> None:
    def drive(generator: Generator):
        return generator.open(Fixed(10).offsets_s()) if kind == "open" else generator.closed(3)

    generator = generate(lambda clock: OneAtATime(clock, work_s=0.1), drive, requests=7)
    assert generator.sent == len(generator.samples) == 7


@pytest.mark.parametrize("kind", ["open", "closed"])
def test_stopping_cuts_off_what_is_under_way_and_keeps_the_rest(generate, kind) -> None:
    async def drive(generator: Generator) -> None:
        asyncio.get_running_loop().call_later(2.05, generator.stop)
        if kind == "open":
            await generator.open(Fixed(10).offsets_s())
        else:
            await generator.closed(2)

    generator = generate(lambda clock: OneAtATime(clock, work_s=0.1), drive, duration_s=1000)
    assert generator.interrupted
    assert generator.sent == len(generator.samples)
    assert codes(generator).count("ok") == 20
    assert set(codes(generator)) == {"ok", "cut_off"}


def test_a_caller_without_a_connection_does_not_spin(generate) -> None:
    class Nobody:
        def __init__(self, clock: LoadClock) -> None:
            self.clock = clock

        async def ask(self, lane: int) -> RequestOutcome:
            return RequestOutcome(self.clock.now_s(), 0, "connection_failed")

    generator = generate(Nobody, lambda generator: generator.closed(1), duration_s=1)
    assert 5 < generator.sent < 15


def test_a_transport_that_raises_ends_the_run_with_its_error(generate) -> None:
    class Broken:
        def __init__(self, clock: LoadClock) -> None:
            pass

        async def ask(self, lane: int) -> RequestOutcome:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        generate(Broken, lambda generator: generator.closed(2))


def test_the_generator_s_own_lateness_is_told_apart(generate) -> None:
    """A clock that oversleeps by 5 ms: late requests are lag and latency both."""

    class Late:
        def __init__(self, clock: LoadClock) -> None:
            self.clock = clock

        async def ask(self, lane: int) -> RequestOutcome:
            return RequestOutcome(self.clock.now_s(), OK, "ok")

    columns = generate(
        Late,
        lambda generator: generator.open(Fixed(10).offsets_s()),
        duration_s=1,
        oversleeps_s=5e-3,
    ).samples.columns()
    np.testing.assert_allclose(columns.lag_s[1:], 0.005)
    np.testing.assert_allclose(columns.latency_s[1:], 0.005)
