"""The engine and the layout that somebody asks for, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from takt.core.bundles.variant import Precision, Provider, Variant
from takt.core.host import usable_cores

AUTO = "auto"
REFERENCE = "onnxruntime"

VariantFallback = Literal["fail", "build", "cuda", "cpu"]


@dataclass(frozen=True)
class EngineOptions:
    """What runs a bundle, as the settings of these names say; 0 and `auto` leave the choice.

    >>> EngineOptions(engine="openvino", engine_threads=2).engine_instances
    0

    Attributes:
        engine: `auto`, a runtime's name or a variant's.
        engine_instances: copies of the model that work at the same time.
        engine_threads: CPU threads of each copy.
        engine_cache: folder for what engines compile; None keeps nothing.
        provider_fallback: whether the reference graph on the CPU may stand in.
        variant_fallback: what may stand in for a variant that was built for another GPU.
        device_id: GPU to use.
        cuda_graphs: whether batches are captured as CUDA graphs.
        max_batch_size: most pictures in one batch.
        preferred_batch_sizes: sizes to which a batch is cut; empty for any.
        cores: that the copies share.
    """

    engine: str = AUTO
    engine_instances: int = 0
    engine_threads: int = 0
    engine_cache: Path | None = None
    provider_fallback: bool = False
    variant_fallback: VariantFallback = "fail"
    device_id: int = 0
    cuda_graphs: bool = True
    max_batch_size: int = 0
    preferred_batch_sizes: tuple[int, ...] = ()
    cores: int = field(default_factory=usable_cores)


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """How one bundle runs.

    Attributes:
        engine: the runtime's library.
        provider: of ONNX Runtime.
        precision: in which the graph is computed.
        variant: of the bundle; None for the reference graph.
        model: the file to open.
        instances: engines that work at the same time.
        threads: of the CPU, for each instance.
        max_batch_size: most pictures in one batch.
    """

    engine: str
    provider: Provider
    precision: Precision
    variant: Variant | None
    model: Path
    instances: int
    threads: int
    max_batch_size: int
