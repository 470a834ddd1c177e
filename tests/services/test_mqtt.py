"""Verdicts reach subscribers of a real broker, whatever is killed in between."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.conftest import Server, StartServer
from tests.services.mosquitto import Mosquitto, Subscriber, eventually, subscribed, tool
from tests.tls import pair_of
from tests.workers import INSPECT, ready

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("bundle")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with Mosquitto(folder) as one:
        yield one


class Line:
    """A server that publishes, and parts that are inspected by it."""

    def __init__(self, start: StartServer, repository: Path, picture: bytes, folder: Path) -> None:
        self._start = start
        self._repository = repository
        self._picture = picture
        self._folder = folder

    def serve(self, broker: Mosquitto, *options: str, scheme: str = "mqtt"):  # type: ignore[no-untyped-def]
        """`takt serve` with the broker, whose topics begin with takt/line3."""
        url = f"{scheme}://localhost:{broker.port}"
        own = ("--mqtt-url", url, "--mqtt-topic", "takt/line3", "--data-folder", str(self._folder))
        return self._start(self._repository, *own, *options)

    def inspect(self, server: Server, *parts: str, tags: str = "") -> None:
        """Have parts inspected, one after another."""
        for part in parts:
            headers = {"X-Takt-Part": part, "X-Takt-Station": "press/1"}
            if tags:
                headers["X-Takt-Tags"] = tags
            request = urllib.request.Request(server.url + INSPECT, self._picture, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 200


@pytest.fixture
def line(
    start_server: StartServer,
    repository: Path,
    picture_bytes: Callable[..., bytes],
    tmp_path: Path,
) -> Line:
    return Line(start_server, repository, picture_bytes(50, spot=200), tmp_path / "data")


def metric(server: Server, name: str) -> float:
    """Sum of the series whose names and labels begin so."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return sum(float(found) for found in re.findall(rf"^{re.escape(name)}.* (\S+)$", text, re.M))


def kept(server: Server) -> float:
    return metric(server, 'takt_outlet_kept_messages{outlet="mqtt"}')


def numbers(subscriber: Subscriber) -> list[int]:
    """Second halves of the ids, which count up."""
    return [int(one.payload["id"].rpartition("-")[2]) for one in subscriber.verdicts]


def test_a_subscriber_hears_each_verdict_and_whether_the_server_is_there(
    line: Line, broker: Mosquitto
) -> None:
    with subscribed(broker) as subscriber:
        with line.serve(broker) as server:
            subscriber.until(lambda: subscriber.online == [True])
            line.inspect(server, "A-1", "A-2")
            subscriber.until(lambda: len(subscriber.verdicts) == 2)
            with subscribed(broker) as later:
                later.until(lambda: later.online == [True])
                assert later.heard[0].retained and later.verdicts == []
            assert server.stop() == -signal.SIGTERM
        subscriber.until(lambda: subscriber.online == [True, False])
    first, _ = subscriber.verdicts
    assert first.topic == "takt/line3/press%2F1/parts/verdict"
    assert first.payload["late"] is False
    told = {"part": "A-1", "station": "press/1", "verdict": "defect", "model": "parts"}
    assert told.items() <= first.payload.items()
    assert (subscriber.parts, numbers(subscriber)) == (["A-1", "A-2"], [1, 2])


def test_a_server_that_is_killed_is_told_as_offline_and_comes_back(
    line: Line, broker: Mosquitto
) -> None:
    with subscribed(broker) as subscriber:
        with line.serve(broker) as server:
            subscriber.until(lambda: subscriber.online == [True])
            server.process.kill()
            subscriber.until(lambda: subscriber.online == [True, False])
        with line.serve(broker):
            subscriber.until(lambda: subscriber.online == [True, False, True])


def test_what_is_decided_while_the_broker_is_away_comes_late_in_order_and_once_it_is_back(
    line: Line, broker: Mosquitto
) -> None:
    with line.serve(broker) as server:
        with subscribed(broker) as before:
            line.inspect(server, "A-0")
            before.until(lambda: before.parts == ["A-0"])
        broker.kill()
        eventually(lambda: metric(server, 'takt_outlet_up{outlet="mqtt"}') == 0)
        line.inspect(server, *(f"A-{number}" for number in range(1, 31)))
        eventually(lambda: kept(server) == 30)
        # Nothing is sent until somebody hears it.
        server.process.send_signal(signal.SIGSTOP)
        broker.start()
        with subscribed(broker) as subscriber:
            server.process.send_signal(signal.SIGCONT)
            subscriber.until(lambda: len(subscriber.parts) == 30)
            line.inspect(server, "A-31")
            subscriber.until(lambda: len(subscriber.parts) == 31)
        assert subscriber.parts == [f"A-{number}" for number in range(1, 32)]
        assert [one.payload["late"] for one in subscriber.verdicts] == [True] * 30 + [False]
        assert numbers(subscriber) == list(range(2, 33))
        eventually(lambda: kept(server) == 0)
        server.stop()
    log = "".join(server.log)
    assert log.count("does not reach its other end, and keeps its messages") == 1


def test_a_broker_that_stands_still_is_noticed_and_nothing_is_lost(
    line: Line, broker: Mosquitto
) -> None:
    with subscribed(broker) as subscriber, line.serve(broker) as server:
        line.inspect(server, "A-0")
        subscriber.until(lambda: subscriber.parts == ["A-0"])
        broker.send(signal.SIGSTOP)
        line.inspect(server, *(f"A-{number}" for number in range(1, 11)))
        eventually(lambda: metric(server, 'takt_outlet_up{outlet="mqtt"}') == 0)
        line.inspect(server, *(f"A-{number}" for number in range(11, 21)))
        broker.send(signal.SIGCONT)
        subscriber.until(lambda: len(set(subscriber.parts)) == 21)
    # What it had taken before may come twice, with the same id.
    by_id = {one.payload["id"]: one.payload["part"] for one in subscriber.verdicts}
    assert list(by_id.values()) == [f"A-{number}" for number in range(21)]


def test_a_server_that_is_killed_while_the_broker_is_away_loses_no_verdict(
    line: Line, broker: Mosquitto
) -> None:
    broker.kill()
    with line.serve(broker) as server:
        line.inspect(server, *(f"A-{number}" for number in range(20)))
        eventually(lambda: kept(server) == 20)
        server.process.kill()
    broker.start()
    with subscribed(broker) as subscriber, line.serve(broker) as server:
        subscriber.until(lambda: len(subscriber.parts) == 20)
        line.inspect(server, "A-20")
        subscriber.until(lambda: len(subscriber.parts) == 21)
    assert subscriber.parts == [f"A-{number}" for number in range(21)]
    assert numbers(subscriber) == list(range(1, 22))


def test_a_server_that_is_killed_as_it_publishes_loses_none_and_sends_with_the_same_ids(
    line: Line, broker: Mosquitto
) -> None:
    with subscribed(broker) as subscriber:
        for start in (0, 20, 40):
            with line.serve(broker) as server:
                line.inspect(server, *(f"A-{number}" for number in range(start, start + 20)))
                eventually(lambda: metric(server, "takt_outlet_answers_total") >= 20)
                server.process.kill()
        with line.serve(broker) as server:
            subscriber.until(lambda: len(set(subscriber.parts)) == 60)
    by_id = {one.payload["id"]: one.payload["part"] for one in subscriber.verdicts}
    assert sorted(by_id.values()) == sorted(f"A-{number}" for number in range(60))
    # What came twice had its id twice, so that a subscriber tells it apart.
    first = list(dict.fromkeys(subscriber.parts))
    assert first == [f"A-{number}" for number in range(60)]


def test_beyond_the_bound_the_oldest_give_way_and_it_is_counted_and_said(
    line: Line, broker: Mosquitto
) -> None:
    broker.kill()
    with line.serve(broker, "--outlet-backlog", "100") as server:
        line.inspect(server, *(f"A-{number}" for number in range(130)))
        dropped = 'takt_outlet_dropped_total{outlet="mqtt",reason="full"}'
        eventually(lambda: metric(server, dropped) == 30)
        server.process.send_signal(signal.SIGSTOP)
        broker.start()
        with subscribed(broker) as subscriber:
            server.process.send_signal(signal.SIGCONT)
            subscriber.until(lambda: len(subscriber.parts) == 100)
        server.stop()
    assert subscriber.parts == [f"A-{number}" for number in range(30, 130)]
    assert "the oldest give way" in "".join(server.log)


def test_by_tls_with_user_and_password_of_a_file(line: Line, tmp_path: Path) -> None:
    authority = trustme.CA()
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    for name, content in zip(("crt", "key"), pair_of(authority), strict=True):
        (folder / name).write_bytes(content)
    (folder / "ca").write_bytes(authority.cert_pem.bytes())
    users = folder / "users"
    subprocess.run([tool("mosquitto_passwd"), "-c", "-b", users, "takt", "pass word"], check=True)
    password = tmp_path / "password"
    password.write_text("wrong\n")
    tls = (f"certfile {folder}/crt", f"keyfile {folder}/key")
    access = ("allow_anonymous false", f"password_file {users}")
    options = (
        *("--mqtt-user", "takt", "--mqtt-password-file", str(password)),
        *("--mqtt-ca", str(folder / "ca")),
    )
    client = ("--cafile", str(folder / "ca"), "-u", "takt", "-P", "pass word")
    with (
        Mosquitto(folder, *tls, *access) as broker,
        subscribed(broker, *client) as subscriber,
        line.serve(broker, *options, scheme="mqtts") as server,
    ):
        line.inspect(server, "A-1")
        eventually(lambda: "refuses the connection: Not authorized" in "".join(server.log))
        assert subscriber.verdicts == []
        password.write_text("pass word\n")
        subscriber.until(lambda: subscriber.parts == ["A-1"])
        server.stop()
        assert "pass word" not in "".join(server.log)


def test_a_broker_that_does_not_allow_a_topic_loses_no_verdict(line: Line, tmp_path: Path) -> None:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    rules = folder / "rules"
    rules.write_text("topic readwrite takt/line3/status/#\ntopic readwrite tests/#\n")
    with Mosquitto(folder, f"acl_file {rules}") as broker, line.serve(broker) as server:
        line.inspect(server, "A-1")
        eventually(lambda: "/parts/verdict: not authorized" in "".join(server.log))
        eventually(lambda: kept(server) == 1)


def test_a_server_that_ends_with_messages_that_are_not_allowed_is_told_as_offline(
    line: Line, tmp_path: Path
) -> None:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    rules = folder / "rules"
    rules.write_text("topic readwrite takt/line3/status/#\ntopic readwrite tests/#\n")
    with Mosquitto(folder, f"acl_file {rules}") as broker:
        with line.serve(broker) as server:
            line.inspect(server, "A-1")
            eventually(lambda: "/parts/verdict: not authorized" in "".join(server.log))
            server.stop()
        with subscribed(broker) as later:
            later.until(lambda: later.online == [False])


def test_a_verdict_that_is_larger_than_the_broker_takes_holds_up_no_other(
    line: Line, tmp_path: Path
) -> None:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with (
        Mosquitto(folder, "max_packet_size 1500") as broker,
        subscribed(broker) as subscriber,
        line.serve(broker) as server,
    ):
        line.inspect(server, "A-1")
        line.inspect(server, "A-2", tags=",".join(f"tag{n}={'x' * 120}" for n in range(12)))
        line.inspect(server, "A-3")
        subscriber.until(lambda: "A-3" in subscriber.parts)
        assert subscriber.parts == ["A-1", "A-3"]
        assert metric(server, 'takt_outlet_dropped_total{outlet="mqtt",reason="refused"}') == 1


def test_each_worker_has_an_order_and_an_identity_of_its_own(line: Line, broker: Mosquitto) -> None:
    with subscribed(broker) as subscriber:
        with line.serve(broker, "--workers", "2") as server:
            subscriber.until(lambda: subscriber.online == [True, True])
            eventually(lambda: ready(server))
            parts = [f"A-{number}" for number in range(40)]
            line.inspect(server, *parts)
            subscriber.until(lambda: len(subscriber.parts) == 40)
            server.stop()
        subscriber.until(lambda: subscriber.online == [True, True, False, False])
    assert sorted(subscriber.parts) == sorted(parts)
    by_spool: dict[str, list[int]] = {}
    for one in subscriber.verdicts:
        spool, _, number = one.payload["id"].partition("-")
        by_spool.setdefault(spool, []).append(int(number))
    assert all(found == list(range(1, len(found) + 1)) for found in by_spool.values())
    assert {one.topic for one in subscriber.heard if "/status/" in one.topic} == {
        "takt/line3/status/0",
        "takt/line3/status/1",
    }


def test_what_several_workers_left_is_delivered_by_fewer(line: Line, broker: Mosquitto) -> None:
    broker.kill()
    parts = [f"A-{number}" for number in range(40)]
    with line.serve(broker, "--workers", "2") as server:
        eventually(lambda: ready(server))
        line.inspect(server, *parts)
        eventually(lambda: kept(server) == 40)
        server.stop()
    broker.start()
    with subscribed(broker) as subscriber, line.serve(broker):
        subscriber.until(lambda: len(subscriber.parts) == 40)
    assert sorted(subscriber.parts) == sorted(parts)
