"""What a refusal costs the server: its processor time while it refuses, by the refusals.

    python -m benchmarks.realtime.refusals --null NULL_REPOSITORY --image PICTURE.jpg [--before DIR]

The queue is full all the time, of an engine that sleeps. `--before` names another checkout, such
as a worktree of an earlier commit; its server and this one's are asked in turns.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

from benchmarks.realtime.generator import Generator
from benchmarks.realtime.server import TaktServer
from service.security.keys.key import new_key
from service.security.keys.key_file import format_keys

HERE = Path(__file__).resolve()
BAR_MS = 0.07
CLIENTS = 16


def main() -> None:
    """Measure, print, and exit with 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--null", type=Path, required=True, help="repository of a null model")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    missed = False
    for keys in (False, True):
        times = _measured(given, keys=keys)
        for name, costs in times.items():
            cost = median(costs)
            text = f"{cost:.4f} ms ({min(costs):.4f} to {max(costs):.4f})"
            print(f"a refusal, {'keys on' if keys else 'no keys'}, {name}: {text}", flush=True)
        missed |= median(times["now"]) > BAR_MS
    print(f"bar: at most {BAR_MS} ms: {'MISSED' if missed else 'met'}")
    sys.exit(missed)


def _measured(given: argparse.Namespace, *, keys: bool) -> dict[str, list[float]]:
    """Milliseconds of the server's processor time by refusal, in each round."""
    roots = {"now": HERE.parents[2]} | ({"before": given.before} if given.before else {})
    key, secret = new_key("line1", frozenset({"inspect"}))
    environment = [f"TAKT_KEYS={format_keys([key]).decode()}"] if keys else []
    times: dict[str, list[float]] = {name: [] for name in roots}
    for _ in range(given.rounds):
        for name, root in roots.items():
            takt = ["env", f"PYTHONPATH={root}", *environment, sys.executable]
            takt.append(str(HERE.with_name("held_takt.py")))
            options = ("--max-queue-size", "1", "--engine-instances", "1")
            with (
                TaktServer(given.null, *options, takt=takt) as server,
                Generator(server.url, [given.image], key=secret if keys else "") as generator,
            ):
                generator.run(1.0, "closed", CLIENTS)
                before_s = server.cpu_s
                outcomes = generator.run(given.seconds, "closed", CLIENTS)
                used_s = server.cpu_s - before_s
            if outcomes.count(429) < 0.99 * len(outcomes):
                raise SystemExit(f"only {outcomes.count(429)} of {len(outcomes)} were refused")
            times[name].append(1000 * used_s / outcomes.count(429))
    return times


if __name__ == "__main__":
    main()
