"""Process that runs a probe: `python -m takt.commands.doctor.child PROBE [ARGUMENT...]`.

It prints one JSON object: the probe's answer, or `failure` with a line that says why.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from takt.commands.doctor import probes

PROBES: Mapping[str, Callable[..., object]] = {
    "onnxruntime": probes.onnxruntime_build,
    "provider": probes.onnxruntime_provider,
    "openvino": probes.openvino_devices,
    "nvml": probes.nvml_gpus,
    "libraries": probes.nvidia_libraries,
    "opencv": probes.opencv_build,
}


def reply(name: str, arguments: Sequence[str]) -> str:
    """Runs a probe and returns its answer as JSON; an exception becomes a `failure`."""
    try:
        answer = PROBES[name](*arguments)
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = lines[0].strip() if lines else ""
        return json.dumps(
            {"failure": f"{type(error).__name__}: {reason}" if reason else repr(error)}
        )
    assert dataclasses.is_dataclass(answer)
    assert not isinstance(answer, type)
    return json.dumps(dataclasses.asdict(answer))


def main() -> None:
    """Writes the answer to the output; what libraries print goes to the error output."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        output.write(reply(sys.argv[1], sys.argv[2:]))


if __name__ == "__main__":
    main()
