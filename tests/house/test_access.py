"""docs/access.md tells what each route needs as the server asks it."""

from __future__ import annotations

import re
from pathlib import Path

from service.security.caller import SCOPES
from service.security.routes import ROUTES

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text("utf-8")


def test_the_page_has_every_route_at_what_it_needs() -> None:
    section = PAGE.partition("## Scopes and routes")[2].partition("\n\nA route of")[0]
    documented = {}
    for line in section.splitlines():
        need, _, routes = line.strip("| ").partition(" | ")
        name = next((scope for scope in SCOPES if need.startswith(f"`{scope}`")), need)
        documented |= dict.fromkeys(re.findall(r"`([A-Z]+ /\S*)`", routes), name.partition(",")[0])
    served = {
        f"{row.method} {row.path}": row.need
        for row in ROUTES
        # Each version's route needs the same as the active one's, which the page says once.
        if "{version}" not in row.path or row.path.endswith("/activate")
    }

    assert documented == served


def test_each_versions_route_needs_what_the_active_ones_does() -> None:
    needs = {(row.method, row.path): row.need for row in ROUTES}

    for (method, path), need in needs.items():
        if "/versions/{version}" in path and not path.endswith("/activate"):
            assert needs[method, path.replace("/versions/{version}", "")] == need
