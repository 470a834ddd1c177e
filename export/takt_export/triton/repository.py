"""A bundle in a model repository of Triton: a Python model, and beside it the graph."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from takt.core.bundles.bundle import MANIFEST, Bundle, check_place
from takt.core.bundles.card import CARD
from takt.core.bundles.files import new_folder, write_atomically
from takt.core.bundles.signing.signature import SIGNATURE
from takt.core.bundles.thresholds import OVERRIDES
from takt.core.engines.options import REFERENCE, EngineOptions
from takt.core.engines.plan import plan_for
from takt.core.tensors.triton import TritonForm
from takt_export.errors import TritonExportError
from takt_export.out_folder import versions_in
from takt_export.triton.config import Batching, Kind, graph_config, python_config
from takt_export.triton.graph import TritonGraphFile, graph_of

RunsIn = Literal["triton", "python"]
"""What runs the graph: a model of Triton's, or the Python model itself."""

CONFIG = "config.pbtxt"
MODEL_PY = '''"""A bundle of Takt as a Python model of Triton, written by `takt export triton`."""

from takt.api.oip.triton.model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''

_BESIDE = (SIGNATURE, OVERRIDES, CARD)
"""Files of a bundle that its manifest does not list, and that go with it."""

_NUMBER = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class TritonOptions:
    """What is asked of the export.

    Attributes:
        runs_in: what runs the graph.
        engine: what runs, as the setting `engine` names it.
        processes: of the Python model.
        max_batch_size: most pictures in a batch of Triton's; fewer where the graph takes fewer.
        preferred: sizes of batches that are run at once.
        max_queue_delay_ms: how long an incomplete batch waits.
        kind: where Triton runs the graph.
    """

    runs_in: RunsIn = "triton"
    engine: str = REFERENCE
    processes: int = 4
    max_batch_size: int = 8
    preferred: Sequence[int] = ()
    max_queue_delay_ms: float = 0.0
    kind: Kind = "auto"


@dataclass(frozen=True, slots=True)
class TritonModelWritten:
    """A model in the repository.

    Attributes:
        name: in Triton.
        version: its number.
        backend: that runs it.
        max_batch_size: most pictures of a batch that Triton makes; 0 where it makes none.
    """

    name: str
    version: str
    backend: str
    max_batch_size: int


def write_triton(bundle: Bundle, out: Path, options: TritonOptions) -> list[TritonModelWritten]:
    """Write a bundle into a repository of Triton, beside the models that are there.

    Args:
        bundle: as it was loaded.
        out: the repository; made if there is none.
        options: what is asked.

    Returns:
        The models that were written; the first one is that which clients ask.

    Raises:
        TritonExportError: Triton cannot have the bundle so, or the repository has this version or
            a later one.
        BundleError: the bundle has no such variant, or another name than its folder.
    """
    check_place(bundle.path, bundle.manifest)
    name, version = bundle.manifest.name, bundle.manifest.version
    if not _NUMBER.fullmatch(version):
        raise TritonExportError(
            f"Triton's versions are whole numbers from 1 on, and this one is {version}; export the "
            "model under a whole number"
        )
    models = []
    form = TritonForm(options.engine)
    if options.runs_in == "triton":
        graph = graph_of(bundle, options.engine)
        batching = _batching(graph, options)
        form = TritonForm(options.engine, f"{name}_graph", batching.max_batch_size)
        text = graph_config(f"{name}_graph", graph.backend, bundle.manifest, batching)
        model = TritonModelWritten(f"{name}_graph", version, graph.backend, batching.max_batch_size)
        models.append((model, text, partial(_fill_graph, graph)))
    else:
        plan_for(
            bundle, EngineOptions(engine=options.engine)
        )  # refuses an engine that there is not
    python = TritonModelWritten(name, version, "python", 0)
    text = python_config(bundle.manifest, form, options.processes)
    models.append((python, text, partial(_fill_python, bundle)))
    for model, _, _ in models:
        _check_free(out / model.name, version)
    # The graph first: whoever polls the repository finds what the Python model asks.
    with ExitStack() as undo:
        for model, text, fill in models:
            _write(out / model.name, version, text, fill, undo)
        undo.pop_all()
    return [model for model, _, _ in reversed(models)]


def _batching(graph: TritonGraphFile, options: TritonOptions) -> Batching:
    most = min(options.max_batch_size, graph.max_batch_size or options.max_batch_size)
    if (largest := max(options.preferred, default=0)) > most:
        raise TritonExportError(
            f"a preferred batch of {largest} pictures is more than the {most} that a batch may "
            "have here; prefer smaller ones"
        )
    if graph.backend == "tensorrt" and options.kind == "cpu":
        raise TritonExportError("TensorRT runs on GPUs only; leave --device away")
    preferred = sorted(set(options.preferred))
    return Batching(most, preferred, options.max_queue_delay_ms, options.kind)


def _check_free(model: Path, version: str) -> None:
    """Refuse a version that is there, and one that Triton would not answer with.

    Triton's usual policy is to answer with the highest version, and a model's versions share one
    configuration, which is the highest one's.
    """
    numbers = [int(one) for one in versions_in(model) if _NUMBER.fullmatch(one)]
    if (highest := max(numbers, default=0)) >= int(version):
        raise TritonExportError(
            f"{model} has version {highest}; versions are never changed, and Triton "
            "answers with the highest one: export a later version, or to another --out"
        )


def _write(
    model: Path, version: str, config: str, fill: Callable[[Path], None], undo: ExitStack
) -> None:
    """Write a version and its model's configuration, each whole or not at all.

    What takes them away again goes to `undo`, should the next model not find room.
    """
    if model.exists():
        former = (model / CONFIG).read_bytes() if (model / CONFIG).exists() else None
        with new_folder(model / version) as folder:
            fill(folder)
        undo.callback(shutil.rmtree, model / version, ignore_errors=True)
        write_atomically(model / CONFIG, config.encode())
        if former is not None:
            undo.callback(write_atomically, model / CONFIG, former)
        return
    with new_folder(model) as folder:
        (folder / CONFIG).write_text(config, encoding="utf-8")
        (folder / version).mkdir()
        fill(folder / version)
    undo.callback(shutil.rmtree, model, ignore_errors=True)


def _fill_graph(graph: TritonGraphFile, folder: Path) -> None:
    (folder / graph.file_name).write_bytes(graph.content)


def _fill_python(bundle: Bundle, folder: Path) -> None:
    """The whole bundle, which stays one that Takt's server can serve, and the code for Triton."""
    for name in (MANIFEST, *bundle.manifest.files):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.content / name if name != MANIFEST else bundle.path / name, target)
    for name in _BESIDE:
        if (bundle.path / name).is_file():
            shutil.copyfile(bundle.path / name, folder / name)
    (folder / "model.py").write_text(MODEL_PY, encoding="utf-8")
