"""Configurations of Triton (`config.pbtxt`), in the text form of its `ModelConfig`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from takt.core.bundles.bundle import INPUT, OUTPUTS
from takt.core.bundles.manifest import Manifest
from takt.core.tensors.protocol import ANOMALY_MAP, INPUTS, SCORE, TensorSpec
from takt.core.tensors.triton import TRITON_OUTPUTS, TRITON_TYPES, TritonForm
from takt.settings import Settings

Kind = Literal["auto", "cpu", "gpu"]
"""Where Triton runs a graph; auto is a GPU if there is one."""

_INPUT_TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}
_MICROSECONDS = 1000


@dataclass(frozen=True, slots=True)
class Batching:
    """How Triton batches what a graph is asked.

    Attributes:
        max_batch_size: most pictures in a batch.
        preferred: sizes that are run at once, without waiting for more; ascending.
        max_queue_delay_ms: how long an incomplete batch waits.
        kind: where the graph runs.
    """

    max_batch_size: int
    preferred: Sequence[int]
    max_queue_delay_ms: float
    kind: Kind


def python_config(manifest: Manifest, form: TritonForm, processes: int) -> str:
    """The configuration of the Python model, whose tensors are those of Takt's own server.

    A request's pictures are one batch already, so Triton makes none of several: `max_batch_size` is
    0. Its scheduler queues by priority, bounds the queue and refuses what waits too long.

    Args:
        manifest: of the bundle.
        form: how it runs.
        processes: that answer requests, each one at a time.
    """
    queued, timeout_ms = (
        Settings.model_fields[name].default for name in ("max_queue_size", "timeout_ms")
    )
    queue = _block(
        "default_queue_policy",
        "timeout_action: REJECT",
        f"default_timeout_microseconds: {timeout_ms * _MICROSECONDS:.0f}",
        "allow_timeout_override: true",
        f"max_queue_size: {queued}",
    )
    return _text(
        _named(manifest.name, "python", 0),
        *(
            _tensor("input", spec.name, TRITON_TYPES[spec.datatype], spec.shape, "optional: true")
            for spec in INPUTS
        ),
        *(
            _tensor("output", spec.name, TRITON_TYPES[spec.datatype], _shape(spec, manifest))
            for spec in TRITON_OUTPUTS
        ),
        _block("instance_group", f"count: {processes}", "kind: KIND_CPU"),
        _block("dynamic_batching", "priority_levels: 2", "default_priority_level: 1", queue),
        *(
            _block("parameters", f'key: "{name}"', f'value {{ string_value: "{value}" }}')
            for name, value in form.parameters.items()
        ),
    )


def graph_config(name: str, backend: str, manifest: Manifest, batching: Batching) -> str:
    """The configuration of the model that runs the graph, and batches what several ask of it.

    Args:
        name: of this model.
        backend: of Triton.
        manifest: of the bundle.
        batching: how it batches.
    """
    preferred = ", ".join(map(str, batching.preferred))
    shapes = {ANOMALY_MAP.name: manifest.map_size, SCORE.name: ()}
    return _text(
        _named(name, backend, batching.max_batch_size),
        _tensor(
            "input",
            INPUT,
            _INPUT_TYPES[manifest.preprocess.input],
            (*manifest.preprocess.input_size, 3),
        ),
        *(_tensor("output", output, "TYPE_FP32", shapes[output]) for output in OUTPUTS),
        _block("instance_group", f"kind: KIND_{batching.kind.upper()}"),
        _block(
            "dynamic_batching",
            *([f"preferred_batch_size: [ {preferred} ]"] if preferred else []),
            f"max_queue_delay_microseconds: {batching.max_queue_delay_ms * _MICROSECONDS:.0f}",
        ),
    )


def _named(name: str, backend: str, max_batch_size: int) -> str:
    return f'name: "{name}"\nbackend: "{backend}"\nmax_batch_size: {max_batch_size}'


def _shape(spec: TensorSpec, manifest: Manifest) -> tuple[int, ...]:
    """A map has the model's size, unless tiles make it vary by picture."""
    if spec is not ANOMALY_MAP or manifest.tiling is not None:
        return spec.shape
    return (-1, *manifest.map_size)


def _tensor(field: str, name: str, kind: str, shape: Sequence[int], *more: str) -> str:
    """A tensor; one without axes gets one, as Triton's shapes have at least one each."""
    dims = ", ".join(map(str, shape)) or "1"
    if not shape:
        more = ("reshape { shape: [ ] }", *more)
    return _block(field, f'name: "{name}"', f"data_type: {kind}", f"dims: [ {dims} ]", *more)


def _block(field: str, *lines: str) -> str:
    inner = "\n".join(f"  {line}" for block in lines for line in block.splitlines())
    return f"{field} {{\n{inner}\n}}"


def _text(*blocks: str) -> str:
    return "\n".join(blocks) + "\n"
