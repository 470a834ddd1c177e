"""The first hour of new users: `python -m tests.first_hour`, or `make first-hour`.

Each user has a fresh copy of what is committed, without a virtual environment, and does what
README and tutorials say, as it is written there. It needs Python, git, make, bash and curl, and a
place to install packages from.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.first_hour.journeys import JOURNEYS, Journey
from tests.first_hour.pages import ROOT
from tests.first_hour.play import Done, play, time_of

WIDTH = 79


def main() -> int:
    """Play the users; 0 if all went as the pages say, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m tests.first_hour", description=__doc__)
    users = [journey.user for journey in JOURNEYS]
    parser.add_argument("users", nargs="*", metavar="USER", help=f"{', '.join(users)}; else all")
    parser.add_argument("--json", type=Path, help="file for the times")
    parser.add_argument("--data", type=Path, help="folder with bsdata_pitting; else TAKT_DATA, or "
                        "../shared/data, or the project's own pictures")  # fmt: skip
    parser.add_argument("--patience", type=float, default=8.0, help="a time fails beyond this "
                        "multiple of its bar, as machines differ; %(default)s")  # fmt: skip
    given = parser.parse_args()
    if unknown := set(given.users) - set(users):
        parser.error(f"there is no user {', '.join(sorted(unknown))}")
    data = given.data or Path(os.environ.get("TAKT_DATA", ROOT.parent / "shared/data"))

    done: list[Done] = []
    bars: list[dict[str, object]] = []
    failed = False
    started_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="first-hour-") as scratch:
        for journey in JOURNEYS:
            if given.users and journey.user not in given.users:
                continue
            print(journey.user, flush=True)
            folder = Path(scratch) / journey.user
            if journey.goes_on_from and (former := folder.with_name(journey.goes_on_from)).exists():
                folder = former
            played = play(journey, folder, data, tell)
            failed |= any(one.fault for one in played)
            done += played
            for row in rows(journey, played, given.patience):
                bars.append(row)
                failed |= not row["bearable"]
    print(f"\n{'':2}{'bar':<52}{'seconds':>9}{'at most':>9}")
    for row in bars:
        seconds = row["seconds"]
        told = "missing" if seconds is None else f"{seconds:.1f}"
        print(
            f"  {row['bar']:<52}{told:>9}{row['limit_s']:>9}  {'met' if row['met'] else 'MISSED'}"
        )
    print(
        f"  all of it took {time.perf_counter() - started_s:.0f} s; load {os.getloadavg()[0]:.1f}"
    )
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        facts = {"bars": bars, "steps": [asdict(one) for one in done], "cores": os.cpu_count()}
        given.json.write_text(json.dumps(facts, indent=1) + "\n")
    if failed:
        print("FAILED: a step did not do what its page says, or took far too long")
    return int(failed)


def tell(one: Done) -> None:
    """A line for a step, as soon as it is done."""
    name = one.command if len(one.command) <= WIDTH - 14 else one.command[: WIDTH - 15] + "…"
    print(f"  {one.seconds:8.1f} s  {name}", flush=True)
    if one.fault:
        print(f"  FAULT at {one.page}:{one.line}: {one.fault}", flush=True)


def rows(journey: Journey, done: list[Done], patience: float) -> list[dict[str, object]]:
    """A row for each of a user's bars."""
    found = []
    for bar in journey.bars:
        seconds = time_of(bar, done)
        found.append(
            {
                "bar": bar.name,
                "seconds": seconds,
                "limit_s": bar.limit_s,
                "met": seconds is not None and seconds <= bar.limit_s,
                "bearable": seconds is not None and seconds <= patience * bar.limit_s,
            }
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
