"""From an engine's description back to the settings that open such an engine."""

from __future__ import annotations

import re
from typing import Any, Final

from takt.core.domain import Source
from takt.core.engines.options import REFERENCE
from takt.core.errors import ConfigurationError

_CPU: Final = re.compile(r"onnxruntime CPUExecutionProvider, (\d+) threads")
_GPU: Final = re.compile(
    r"onnxruntime (CUDA|Tensorrt)ExecutionProvider, device (\d+), batches of ([\d, ]+?)"
    r"(, CUDA graphs)?"
)
_OPENVINO: Final = re.compile(r"openvino CPU [\w ]+, (\d+) streams of (\d+) threads")


def settings_of(source: Source) -> dict[str, Any]:
    """Settings, by name, that open an engine as a source tells of.

    >>> known = Source("", "onnxruntime CPUExecutionProvider, 2 threads", "", "", "")
    >>> settings_of(known)
    {'engine': 'onnxruntime', 'engine_instances': 1, 'engine_threads': 2}

    Args:
        source: what has answered.

    Raises:
        ConfigurationError: this release has no such engine.
    """
    layout: dict[str, Any]
    if found := _CPU.fullmatch(source.engine):
        named = REFERENCE
        layout = {"engine_instances": 1, "engine_threads": int(found[1])}
    elif found := _OPENVINO.fullmatch(source.engine):
        named = "openvino"
        layout = {"engine_instances": int(found[1]), "engine_threads": int(found[2])}
    elif found := _GPU.fullmatch(source.engine):
        named = {"CUDA": "cuda", "Tensorrt": "tensorrt"}[found[1]]
        *others, largest = (int(size) for size in found[3].split(", "))
        layout = {
            "engine_instances": 1,
            "device_id": int(found[2]),
            "max_batch_size": largest,
            "preferred_batch_sizes": tuple(others),
            "cuda_graphs": found[4] is not None,
        }
    else:
        raise ConfigurationError(
            f"this release has no engine that calls itself {source.engine!r}; name another one "
            "with --engine"
        )
    return {"engine": source.variant or named, **layout}
