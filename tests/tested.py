"""Self-tests as a manifest has them."""

from __future__ import annotations

from typing import Any

from takt.core.domain import FindingCode


def self_test(*codes: FindingCode) -> dict[str, Any]:
    """A self-test with these findings, the gravest first."""
    return {
        "pictures": 6,
        "sizes": [{"side_px": 8, "defects": 18, "found": 2}],
        "findings": [
            {"code": code, "text": f"what {code} found", "remedy": "more pictures"}
            for code in codes
        ],
        "made_at": "2026-01-01T00:00:00+00:00",
    }


GRAVE = self_test("made_up_missed", "few_pictures")
HARMLESS = self_test("few_pictures")

BEARS = {
    "pictures": 60,
    "limit": 0.08,
    "kinds": [
        {
            "kind": "shift",
            "bound": 2.0,
            "steps": [
                {"magnitude": 1.0, "rejected": 0.05},
                {"magnitude": 2.0, "rejected": 0.06},
                {"magnitude": 3.0, "rejected": 0.12},
            ],
        }
    ],
}
"""What a model bears that was moved."""
