"""Parts of several views: the answers of a server as values, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Required, TypedDict

from takt_client.reading import Json, inspected_of, record_of
from takt_client.values import (
    HeatmapKind,
    ImageFormat,
    Inspected,
    PartResult,
    PartView,
    Priority,
)


class PartChoices(TypedDict, total=False):
    """What the server's record is to say of a part.

    Attributes:
        station: where it was.
        lot: that it belongs to.
        tags: anything else, as names and values.
    """

    station: str
    lot: str
    tags: Mapping[str, str]


class ViewChoices(PartChoices, total=False):
    """Options of a view; the server chooses those that are left out.

    Attributes:
        again: whether the id stands for another part than the one that has just ended.
        heatmap: `none`, the coloured `map`, the `overlay` on the picture, or the `raw` map.
        format: of the coloured pictures.
        timeout_ms: after which the server gives up.
        priority: `line` goes before `bulk` where both wait.
    """

    again: bool
    heatmap: HeatmapKind
    format: ImageFormat
    timeout_ms: float
    priority: Priority


@dataclass(frozen=True, slots=True)
class Part:
    """A part: what it waits for, or what became of it.

    Attributes:
        part: its id.
        number: tells it from other parts of this id; a later one has a higher number.
        recipe: name of the recipe.
        revision: of the recipe, for all of its views.
        state: `open` or `ended`.
        began_at: UTC, ISO 8601.
        left_ms: time until its deadline; None when it has ended.
        views: every view of the recipe, in its order.
        result: None while it is open.
    """

    part: str
    number: int
    recipe: str
    revision: int
    state: str
    began_at: str
    left_ms: float | None
    views: tuple[PartView, ...]
    result: PartResult | None


@dataclass(frozen=True, slots=True)
class ViewInspected:
    """Answer to a view of a part.

    Attributes:
        part: id of the part.
        number: tells it from other parts of this id.
        recipe: name of the recipe.
        revision: of the recipe.
        view: name of the view.
        inspected: what was found in the picture.
        result: of the part, if this view was inspected last; else None.
    """

    part: str
    number: int
    recipe: str
    revision: int
    view: str
    inspected: Inspected
    result: PartResult | None


@dataclass(frozen=True, slots=True)
class RecipeView:
    """A view that a part has.

    Attributes:
        name: tells it from the others.
        model: that inspects it.
        version: of the model.
        threshold: of the score.
        pixel_threshold: of the map's values.
        source: where the thresholds come from, `calibration` or `hand`.
        camera: settings of the camera, for whoever takes the picture.
    """

    name: str
    model: str
    version: str
    threshold: float
    pixel_threshold: float
    source: str
    camera: Mapping[str, str | bool | float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What parts of one kind are inspected by.

    Attributes:
        name: of the recipe.
        number: that names it to a PLC.
        revision: 1 for the first one, and one more with each change.
        alpha: share of good parts that all views together may reject.
        deadline_ms: time from a part's first view to its result.
        views: that a part has.
        outdated: names of views whose version has got another graph since; save it again.
        changed_at: UTC, ISO 8601.
        changed_by: who saved it.
        reason: why, if somebody said so.
        codes: patterns of the codes that a reader reads off its parts, by which a station finds it.
    """

    name: str
    number: int
    revision: int
    alpha: float
    deadline_ms: float
    views: tuple[RecipeView, ...]
    outdated: tuple[str, ...]
    changed_at: str
    changed_by: str
    reason: str | None
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecipeRevision:
    """What a recipe was from one change to the next.

    Attributes:
        revision: 1 for the first one, and one more with each change.
        changed_at: UTC, ISO 8601.
        changed_by: who made the change.
        reason: why, if somebody said so.
        recipe: as it was; None where it was removed.
    """

    revision: int
    changed_at: str
    changed_by: str
    reason: str | None
    recipe: Recipe | None


class HandThresholds(TypedDict):
    """Thresholds that somebody sets for a view; they promise nothing.

    Attributes:
        image: of the score.
        pixel: of the map's values; with one that no map reaches, 1e30, the score alone decides.
    """

    image: float
    pixel: float


class RecipeViewChoices(TypedDict, total=False):
    """A view of a recipe that is saved.

    Attributes:
        name: tells it from the other views.
        model: that inspects it.
        version: of the model; else the one that is active, which is kept.
        thresholds: else those that the model's calibration gives at the recipe's alpha.
        camera: settings of the camera, for whoever takes the picture.
    """

    name: Required[str]
    model: Required[str]
    version: str
    thresholds: HandThresholds
    camera: Mapping[str, str | bool | float]


class RecipeChoices(TypedDict, total=False):
    """What a recipe is to say.

    Attributes:
        number: that names it to a PLC; of no other recipe.
        deadline_ms: time from a part's first view to its result.
        views: that a part has, each once.
        alpha: share of good parts that all views together may reject; else 0.01.
        codes: patterns of the codes of its parts, each of no other recipe; else none.
        revision: that is changed, 0 for a recipe that is to be new: RecipeChangedError where
            another one is there by now. Without it whatever is there is replaced.
        reason: why, for the record and the audit log.
    """

    number: Required[int]
    deadline_ms: Required[float]
    views: Required[Sequence[RecipeViewChoices]]
    alpha: float
    codes: Sequence[str]
    revision: int
    reason: str


def recipes_of(answer: Json) -> tuple[Recipe, ...]:
    """From the JSON of `GET /v1/recipes`."""
    return tuple(_recipe(one) for one in answer["recipes"])


def recipe_of(answer: Json) -> Recipe:
    """From the JSON of `GET /v1/recipes/{recipe}`."""
    return _recipe(answer["recipe"])


def revisions_of(answer: Json) -> tuple[RecipeRevision, ...]:
    """From the JSON of `GET /v1/recipes/{recipe}/revisions`."""
    return tuple(
        record_of(RecipeRevision, one, recipe=one["recipe"] and _recipe(one["recipe"]))
        for one in answer["revisions"]
    )


def _recipe(one: Json) -> Recipe:
    views = tuple(_recipe_view(view) for view in one["views"])
    codes = tuple(one.get("codes", ()))
    return record_of(Recipe, one, views=views, outdated=tuple(one["outdated"]), codes=codes)


def _recipe_view(view: Json) -> RecipeView:
    thresholds = view["thresholds"]
    return record_of(
        RecipeView,
        view,
        threshold=float(thresholds["image"]),
        pixel_threshold=float(thresholds["pixel"]),
        source=thresholds["source"],
    )


def view_of(answer: Json) -> ViewInspected:
    """From the JSON of `POST /v1/parts/{id}/views/{view}`."""
    return record_of(
        ViewInspected,
        answer,
        inspected=inspected_of(answer["inspection"]),
        result=result_of(answer["result"]),
    )


def part_of(answer: Json) -> Part:
    """From the JSON of `GET /v1/parts/{id}`."""
    part: Json = answer["part"]
    return record_of(Part, part, views=_views(part["views"]), result=result_of(part["result"]))


def result_of(result: Json | None) -> PartResult | None:
    """From the JSON of a part's result; a verdict is not guessed."""
    if result is None:
        return None
    if result["verdict"] not in ("good", "defect", "undecided"):
        raise ValueError(f"{result['verdict']!r} is no verdict")
    # A server of an earlier release does not say what decided.
    decided = {name: result.get(name) for name in ("decided_by", "witness")}
    return record_of(PartResult, result, views=_views(result["views"]), **decided)


def _views(views: list[Json]) -> tuple[PartView, ...]:
    return tuple(record_of(PartView, one) for one in views)
