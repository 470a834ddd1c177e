"""Takt for the comparison: the bundle of BENCH_MODEL in BENCH_BUNDLES on BENCH_PORT.

Everything is on that is on in production: limits, metrics, timings, request ids. BENCH_OPTIONS has
other options of `takt serve`.
"""

from __future__ import annotations

import os
from pathlib import Path

from takt.cli import main

OPTIONS = "--engine-instances 2 --engine-threads 1 --record none"

if __name__ == "__main__":
    repository = Path(os.environ["BENCH_BUNDLES"]) / os.environ["BENCH_MODEL"]
    options = os.environ.get("BENCH_OPTIONS", OPTIONS).split()
    address = ["--host", "127.0.0.1", "--port", os.environ["BENCH_PORT"]]
    main(["serve", "--repository", str(repository), *address, *options])
