"""The real ONNX Runtime with its memory on the CPU: only CUDA's own calls are stood in for."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import DTypeLike, NDArray

from takt.core.bundles.bundle import Bundle
from takt.core.engines.nvidia.cuda import GpuRunner, fixed_sizes
from takt.core.errors import EngineError


class HostOnly:
    """CUDA's runtime where the GPU's memory is the host's."""

    def __init__(self) -> None:
        self.held: list[object] = []
        self.threads: set[int] = set()
        self.waits = 0
        self.fail_after: int | None = None

    def use(self) -> None:
        self.threads.add(threading.get_ident())

    def create_stream(self) -> int:
        self.held.append("stream")
        return 4096

    def destroy_stream(self, stream: int) -> None:
        assert stream == 4096
        self.held.remove("stream")

    def synchronize(self, stream: int) -> None:
        self.waits += 1

    def page_locked(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        self.held.append("memory")
        return np.full(shape, 99, dtype)

    def free(self, array: NDArray[Any]) -> None:
        self.held.remove("memory")

    def copy_in(self, device: int, array: NDArray[Any], stream: int) -> None:
        self.threads.add(threading.get_ident())
        if self.fail_after is not None and self.waits >= self.fail_after:
            raise EngineError("CUDA failed in cudaMemcpyAsync: out of memory")
        ctypes.memmove(device, array.ctypes.data, array.nbytes)

    def copy_out(self, array: NDArray[Any], device: int, stream: int) -> None:
        ctypes.memmove(array.ctypes.data, device, array.nbytes)


class Watched:
    """A session that notes how it is run."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.graph_ids: list[str] = []
        self.batch_sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        try:
            self.graph_ids.append(options.get_run_config_entry("gpu_graph_id"))
        except RuntimeError:
            self.graph_ids.append("")
        self._session.run_with_iobinding(binding, options)
        self.batch_sizes.append(binding.get_outputs()[1].shape()[0])


@contextmanager
def opened(
    bundle: Bundle, sizes: tuple[int, ...], *, graphs: bool = False
) -> Iterator[tuple[GpuRunner, HostOnly, Watched]]:
    cuda, sessions = HostOnly(), []

    def open_session(stream: int) -> Watched:
        assert stream == 4096
        session = onnxruntime.InferenceSession(
            str(bundle.model_path), providers=["CPUExecutionProvider"]
        )
        sessions.append(Watched(session))
        return sessions[0]

    runner = GpuRunner(
        onnxruntime,
        cuda,  # type: ignore[arg-type]
        open_session,
        sizes=sizes,
        graphs=graphs,
        device_type="cpu",
    )
    try:
        yield runner, cuda, sessions[0]
    finally:
        runner.close()


@pytest.mark.parametrize(
    ("largest", "preferred", "sizes"),
    [
        (8, (), (1, 2, 4, 8)),
        (6, (), (1, 2, 4, 6)),
        (1, (), (1,)),
        (8, (3, 1), (1, 3, 8)),
        (4, (2, 4, 16), (2, 4)),
    ],
)
def test_the_sizes_are_the_preferred_ones_or_powers_of_two_up_to_the_largest(
    largest: int, preferred: tuple[int, ...], sizes: tuple[int, ...]
) -> None:
    assert fixed_sizes(largest, preferred) == sizes


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_batch_is_padded_up_to_the_next_size_and_answers_its_own_pictures_alone(
    bundle: Bundle, count: int
) -> None:
    golden = bundle.golden
    with opened(bundle, (2, 4)) as (runner, _, session):
        session.batch_sizes.clear()
        output = runner.run(golden.images[:count])
        assert session.batch_sizes == [2 if count <= 2 else 4]
    assert np.allclose(output.anomaly_map, golden.anomaly_map[:count], atol=1e-6)
    assert np.allclose(output.score, golden.score[:count], atol=1e-6)
    assert output.anomaly_map.shape == (count, 32, 32)


def test_a_batch_beyond_the_largest_size_runs_in_parts(bundle: Bundle) -> None:
    golden = bundle.golden
    with opened(bundle, (1, 2)) as (runner, _, session):
        session.batch_sizes.clear()
        output = runner.run(golden.images)
        assert session.batch_sizes == [2, 1]
    assert np.allclose(output.anomaly_map, golden.anomaly_map, atol=1e-6)
    assert np.allclose(output.score, golden.score, atol=1e-6)


def test_an_answer_is_not_overwritten_by_the_next(bundle: Bundle) -> None:
    with opened(bundle, (1,)) as (runner, _, _session):
        first = runner.run(bundle.golden.images[:1])
        runner.run(bundle.golden.images[1:2])
    assert np.allclose(first.anomaly_map, bundle.golden.anomaly_map[:1], atol=1e-6)


def test_every_size_is_run_before_use_the_largest_and_the_smallest_first(bundle: Bundle) -> None:
    with opened(bundle, (1, 2, 4)) as (_, _cuda, session):
        assert session.batch_sizes == [4, 1, 2]


def test_each_size_has_a_cuda_graph_of_its_own(bundle: Bundle) -> None:
    with opened(bundle, (1, 2), graphs=True) as (runner, _, session):
        session.graph_ids.clear()
        runner.run(bundle.golden.images[:2])
        runner.run(bundle.golden.images[:1])
        assert session.graph_ids == ["2", "1"]


@pytest.mark.parametrize(("sizes", "graphs"), [((1, 2), False), ((2,), True)])
def test_no_graph_is_named_where_there_is_none_or_only_one(
    bundle: Bundle, sizes: tuple[int, ...], graphs: bool
) -> None:
    with opened(bundle, sizes, graphs=graphs) as (_, _cuda, session):
        assert set(session.graph_ids) == {""}


def test_one_thread_does_it_all_and_waits_once_for_a_batch(bundle: Bundle) -> None:
    with opened(bundle, (1, 2)) as (runner, cuda, _):
        cuda.waits = 0
        for ask in _in_threads(lambda: runner.run(bundle.golden.images[:2]), 3):
            ask()
        assert cuda.waits == 3
        assert len(cuda.threads) == 1
        assert threading.get_ident() not in cuda.threads


def test_closing_gives_stream_memory_and_thread_back(bundle: Bundle) -> None:
    before = threading.active_count()
    with opened(bundle, (1, 2)) as (runner, cuda, _):
        assert sorted(map(str, cuda.held)) == ["memory", "memory", "memory", "stream"]
        runner.trim()
        assert len(cuda.held) == 4
    assert cuda.held == []
    assert runner.session is None
    assert threading.active_count() == before


def test_opening_that_fails_half_way_gives_everything_back(bundle: Bundle) -> None:
    cuda = HostOnly()
    cuda.fail_after = 1
    before = threading.active_count()

    def open_session(stream: int) -> Any:
        return onnxruntime.InferenceSession(
            str(bundle.model_path), providers=["CPUExecutionProvider"]
        )

    with pytest.raises(EngineError, match="out of memory"):
        GpuRunner(
            onnxruntime,
            cuda,  # type: ignore[arg-type]
            open_session,
            sizes=(1, 2),
            device_type="cpu",
        )
    assert cuda.held == []
    assert threading.active_count() == before


def _in_threads(call: Callable[[], object], count: int) -> list[Callable[[], None]]:
    """Calls that each run in a thread of their own to their end."""

    def run() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    return [run] * count
