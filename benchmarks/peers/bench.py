"""Takt beside other serving systems, on one machine, each against the same plain control.

    benchmarks/peers/setup.sh
    python benchmarks/peers/bench.py ours
    python benchmarks/peers/bench.py --all
    python benchmarks/peers/bench.py --report

`python -m benchmarks.peers.bench` does the same. The README beside this file has the method.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Find the other files here, then do what the command line asks for."""
    root = str(Path(__file__).resolve().parents[2])
    if root not in sys.path:
        sys.path.insert(0, root)
    from benchmarks.peers.commands import main as run

    run()


if __name__ == "__main__":
    main()
