"""Recipes and open parts, of which a server has one of each, whichever way a view comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from service.api.multiview.answers import recorded_of
from service.api.records.threads import RecordThreads
from service.multiview.book import RecipeBook
from service.multiview.desk import PartDesk
from service.multiview.result import PartResult
from service.observing.records import Outlet, PartRecord
from service.peers import Peers
from service.recording.multiview.parts import highest_number
from service.recording.multiview.recipes import current_recipes, recipe_changes
from service.streaming.sessions import Sessions


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
    records: RecordThreads, peers: Peers, outlets: Sequence[Outlet], sessions: Sessions
) -> Multiview:
    """Make both; whoever ends the server closes the desk.

    Args:
        records: work on the record, which has the recipes.
        peers: the other workers.
        outlets: are told the result of each part.
        sessions: the streams, which tell that the server ends.
    """

    def note(part: PartRecord) -> None:
        for outlet in outlets:
            outlet.note_part(part)

    def ended(result: PartResult) -> None:
        # In the loop's next turn: by then the last view's own answer is noted.
        asyncio.get_running_loop().call_soon(note, recorded_of(result))

    book = RecipeBook(
        partial(records.read, current_recipes), partial(records.read, recipe_changes), peers
    )
    highest = partial(records.read, highest_number)
    return Multiview(book, PartDesk(book, peers, ended, highest, lambda: sessions.closing))
