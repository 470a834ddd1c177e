"""`takt serve --workers N` under load, a command for each question.

    python -m benchmarks.scale throughput    # one process against two workers, and what binds
    python -m benchmarks.scale kill          # kill -9 of a worker
    python -m benchmarks.scale reload        # all workers replaced while 20,000 requests come
    python -m benchmarks.scale counters      # the metrics after 100,000 requests and a reload

Each prints its figures beside their bars, and ends with 1 where one is missed. They need Debian's
packages wrk and nghttp2-client.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from benchmarks.peers.bundles import make_missing
from benchmarks.peers.places import default_places
from benchmarks.realtime.server import TAKT
from benchmarks.scale.faults import counters, kill, reload
from benchmarks.scale.places import Given
from benchmarks.scale.throughput import throughput

COMMANDS = {"throughput": throughput, "kill": kill, "reload": reload, "counters": counters}


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--takt", default=str(TAKT), help="The command of the version to measure.")
    given = parser.parse_args()
    missing = [name for name in ("wrk", "h2load") if not shutil.which(name)]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} is missing: apt-get install wrk nghttp2-client")
    places = default_places()
    make_missing(places)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load} before")
    met = COMMANDS[given.command](Given((given.takt,), given.workers, places))
    print(f"{given.command}: {'met' if met else 'MISSED'}")
    sys.exit(not met)


if __name__ == "__main__":
    main()
