"""Stations that report to any of several workers: each of them knows all."""

from __future__ import annotations

import asyncio

from tests.api.multiview.conftest import save
from tests.api.stations.reports import REPORT
from tests.api.together.conftest import ServeTogether

URL = "/v1/stations/press-1"


async def test_a_station_is_seen_at_each_worker_and_hears_from_any_what_is_wanted(
    serve_together: ServeTogether,
) -> None:
    async with serve_together(recorded=True) as (leader, other):
        await save(leader.client)
        await other.client.put(URL, json=REPORT)
        async with asyncio.timeout(60):
            while (await leader.client.get(URL)).status_code != 200:
                await asyncio.sleep(0)
        asked = await leader.client.post(f"{URL}/recipe", json={"number": 7})
        wish = asked.json()["wish"]
        heard = await other.client.put(URL, json=REPORT)
        assert heard.json()["wish"] == wish
        taken = await other.client.put(URL, json={**REPORT, "taken": wish["sequence"]})
        assert taken.json()["wish"] is None
        async with asyncio.timeout(60):
            while (await leader.client.get(URL)).json()["station"]["wish"] is not None:
                await asyncio.sleep(0)
