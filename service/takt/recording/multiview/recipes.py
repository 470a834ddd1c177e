"""Recipes in the database: every change is a revision, and stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, func, insert, select

from takt.core.domain import Json
from takt.core.errors import (
    CodesTakenError,
    NumberTakenError,
    RecipeChangedError,
    RecipeNotFoundError,
)
from takt.recording.audit.chain import append, tell_stored
from takt.recording.audit.entry import Change
from takt.recording.database import Database, hold
from takt.recording.search.times import now_us
from takt.recording.tables import recipes

_LOCK = 7353
"""Held by whoever changes recipes, so that no two get one number."""


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """A revision of a recipe, as the table has it.

    Attributes:
        name: of the recipe.
        revision: 1 for the first one.
        at_us: when it was saved, in µs of Unix time.
        who: saved it.
        reason: why, if somebody said so.
        content: what the recipe says; None where it was removed.
    """

    name: str
    revision: int
    at_us: int
    who: str
    reason: str | None
    content: Json | None


def current_recipes(connection: Connection) -> tuple[StoredRecipe, ...]:
    """The latest revision of each recipe that was not removed, by name."""
    return tuple(one for row in connection.execute(_LATEST) if (one := _stored(row)).content)


def recipe_changes(connection: Connection) -> int:
    """A number that is higher after each change."""
    return int(connection.scalar(select(func.max(recipes.c.id))) or 0)


def recipe_of(connection: Connection, name: str, revision: int | None = None) -> StoredRecipe:
    """A recipe as it is, or as it was.

    Raises:
        RecipeNotFoundError: there is none, or no such revision.
    """
    query = select(recipes).where(recipes.c.name == name).order_by(recipes.c.revision.desc())
    if revision is not None:
        query = query.where(recipes.c.revision == revision)
    row = connection.execute(query.limit(1)).one_or_none()
    found = None if row is None else _stored(row)
    if found is None or found.content is None:
        raise no_recipe(name, revision)
    return found


def revisions_of(
    connection: Connection, name: str, before: int | None, most: int
) -> tuple[StoredRecipe, ...]:
    """Revisions of a recipe, the latest first, those that removed it among them.

    Args:
        connection: to the record.
        name: of the recipe.
        before: revisions before this one; None for the latest.
        most: revisions at a time.

    Raises:
        RecipeNotFoundError: there has never been a recipe of this name.
    """
    query = select(recipes).where(recipes.c.name == name).order_by(recipes.c.revision.desc())
    later = query if before is None else query.where(recipes.c.revision < before)
    found = tuple(_stored(row) for row in connection.execute(later.limit(most)))
    if not found and connection.execute(query.limit(1)).one_or_none() is None:
        raise no_recipe(name)
    return found


def no_recipe(name: str, revision: int | None = None) -> RecipeNotFoundError:
    """What is said where there is no such recipe."""
    what = f"no recipe {name!r}" if revision is None else f"no revision {revision} of {name!r}"
    return RecipeNotFoundError(f"there is {what}; GET /v1/recipes lists the recipes")


def save_recipe(
    database: Database,
    name: str,
    content: Json,
    *,
    who: str,
    reason: str | None,
    client: str | None,
    seen: int | None = None,
) -> StoredRecipe:
    """Save a recipe; what it says already is no change.

    Args:
        database: of the record.
        name: of the recipe.
        content: what it says; its `number` is one that no other recipe has, and so is each of its
            `codes`.
        who: saves it.
        reason: why, if somebody said so.
        client: address of who asks.
        seen: the revision that they have seen, 0 where there was no recipe; None for any.

    Raises:
        NumberTakenError: another recipe has the number.
        CodesTakenError: another recipe has one of the codes.
        RecipeChangedError: the recipe is at another revision by now.
        RecordError: the database cannot be written.
    """

    def check(connection: Connection, before: StoredRecipe | None) -> Json | None:
        # Whoever sends a change again whose answer was lost finds it there.
        if before is None or before.content != content:
            _check_seen(name, before, seen)
        for other in current_recipes(connection):
            said = other.content or {}
            if other.name != name and said["number"] == content["number"]:
                raise NumberTakenError(
                    f"recipe {other.name!r} has the number {content['number']}; give this one "
                    "another, as a PLC tells recipes apart by it"
                )
            shared = set(said.get("codes", ())) & set(content.get("codes", ()))
            if other.name != name and shared:
                raise CodesTakenError(
                    f"recipe {other.name!r} has the codes {', '.join(sorted(shared))}; leave them "
                    "out here or there, as a station tells recipes apart by them"
                )
        return content

    change = Change(who, "recipe_changed", reason=reason, client=client)
    return _change(database, name, check, change)


def remove_recipe(
    database: Database,
    name: str,
    *,
    who: str,
    reason: str | None,
    client: str | None,
    seen: int | None = None,
) -> StoredRecipe:
    """Remove a recipe; its revisions stay, as parts name them.

    Raises:
        RecipeNotFoundError: there is none.
        RecipeChangedError: it is at another revision than was `seen`.
        RecordError: the database cannot be written.
    """

    def check(connection: Connection, before: StoredRecipe | None) -> Json | None:
        if before is None or before.content is None:
            raise no_recipe(name)
        _check_seen(name, before, seen)
        return None

    change = Change(who, "recipe_removed", reason=reason, client=client)
    return _change(database, name, check, change)


def _change(
    database: Database,
    name: str,
    content_of: Callable[[Connection, StoredRecipe | None], Json | None],
    change: Change,
) -> StoredRecipe:
    """Give a recipe a revision; the change says who asks for it, and becomes an entry."""
    with database.writing(durable=True) as connection:
        hold(connection, _LOCK)
        row = connection.execute(_LATEST.where(recipes.c.name == name)).one_or_none()
        before = None if row is None else _stored(row)
        content = content_of(connection, before)
        if before is not None and before.content == content:
            return before
        revision = 1 if before is None else before.revision + 1
        after = StoredRecipe(name, revision, now_us(), change.who, change.reason, content)
        stored = None if content is None else orjson.dumps(content).decode()
        connection.execute(insert(recipes), asdict(after) | {"content": stored})
        old = None if before is None else _told(before)
        told = replace(change, old=old, new=_told(after), at_us=after.at_us)
        (entry,) = append(connection, told)
    tell_stored(database, entry)
    return after


def _check_seen(name: str, now: StoredRecipe | None, seen: int | None) -> None:
    """Refuse a change by somebody who has not seen what is there.

    Raises:
        RecipeChangedError: the recipe is at another revision than they have seen.
    """
    there = 0 if now is None or now.content is None else now.revision
    if seen is None or seen == there:
        return
    if there == 0 or now is None:
        raise RecipeChangedError(
            f"there is no recipe {name!r} any more, and you have seen its revision {seen}; save it "
            "with revision 0 to make it anew"
        )
    raise RecipeChangedError(
        f"recipe {name!r} is at revision {there} by now, saved by {now.who}, and you have seen "
        f"{seen or 'none'}; look at it, and send your change again with revision {there}"
    )


def _told(one: StoredRecipe) -> Json:
    return {"recipe": one.name, "revision": one.revision, **(one.content or {})}


def _stored(row: Row[Any]) -> StoredRecipe:
    values = row._asdict()
    del values["id"]
    said = values.pop("content")
    return StoredRecipe(**values, content=None if said is None else orjson.loads(said))


_newest = select(func.max(recipes.c.id)).group_by(recipes.c.name)
_LATEST: Select[Any] = select(recipes).where(recipes.c.id.in_(_newest)).order_by(recipes.c.name)
