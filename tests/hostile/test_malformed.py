"""A real server bears malformed inputs: a short version of `python -m tests.hostile malformed`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.hostile.bundle import MODEL, write_bundle
from tests.hostile.malformed import memory_bound_mib, send_all
from tests.hostile.server import serve_command, started

COUNT = 800
LANES = 16
"""More than a long run has: a session takes as long as its silence, and not the processor."""

BOMBS = (
    "a PNG chunk that claims 4 GiB",
    "a PNG with a flipped length",
    "a JPEG of many segments",
    "a JPEG of fill bytes",
    "a TIFF that claims 49 megapixels",
    "a TIFF of 4 billion strips",
    "a WebP that claims 4 GiB",
    "a BMP that claims 49 megapixels",
)
MAX_MEMORY_MB = 256


def test_malformed_inputs_get_answers_and_cost_no_memory(tmp_path: Path) -> None:
    write_bundle(tmp_path / "models")
    command = serve_command(tmp_path / "models", "--max-memory-mb", str(MAX_MEMORY_MB))

    with started(command) as server:
        outcomes = asyncio.run(
            send_all(server, COUNT, seed=1, bombs=BOMBS, model=MODEL, lanes=LANES)
        )

        assert server.alive
        assert outcomes.count == COUNT + len(BOMBS)
        assert outcomes.failed == []
        assert outcomes.unanswered == []
        assert server.tracebacks() == 0
        assert server.memory().peak_mib <= memory_bound_mib(server, MAX_MEMORY_MB)
        assert server.status("/health/ready") == 200
