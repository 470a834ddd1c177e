import pytest

from takt.ray.share import Share, fitted
from takt.settings import Settings


@pytest.mark.parametrize(("cpus", "cores"), [(0.5, 1), (1.0, 1), (2.9, 2), (8, 8)])
def test_a_part_of_a_core_counts_as_one_and_others_as_whole(cpus: float, cores: int) -> None:
    assert Share(cpus, 0).cores == cores


def test_on_the_cpu_each_core_of_the_replica_gets_an_instance_of_one_thread() -> None:
    found = fitted(Settings(), Share(cpus=3, gpus=0))
    assert (found.engine_instances, found.engine_threads, found.decode_threads) == (3, 1, 3)
    assert found.engine == "auto"


def test_instances_that_are_given_share_the_cores_of_the_replica() -> None:
    found = fitted(Settings(engine_instances=2), Share(cpus=8, gpus=0))
    assert (found.engine_instances, found.engine_threads) == (2, 4)


def test_a_part_of_a_gpu_gets_one_instance_there() -> None:
    found = fitted(Settings(), Share(cpus=4, gpus=0.25))
    assert (found.engine, found.engine_instances, found.decode_threads) == ("cuda", 1, 4)


def test_an_engine_that_is_named_is_kept() -> None:
    assert fitted(Settings(engine="tensorrt"), Share(2, 1)).engine == "tensorrt"


def test_what_is_given_is_kept() -> None:
    given = Settings(engine_instances=5, engine_threads=3, decode_threads=7, max_memory_mb=100)
    assert fitted(given, Share(2, 0)) == given


def test_memory_for_pictures_is_the_replicas_part_of_the_nodes() -> None:
    whole = Settings()
    found = fitted(whole, Share(cpus=1, gpus=0))
    assert found.max_memory_bytes <= whole.max_memory_bytes / whole.cores
    assert fitted(whole, Share(whole.cores, 0)).max_memory_mb == whole.max_memory_bytes >> 20
