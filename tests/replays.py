"""Records inspections by a server in this process, and replays them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import httpx

from takt.app import create_app
from takt.parts.composing.assembly import foundation_of
from takt.recording.record import Record
from takt.recording.search.filters import Filters
from takt.recording.search.pages import page_of
from takt.recording.search.stored import StoredInspection
from takt.repository.replaying.many import NotReplayed, replay_many
from takt.repository.replaying.replay import Replay
from takt.settings import Settings

Outcome = Replay | NotReplayed


async def record_pictures(
    settings: Settings, record: Record, pictures: Iterable[bytes], model: str = "parts"
) -> None:
    """Have a server with these settings inspect pictures, and record them."""
    app = create_app(settings, record=record)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
    async with app.router.lifespan_context(app), client:
        await foundation_of(app).models.repository.loaded.wait()
        for picture in pictures:
            response = await client.post(f"/v1/models/{model}/inspect", content=picture)
            assert response.status_code == 200, response.text


def stored_inspections(record: Record) -> list[StoredInspection]:
    """All of a small record, the oldest first."""
    with record.database.reading() as connection:
        page = page_of(connection, Filters(), limit=1000)
    return sorted(page.inspections, key=lambda one: one.id)


def replayed(
    record: Record,
    inspections: Sequence[StoredInspection],
    settings: Settings,
    engine: str | None = None,
) -> list[Outcome]:
    """Replay inspections, in the order of their numbers."""

    async def run() -> list[Outcome]:
        return [one async for one in replay_many(inspections, record.pictures, settings, engine)]

    return sorted(asyncio.run(run()), key=lambda one: one.stored.id)
