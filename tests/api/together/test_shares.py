"""Workers divide what a server may take; a replica on a node of its own keeps all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from takt.app import create_app
from takt.core.bundles.bundle import Bundle
from takt.parts.composing.assembly import foundation_of
from takt.peers import Alone, Peers
from takt.ray.replicas import Replicas
from takt.settings import Settings


def queue_limit(settings: Settings, peers: Peers) -> float:
    app = create_app(settings, peers=peers)
    families = {one.name: one for one in foundation_of(app).metrics.read()}
    limit: float = families["takt_queue_size_limit"].samples[0].value
    return limit


def replica() -> Replicas:
    def ask_all(*_: object) -> None:
        raise AssertionError("nobody is asked")

    return Replicas("one", ask_all, RuntimeError, ())  # type: ignore[arg-type]


@pytest.mark.parametrize(("workers", "limit"), [(1, 9), (2, 5), (4, 3)])
def test_each_worker_has_its_share_of_the_queue_rounded_up(
    workers: int, limit: int, bundle: Bundle, repository: Path
) -> None:
    settings = Settings(repository=repository, max_queue_size=9, workers=workers)
    assert queue_limit(settings, Alone()) == limit


def test_a_replica_of_ray_keeps_the_whole_queue(bundle: Bundle, repository: Path) -> None:
    settings = Settings(repository=repository, max_queue_size=9)
    assert queue_limit(settings, replica()) == 9


def test_memory_and_decoding_threads_are_shared_and_engines_are_each_ones_own() -> None:
    settings = Settings(
        workers=4, max_memory_mb=1000, decode_threads=6, engine_instances=2, engine_threads=3
    )
    each = settings.of_each_worker
    assert (each.max_memory_mb, each.decode_threads) == (250, 2)
    assert (each.engine_instances, each.engine_threads) == (2, 3)
    assert Settings(max_memory_mb=1000).of_each_worker.max_memory_mb == 1000
