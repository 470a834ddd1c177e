"""Recipes and open parts, of which a server has one of each, whichever way a view comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from takt.api.multiview.answers import recorded_of
from takt.api.records.threads import RecordThreads
from takt.core.errors import RecordError
from takt.multiview.book import RecipeBook
from takt.multiview.desk import PartDesk
from takt.multiview.result import PartResult
from takt.observing.records import Outlet, PartRecord
from takt.peers import Peers
from takt.recording.multiview.parts import highest_number
from takt.recording.multiview.recipes import current_recipes, recipe_changes
from takt.streaming.sessions import Sessions

Stored = Callable[[int], Awaitable[None]]
"""Waits until the record has the result of a part of this number."""


@dataclass(frozen=True, slots=True)
class Multiview:
    """What parts of several views are inspected by, and where their views are taken.

    Attributes:
        book: the recipes.
        desk: the open parts.
    """

    book: RecipeBook
    desk: PartDesk


def open_multiview(
    records: RecordThreads,
    peers: Peers,
    outlets: Sequence[Outlet],
    sessions: Sessions,
    stored: Stored | None = None,
) -> Multiview:
    """Make both; whoever ends the server closes the desk.

    Args:
        records: work on the record, which has the recipes.
        peers: the other workers.
        outlets: are told the result of each part.
        sessions: the streams, which tell that the server ends.
        stored: is waited for before a result is told; None where no answer waits for the record.
    """
    telling: set[asyncio.Task[None]] = set()

    def note(part: PartRecord, some: Sequence[Outlet] = outlets) -> None:
        for outlet in some:
            outlet.note_part(part)

    async def tell(part: PartRecord, stored: Stored) -> None:
        # Whoever brought the last view waits as well, and began to before this did.
        with contextlib.suppress(RecordError):
            await stored(part.number)
        note(part, outlets[1:])

    def ended(result: PartResult) -> None:
        # In the loop's next turn: by then the last view's own answer is noted.
        part = recorded_of(result)
        if stored is None:
            asyncio.get_running_loop().call_soon(note, part)
            return
        # The record has the part's views already, and the others hear of it behind the record.
        note(part, outlets[:1])
        task = asyncio.create_task(tell(part, stored))
        telling.add(task)
        task.add_done_callback(telling.discard)

    book = RecipeBook(
        partial(records.read, current_recipes), partial(records.read, recipe_changes), peers
    )
    highest = partial(records.read, highest_number)
    desk = PartDesk(book, peers, ended, highest, lambda: sessions.closing, stored)
    return Multiview(book, desk)
