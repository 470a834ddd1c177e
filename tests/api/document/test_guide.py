"""The guide of the API has every route and every code."""

from __future__ import annotations

import pytest

from tests.api.document.guide import GUIDE, codes_table, routes_table


@pytest.mark.parametrize("table", ["routes", "codes"])
def test_the_guide_has_the_table(openapi, table: str) -> None:
    wanted = "\n".join(routes_table(openapi) if table == "routes" else codes_table())

    assert f"\n\n{wanted}\n\n" in GUIDE.read_text("utf-8"), f"put into {GUIDE.name}:\n\n{wanted}"
