"""Stands for `takt learn --progress json`: a process that tells what a test wants it to tell."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STAGES = ["look", "fit", "export", "thresholds", "self-test", "load"]

RESULT: dict[str, Any] = {
    "event": "result",
    "model": "nut",
    "version": "1",
    "family": "patchcore",
    "pictures": "2 pictures, 64 x 48",
    "threshold": 0.5,
    "promise": "of 100 good parts up to 20 may be rejected",
    "self_test": "finds 70 of 72 made-up defects",
    "findings": ["few_pictures: the fit saw 2 good pictures; take more"],
    "compared": ["version 1 rejects 3 of 4", "version 2 rejects 1 of 4"],
    "notes": ["2 good pictures"],
}

TAUGHT: dict[str, Any] = {
    "defects": 20,
    "good": 12,
    "passed": 180,
    "found": 14,
    "compared": 20,
    "found_before": 3,
    "found_after": 14,
    "bank_found_before": 9,
    "bank_found_after": 8,
    "turned": [
        {
            "file": "passed/inspection-12.png",
            "inspection": 12,
            "judgement": None,
            "to": "rejected",
            "score_before": 1.25,
            "score_after": 3.5,
            "threshold_before": 2.5,
            "threshold_after": 3.0,
        }
    ],
    "turned_rejected": 1,
    "turned_accepted": 0,
    "p_value": None,
    "doubts": [
        {
            "file": "defect/inspection-7.png",
            "inspection": 7,
            "judgement": "defect",
            "why": "it looks like the good ones",
        }
    ],
    "kinds": {"scratch": 12, "dent": 5, "": 3},
}
"""What a result says of a version that was taught."""

FIT = {"event": "stage", "stage": "fit", "share": 0.1}
PLAN = {"event": "plan", "stages": STAGES}


def place(version: str = "1") -> dict[str, Any]:
    return {"event": "place", "model": "nut", "version": version}


def learning(*events: dict[str, Any], then: str = "", code: int = 0) -> tuple[str, ...]:
    """A command that tells events, then runs some lines of Python, and ends with a code."""
    lines = [json.dumps(event) for event in events]
    program = (
        f"import sys\nfor line in {lines!r}: print(line, flush=True)\n{then}\nsys.exit({code})"
    )
    return (sys.executable, "-c", program)


def waiting(*events: dict[str, Any], notes: Path) -> tuple[str, ...]:
    """A command that begins a version, tells events, notes its number and waits to be ended."""
    then = (
        "import os, pathlib, signal\n"
        "arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "model = arguments.get('--model') or arguments['--update']\n"
        "begun = pathlib.Path(arguments['--repository'], model)\n"
        "(begun / '.1.fit').mkdir(parents=True)\n"
        "(begun / '.1-abcd_123').mkdir()\n"
        "(pathlib.Path(os.environ['TMPDIR']) / 'big').write_bytes(bytes(1000))\n"
        f"notes = pathlib.Path({str(notes)!r})\n"
        "unfinished = notes.with_suffix('.part')\n"
        "unfinished.write_text(str(os.getpid()))\n"
        "unfinished.rename(notes)\n"
        "signal.pause()"
    )
    return learning(*events, then=then)
