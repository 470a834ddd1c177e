"""`takt` whose engines take half a second and no processor time: its queue is full at once.

So the processor time of a server that is asked for more is that of its refusals. Run as a file,
it serves the checkout that PYTHONPATH names.
"""

from __future__ import annotations

import time

from service.cli import main
from service.core.domain import Batch
from service.core.engines.base import EngineOutput
from service.core.engines.onnxruntime import OnnxRuntimeEngine

HELD_S = 0.5

_infer = OnnxRuntimeEngine.infer


def _hold(self: OnnxRuntimeEngine, images: Batch) -> EngineOutput:
    time.sleep(HELD_S)
    return _infer(self, images)


if __name__ == "__main__":
    OnnxRuntimeEngine.infer = _hold  # type: ignore[method-assign]
    main()
