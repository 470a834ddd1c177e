"""What gives answers, told so exactly that somebody can ask the same again."""

from __future__ import annotations

import contextlib
import sys

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Source
from takt.core.engines.base import Engine
from takt.core.engines.nvidia.gpu import read_gpu
from takt.core.engines.options import EnginePlan
from takt.core.engines.provider_check import cuda_major, import_runtime
from takt.core.errors import TaktError
from takt.core.host import processor_name


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
