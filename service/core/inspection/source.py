"""What gives answers, told so exactly that somebody can ask the same again."""

from __future__ import annotations

import contextlib
import sys

from service.core.bundles.bundle import Bundle
from service.core.domain import Source
from service.core.engines.base import Engine
from service.core.engines.nvidia.gpu import read_gpu
from service.core.engines.options import EnginePlan
from service.core.engines.provider_check import cuda_major, import_runtime
from service.core.errors import TaktError
from service.core.host import processor_name


def source_of(bundle: Bundle, engine: Engine, plan: EnginePlan, device_id: int = 0) -> Source:
    """What an open engine answers with.

    Args:
        bundle: that it runs.
        engine: that is open.
        plan: by which it was opened.
        device_id: the GPU, where it runs on one.
    """
    module = sys.modules.get(plan.engine)
    runtime = f"{plan.engine} {getattr(module, '__version__', '')}".strip()
    processor = processor_name()
    if plan.provider != "cpu":
        with contextlib.suppress(TaktError):
            gpu = read_gpu(device_id, cuda_major(import_runtime(plan.provider)))
            processor = f"{gpu['gpu']}, driver {gpu['driver']}"
            if gpu["tensorrt"]:
                runtime = f"{runtime}, TensorRT {gpu['tensorrt']}"
    return Source(
        digest=bundle.digest,
        engine=engine.description,
        variant="" if plan.variant is None else plan.variant.name,
        runtime=runtime,
        processor=processor,
    )
