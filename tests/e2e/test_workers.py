"""`takt serve --workers N`: several processes, as one server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from takt.core.bundles.bundle import Bundle
from tests.conftest import TAKT, Server, StartServer, bundle_maker
from tests.ports import kept_port
from tests.workers import (
    INSPECT,
    callers,
    callers_of_all,
    eventually,
    load,
    metrics,
    ready,
    said,
    wait_until_all_serve,
    workers_of,
)

READY = "parts 1 is ready"


@pytest.fixture
def server(
    bundle: Bundle, repository: Path, tmp_path: Path, start_server: StartServer
) -> Iterator[Server]:
    options = ("--workers", "2", "--data-folder", str(tmp_path / "data"), "--no-request-log")
    with start_server(repository, *options) as started:
        wait_until_all_serve(started, 2)
        yield started


@pytest.fixture(scope="module")
def of_the_module(
    tmp_path_factory: pytest.TempPathFactory, start_server: StartServer
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("shared")
    bundle_maker(folder / "models")()
    options = ("--workers", "2", "--data-folder", str(folder / "data"), "--no-request-log")
    with start_server(folder / "models", *options) as started:
        yield started


@pytest.fixture
def shared(of_the_module: Server) -> Server:
    """A server that no test changes; nobody is connected to it."""
    wait_until_all_serve(of_the_module, 2)
    return of_the_module


def counted(server: Server, pattern: str) -> float:
    return sum(
        float(value) for value in re.findall(rf"^{pattern} (\S+)$", metrics(server), re.MULTILINE)
    )


ANSWERED = r'takt_requests_total\{model="parts",outcome="ok",protocol="rest",.*\}'


def test_connections_are_spread_evenly_and_what_each_worker_counts_is_added(
    shared: Server, picture_bytes: Callable[..., bytes]
) -> None:
    picture = picture_bytes()
    with callers(shared.url, 8) as clients:
        answers = [one.ask("POST", INSPECT, picture) for one in clients for _ in range(3)]
        assert {status for status, _ in answers} == {200}
        assert sorted(Counter(worker for _, worker in answers).values()) == [12, 12]
        assert counted(shared, ANSWERED) == 24
        assert counted(shared, r"takt_connections") == 9
        assert counted(shared, r"takt_queue_size_limit") == 256
        assert counted(shared, r"takt_engine_instances\{.*\}") == 2
        # What is the same in all of them is not added.
        assert counted(shared, r'takt_threshold\{kind="image",.*\}') == 0.5
        assert counted(shared, r"takt_model_ready\{.*\}") == 1


def test_workers_are_replaced_under_load_without_a_failed_request_and_nothing_is_counted_twice(
    server: Server, picture_bytes: Callable[..., bytes]
) -> None:
    former = workers_of(server)
    with callers(server.url, 2) as idle, load(server, 6, picture_bytes()) as under:
        eventually(lambda: under.statuses[200] > 50)
        addresses = [one.address for one in idle]
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "all workers were replaced"))
        asked = under.statuses[200]
        eventually(lambda: under.statuses[200] > asked + 50)
        # A connection that waited has moved to another worker, and its client has not noticed.
        assert [one.ask("GET", "/health/ready")[0] for one in idle] == [200, 200]
        assert [one.address for one in idle] == addresses
    assert (dict(under.statuses), under.broken) == ({200: under.statuses[200]}, 0)
    assert counted(server, ANSWERED) == under.statuses[200]
    assert len(workers_of(server)) == 2 and not workers_of(server) & former


def test_a_killed_worker_takes_what_it_was_answering_with_it_and_is_back_soon(
    server: Server, picture_bytes: Callable[..., bytes]
) -> None:
    victim = min(workers_of(server))
    with load(server, 6, picture_bytes()) as under:
        eventually(lambda: under.statuses[200] > 50)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: said(server, READY) == 3)
        asked = under.statuses[200]
        eventually(lambda: under.statuses[200] > asked + 50)
    assert set(under.statuses) == {200}
    # Each client has one request on its way, and half of them ask the other worker.
    assert under.broken <= 6
    assert len(workers_of(server)) == 2 and victim not in workers_of(server)
    # What it counted is kept, but for the last second.
    assert 50 < counted(server, ANSWERED) <= under.statuses[200] + under.broken


def test_workers_are_started_again_when_what_they_are_forked_from_has_ended_too(
    server: Server,
) -> None:
    (nursery,) = psutil.Process(server.process.pid).children()
    victim = min(workers_of(server))
    nursery.kill()
    eventually(lambda: said(server, "forked from has ended"))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: said(server, READY) == 3)
    eventually(lambda: ready(server))


def test_kept_connections_to_the_port_of_metrics_read_metrics_and_nothing_else_after_a_reload(
    bundle: Bundle, repository: Path, start_server: StartServer
) -> None:
    with (
        kept_port() as port,
        start_server(
            repository, "--workers", "2", "--record", "none", "--metrics-port", str(port)
        ) as server,
    ):
        eventually(lambda: said(server, READY) == 2)
        with callers(f"http://127.0.0.1:{port}", 2) as scrapers:
            addresses = [one.address for one in scrapers]
            server.process.send_signal(signal.SIGUSR2)
            eventually(lambda: said(server, "all workers were replaced"))
            for path, status in (("/metrics", 200), ("/v1/models", 404), ("/v1/status", 404)):
                assert [one.ask("GET", path)[0] for one in scrapers] == [status] * 2
            assert [one.address for one in scrapers] == addresses


def test_what_workers_are_forked_from_shares_the_processor_with_all_else_and_no_ctrl_c(
    shared: Server,
) -> None:
    (nursery,) = psutil.Process(shared.process.pid).children()
    # Linux gives a session of its own a share of its own, and for seconds next to nothing.
    assert os.getsid(nursery.pid) == os.getsid(shared.process.pid)
    assert os.getpgid(nursery.pid) != os.getpgid(shared.process.pid)


def test_workers_log_at_a_terminal_that_stops_what_writes_from_behind(
    bundle: Bundle, repository: Path
) -> None:
    serve = f"{TAKT} serve --repository {repository} --port 0 --workers 2 --record none"
    terminal = ["script", "--quiet", "--return", "--command", f"stty tostop; exec {serve}"]
    with subprocess.Popen([*terminal, "/dev/null"], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        next(script.stdout)
        (supervisor,) = psutil.Process(script.pid).children()
        try:
            for _ in range(2):
                assert next(line for line in script.stdout if READY in line)
        finally:
            supervisor.terminate()
        assert script.wait(timeout=60) == 0


def test_what_one_worker_alone_can_do_is_asked_by_any_connection(shared: Server) -> None:
    with callers_of_all(shared.url, 4, 2) as clients:
        # There is no record here whose pictures could be counted.
        counted_pictures = ("/v1/review/teachable?model=parts", 404)
        for path, status in (("/v1/learning", 200), counted_pictures, ("/v1/status", 200)):
            answers = [one.ask("GET", path) for one in clients]
            assert {found for found, _ in answers} == {status}
            assert len({worker for _, worker in answers}) == 1


def test_what_one_worker_alone_can_do_is_answered_while_the_workers_are_replaced(
    server: Server,
) -> None:
    with load(server, 3, None, "/v1/status") as under:
        eventually(lambda: under.statuses[200] > 20)
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "all workers were replaced"))
        asked = under.statuses[200]
        eventually(lambda: under.statuses[200] > asked + 20)
    assert (dict(under.statuses), under.broken) == ({200: under.statuses[200]}, 0)


_HANGS = """import os, sys, time

def hang():
    while os.path.exists({flag!r}):
        time.sleep(0.1)

if "takt.server.workers.nursery" in sys.orig_argv:
    os.register_at_fork(after_in_child=hang)
"""
"""A `sitecustomize` by which workers hang before they say anything, while a file is there."""


def test_a_worker_that_hangs_before_its_first_word_keeps_no_server_from_its_end(
    bundle: Bundle,
    repository: Path,
    tmp_path: Path,
    start_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flag = tmp_path / "hang"
    (tmp_path / "sitecustomize.py").write_text(_HANGS.format(flag=str(flag)))
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    options = ("--workers", "2", "--record", "none", "--drain-timeout-s", "1")
    with start_server(repository, *options) as server:
        wait_until_all_serve(server, 2)
        (nursery,) = psutil.Process(server.process.pid).children()
        workers = {one.pid for one in nursery.children()}
        flag.touch()
        os.kill(min(workers), signal.SIGKILL)
        eventually(lambda: any(one.pid not in workers for one in nursery.children()))
        assert server.stop() == 0
        assert said(server, "does not end and is killed") >= 1
        assert not nursery.is_running()


def test_a_termination_answers_what_was_accepted_and_leaves_no_process(
    server: Server, picture_bytes: Callable[..., bytes]
) -> None:
    processes = [psutil.Process(pid) for pid in workers_of(server)]
    with load(server, 4, picture_bytes()) as under:
        eventually(lambda: under.statuses[200] > 20)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
        under.stopped.set()
    assert set(under.statuses) == {200}
    assert not [one for one in processes if one.is_running()]


def test_workers_end_when_their_supervisor_is_killed(server: Server) -> None:
    processes = [psutil.Process(pid) for pid in workers_of(server)]
    server.process.kill()
    psutil.wait_procs(processes, timeout=60)
    assert not [one for one in processes if one.is_running()]


def test_a_server_that_cannot_start_ends_and_says_why(tmp_path: Path) -> None:
    command = [TAKT, "serve", "--workers", "2", "--port", "0", "--repository", tmp_path / "none"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "Error: there is no model repository" in ended.stderr or "none" in ended.stderr


def test_the_working_folder_gives_the_workers_no_code(
    bundle: Bundle,
    repository: Path,
    tmp_path: Path,
    start_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit('of the working folder')")
    monkeypatch.chdir(tmp_path)
    with start_server(repository, "--workers", "2", "--record", "none") as server:
        eventually(lambda: ready(server))


def test_a_reload_with_settings_that_cannot_be_taken_leaves_all_as_it_is(
    bundle: Bundle, repository: Path, tmp_path: Path, start_server: StartServer
) -> None:
    refused = ("workers = 3", "workers = 2\nmetrics_port = 1", "workers = 2\nmax_queue_size = 0")
    config = tmp_path / "takt.toml"
    config.write_text("workers = 2\nrecord = 'none'\n")
    with start_server(repository, "--config", str(config)) as server:
        eventually(lambda: said(server, READY) == 2 and ready(server))
        former = workers_of(server)
        for number, settings in enumerate(refused, 1):
            config.write_text(f"{settings}\nrecord = 'none'\n")
            server.process.send_signal(signal.SIGUSR2)
            eventually(lambda number=number: said(server, "the workers stay") == number)
            assert workers_of(server) == former
            assert ready(server)


def test_a_reload_whose_worker_cannot_start_leaves_all_as_it_is_and_the_next_one_can_be_asked_for(
    bundle: Bundle, repository: Path, tmp_path: Path, start_server: StartServer
) -> None:
    config = tmp_path / "takt.toml"
    right = "workers = 2\nrecord = 'none'\n"
    config.write_text(right)
    with start_server(repository, "--config", str(config)) as server:
        eventually(lambda: said(server, READY) == 2 and ready(server))
        former = workers_of(server)
        config.write_text(f"{right}keys_file = '{tmp_path / 'none.toml'}'\n")
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "the workers that are left stay as they are"))
        assert workers_of(server) == former

        # One that ends later begins anew by the settings that hold.
        os.kill(min(former), signal.SIGKILL)
        eventually(lambda: said(server, READY) == 3 and ready(server))
        eventually(lambda: len(workers_of(server)) == 2)

        config.write_text(right)
        server.process.send_signal(signal.SIGUSR2)
        eventually(lambda: said(server, "all workers were replaced"))
        eventually(lambda: len(workers_of(server)) == 2 and not workers_of(server) & former)
