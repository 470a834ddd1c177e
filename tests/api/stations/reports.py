"""What a station says of itself."""

from __future__ import annotations

from typing import Any

AT = "2026-11-30T07:00:00Z"

RESULT: dict[str, Any] = {
    "part": 17,
    "part_id": "press-1-20261130T070000-3",
    "at": AT,
    "result": "no_decision",
    "reason": "deadline",
    "score": None,
    "took_ms": 120.0,
    "shown": True,
    "late": {"result": "ok", "late_ms": 14.5},
}

REPORT: dict[str, Any] = {
    "run": "20261130T070000",
    "began_at": AT,
    "online": True,
    "offline_reason": None,
    "server_ready": True,
    "plc": {"connected": True, "heard_at": AT},
    "cameras": [{"name": "top", "well": True}],
    "recipe": {"number": 7, "name": "bracket", "changing": False},
    "result_ms": 120.0,
    "counts": {
        "ok": 2,
        "ng": 0,
        "no_decision": {"deadline": 1},
        "late": 1,
        "lost": 0,
        "faults": 0,
    },
    "times": {"parts": 3, "p50_ms": 20.0, "p99_ms": 120.0, "worst_ms": 120.0},
    "taken": None,
    "results": [RESULT],
}
"""Of a station that is well, and had a late verdict."""
