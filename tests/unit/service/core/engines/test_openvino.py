from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.engines.golden import check_golden
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.engines.openvino import OpenVinoEngine
from takt.core.errors import BundleError, ConfigurationError, EngineError


def test_it_answers_like_the_trained_model_alone_and_in_batches(bundle: Bundle) -> None:
    engine = OpenVinoEngine.open(bundle.model_path)
    drift = check_golden(engine, bundle)
    assert max(drift.score, drift.anomaly_map) < 1e-6
    engine.close()


def test_it_answers_like_onnx_runtime(bundle: Bundle) -> None:
    images = bundle.golden.images
    reference = OnnxRuntimeEngine.open(bundle.model_path, threads=1).infer(images)
    found = OpenVinoEngine.open(bundle.model_path).infer(images)
    np.testing.assert_allclose(found.anomaly_map, reference.anomaly_map, atol=1e-6)
    np.testing.assert_allclose(found.score, reference.score, atol=1e-6)
    assert (found.anomaly_map.dtype, found.score.dtype) == (np.float32, np.float32)


def test_an_answer_stays_as_it_was_when_the_next_picture_comes(bundle: Bundle) -> None:
    engine = OpenVinoEngine.open(bundle.model_path)
    first = engine.infer(bundle.golden.images[:1])
    kept = first.anomaly_map.copy(), first.score.copy()
    engine.infer(255 - bundle.golden.images[:1])
    np.testing.assert_array_equal(first.anomaly_map, kept[0])
    np.testing.assert_array_equal(first.score, kept[1])


def test_more_threads_than_streams_may_run_it_at_once(bundle: Bundle) -> None:
    engine = OpenVinoEngine.open(bundle.model_path, streams=2)
    assert engine.shareable
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            found = engine.infer(bundle.golden.images[index : index + 1])
            if abs(found.score[0] - bundle.golden.score[index]) > 1e-6:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(number % 3,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_it_says_what_runs_where(bundle: Bundle) -> None:
    engine = OpenVinoEngine.open(bundle.model_path, precision="bf16", streams=2, threads=1)
    assert engine.description == "openvino CPU bf16, 2 streams of 1 threads"


def test_without_openvino_the_command_is_told_that_brings_it(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'openvino>=2025.2'"):
        OpenVinoEngine.open(bundle.model_path)


def test_a_file_that_is_no_graph_is_the_bundles_fault(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded"):
        OpenVinoEngine.open(file)


def test_a_graph_of_another_signature_is_the_bundles_fault(bundle: Bundle) -> None:
    graph = onnx.load(bundle.model_path)
    graph.graph.output[1].name = graph.graph.node[-1].output[0] = "confidence"
    onnx.save(graph, bundle.model_path)
    with pytest.raises(BundleError, match="a bundle's graph takes 'images'"):
        OpenVinoEngine.open(bundle.model_path)


def test_a_picture_of_another_size_is_an_engine_error_and_the_next_one_runs(
    bundle: Bundle,
) -> None:
    engine = OpenVinoEngine.open(bundle.model_path)
    with pytest.raises(EngineError):
        engine.infer(np.zeros((1, 5, 5, 3), np.uint8))
    assert engine.infer(bundle.golden.images[:1]).score.shape == (1,)


def test_what_it_compiled_is_kept_where_that_is_asked_for(bundle: Bundle, tmp_path: Path) -> None:
    cache = tmp_path / "compiled"
    for _ in range(2):
        engine = OpenVinoEngine.open(bundle.model_path, cache=cache)
        check_golden(engine, bundle)
        engine.close()
    assert list(cache.iterdir())


def test_a_signal_finds_its_thread_well_after_an_engine_was_dropped_by_another(
    bundle: Bundle,
) -> None:
    code = f"""
import gc, signal, threading
from pathlib import Path
from takt.core.engines.openvino import OpenVinoEngine
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
engines = [OpenVinoEngine.open(Path({str(bundle.model_path)!r}))]
def drop():
    engines.clear()
    gc.collect()
dropping = threading.Thread(target=drop)
dropping.start()
dropping.join()
signal.raise_signal(signal.SIGUSR1)
print(*heard)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
