"""The JSON of recipes and of parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from takt.api.given import BodyIn, QueryIn
from takt.api.labels import Label, LabelsIn, TagText, tags_of
from takt.api.records.filters import Text
from takt.api.schemas import InspectionOut, ReplyOut, Schema
from takt.core.bundles.conformal import USUAL_ALPHA
from takt.core.bundles.thresholds import MAX_REASON
from takt.core.domain import HeatmapKind, ImageFormat, InspectOptions, Labels, Priority, Witness
from takt.core.domain import VerdictName as Verdict
from takt.multiview.open_parts import ViewState, ViewWish
from takt.multiview.recipe import (
    HIGHEST_NUMBER,
    LONGEST_CODE,
    MOST_CODES,
    MOST_VIEWS,
    ThresholdsFrom,
)
from takt.multiview.result import EndedBy, NoDecision
from takt.multiview.view_thresholds import Difference
from takt.recording.multiview.parts import MOST_PARTS, PartFilters
from takt.recording.search.filters import ExportFormat
from takt.recording.search.times import EXAMPLES, us_of

LONGEST_MS = 3_600_000.0
MOST_CAMERA_SETTINGS = 32
HIGHEST_REVISION = 2**31 - 1

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of a recipe or a view: what a path, a topic and a file can have."""

_CODE = r"^[!-~]([ -~]*[!-~])?$"
"""Printable ASCII without a blank at its ends, as a station reads codes."""

PartNumber = Annotated[int, Field(ge=0, le=2**63 - 1)]
PlainName = Annotated[str, Field(pattern=NAME)]
RecipeNumber = Annotated[int, Field(ge=1, le=HIGHEST_NUMBER)]
CodePattern = Annotated[str, Field(max_length=LONGEST_CODE, pattern=_CODE)]
CameraSetting = Annotated[str, Field(max_length=256)] | bool | float


class HandThresholds(BodyIn):
    """Thresholds that somebody sets for a view; they promise nothing."""

    image: float = Field(description="Of a picture's score.")
    pixel: float = Field(
        description="Of a map value; with one that no map reaches, such as 1e30, the score alone "
        "decides."
    )


class RecipeViewIn(BodyIn):
    """A view that a part has."""

    name: PlainName = Field(description="Tells it from the other views of the recipe.")
    model: str = Field(description="Name of the model that inspects it.")
    version: str | None = Field(
        None, description="Of the model; null for the one that is active now, which is kept."
    )
    thresholds: HandThresholds | None = Field(
        None, description="Null for those that the model's calibration gives, at the recipe's α."
    )
    camera: dict[PlainName, CameraSetting] = Field(
        default_factory=dict,
        max_length=MOST_CAMERA_SETTINGS,
        description="Settings of the camera, kept for whoever takes the picture.",
    )


class RecipeIn(BodyIn):
    """What parts of one kind are inspected by."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "number": 7,
                "deadline_ms": 800,
                "alpha": 0.01,
                "views": [
                    {"name": "top", "model": "pitting", "camera": {"exposure_us": 900}},
                    {"name": "side", "model": "pitting", "version": "1"},
                ],
                "reason": "a second camera",
            }
        }
    )

    number: RecipeNumber = Field(description="That names it to a PLC; of no other recipe.")
    deadline_ms: float = Field(
        gt=0,
        le=LONGEST_MS,
        description="Time from a part's first view to its result, whatever has come by then.",
    )
    alpha: float = Field(
        USUAL_ALPHA,
        gt=0,
        lt=1,
        description="Share of good parts that all views together may reject.",
    )
    views: list[RecipeViewIn] = Field(min_length=1, max_length=MOST_VIEWS)
    revision: int | None = Field(
        None,
        ge=0,
        le=HIGHEST_REVISION,
        description="The one that is changed, 0 for a recipe that is to be new: 409 where another "
        "one is there by now. Null to replace whatever is there.",
    )
    codes: list[CodePattern] = Field(
        default_factory=list,
        max_length=MOST_CODES,
        description="Patterns of the codes that a reader reads off its parts, such as `AB-*`: `*` "
        "is any text, `?` one character, `[ab]` one of these; capitals are told from small "
        "letters. A station finds the recipe of a part by them; each is of no other recipe.",
    )
    reason: str | None = Field(None, max_length=MAX_REASON, description="Kept and logged.")

    @model_validator(mode="after")
    def _views_have_names(self) -> Self:
        names = [view.name for view in self.views]
        if len(names) != len(set(names)):
            raise ValueError("two views have one name")
        return self

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        if len(self.codes) != len(set(self.codes)):
            raise ValueError("a pattern of codes is there twice")
        return self


class ModelThresholdsOut(Schema):
    """What the version of a view's model judges by now, where a picture is no view."""

    image: float
    pixel: float
    alpha: float | None = Field(
        description="False-reject rate that they were calibrated for; null where they promise none."
    )


class ViewThresholdsOut(Schema):
    """What a view is judged by, fixed when its recipe was saved."""

    image: float
    pixel: float
    source: ThresholdsFrom
    alpha: float | None = Field(
        description="Share of good parts that they may reject. Where `part_count` is a number, all "
        "views together: that of the recipe. Else this view: that of the recipe, divided by the "
        "views that a calibration judges. Null where somebody has set them, here or of the model."
    )
    good_count: int | None = Field(
        description="Good pictures that they rest on; null where somebody has set them."
    )
    part_count: int | None = Field(
        description="Good parts, known in every such view, by which the views' thresholds were "
        "found together; null where each view has its own share."
    )
    of_model: ModelThresholdsOut | None = Field(
        description="Those of the version itself; null where it is not ready, or another one by "
        "now."
    )
    differs: Difference | None = Field(
        description="Why the view's are others than those: `share` or `together`, as several views "
        "share α; `alpha`, as the recipe asks for another one than the model was calibrated for; "
        "`no_promise`, as the model's own promise none; `hand`, as somebody has set the view's; "
        "`kept`, as the recipe keeps what it was saved with, and the model's are others now. Null "
        "where both are the same, which is how a single view at its model's α is saved."
    )


class RecipeViewOut(Schema):
    """A view that a part has."""

    name: str
    model: str
    version: str
    graph: str = Field(description="SHA-256 of the model's graph, which another one lacks.")
    thresholds: ViewThresholdsOut
    camera: dict[str, str | bool | float]


class RecipeOut(Schema):
    """A recipe, at one of its revisions."""

    name: str
    number: int
    revision: int = Field(description="1 for the first one, and one more with each change.")
    alpha: float
    deadline_ms: float
    views: list[RecipeViewOut]
    outdated: list[str] = Field(
        description="Views whose version has got another graph since; save the recipe again."
    )
    codes: list[str] = Field(description="Patterns of the codes of its parts.")
    changed_at: datetime
    changed_by: str
    reason: str | None


class OneRecipeOut(ReplyOut):
    """A recipe."""

    recipe: RecipeOut


class RecipesOut(ReplyOut):
    """The recipes, by name."""

    recipes: list[RecipeOut]


class RecipeRevisionOut(Schema):
    """One revision of a recipe."""

    revision: int
    changed_at: datetime
    changed_by: str
    reason: str | None
    recipe: RecipeOut | None = Field(description="Null where it was removed.")


class RecipeRevisionsOut(ReplyOut):
    """What a recipe has been, the latest revision first."""

    name: str
    revisions: list[RecipeRevisionOut]


class RemovedRecipeOut(ReplyOut):
    """A recipe that was removed."""

    name: str
    revision: int = Field(description="That has nothing but that it was removed.")


class ViewOptionsIn(QueryIn):
    """The options of a view; what judges it is the recipe's, and cannot be another."""

    recipe: PlainName = Field(description="Name of the part's recipe, with each of its views.")
    again: bool = Field(
        False,
        description="Whether the id stands for another part than the one that has just ended; so "
        "it does by itself a minute after that end.",
    )
    station: Label | None = Field(None, description="Where the picture was taken; recorded.")
    lot: Label | None = Field(None, description="The lot that the part belongs to; recorded.")
    tags: TagText | None = Field(
        None, description="Anything else to be recorded: names and values, shift=2,camera=left."
    )
    heatmap: HeatmapKind = Field(
        "none", description="`map`, `overlay` or `raw`, as text in `inspection`."
    )
    format: ImageFormat = Field("jpeg", description="Of `map` and `overlay`.")
    timeout_ms: float | None = Field(
        None,
        gt=0,
        le=LONGEST_MS,
        description="504 after this; else the server's, and never beyond the part's deadline.",
    )
    priority: Priority = Field("line", description="`line` pictures go before `bulk` ones.")

    def labels(self, part: str) -> Labels:
        """What the record is to say of the picture."""
        return LabelsIn(station=self.station, part=part, lot=self.lot, tags=self.tags).labels

    def options(self, default_timeout_ms: float, caller: str) -> InspectOptions:
        """The options of the inspection, before the part's recipe is known."""
        timeout_ms = default_timeout_ms if self.timeout_ms is None else self.timeout_ms
        return InspectOptions(
            heatmap=self.heatmap,
            format=self.format,
            timeout_s=timeout_ms / 1000,
            priority=self.priority,
            caller=caller,
        )


class PartFiltersIn(QueryIn):
    """Which parts are wanted: those that meet every filter that is given."""

    part: str | None = Field(None, max_length=128, description="Parts of this id alone.")
    recipe: PlainName | None = Field(None, description="Of this recipe alone.")
    verdict: Verdict | None = Field(None, description="Of this one alone.")
    station: Text | None = Field(None, description="Of this station alone.")
    since: Text | None = Field(None, description=f"Ended at this time or later: {EXAMPLES}.")
    until: Text | None = Field(None, description="Ended before this time.")

    def filters(self) -> PartFilters:
        """The filters.

        Raises:
            InvalidParameterError: one cannot be met, whatever the record has.
        """
        now = datetime.now(UTC)
        return PartFilters(
            *(self.part, self.recipe, self.verdict),
            station=self.station,
            since_us=None if self.since is None else us_of(self.since, now),
            until_us=None if self.until is None else us_of(self.until, now),
        )


class PartsIn(PartFiltersIn):
    """Some parts, the latest first."""

    before: PartNumber | None = Field(None, description="Those before this number.")
    limit: int = Field(50, gt=0, le=MOST_PARTS)


class PartsExportIn(PartFiltersIn):
    """An export of parts."""

    format: ExportFormat = Field(description="CSV, JSON lines or Parquet.")


class EndOptionsIn(QueryIn):
    """What is said of a part of which no view came."""

    recipe: PlainName | None = Field(
        None, description="Name of the recipe that such a part is of; null where one has begun."
    )
    station: Label | None = Field(None, description="Where it was; recorded, with `recipe`.")
    lot: Label | None = Field(None, description="The lot that it belongs to; recorded.")
    tags: TagText | None = Field(
        None, description="Anything else to be recorded: names and values, plc_part=17."
    )

    def unseen(self, part: str) -> ViewWish | None:
        """What is said of such a part; None where a part has begun."""
        if self.recipe is None:
            return None
        tags = dict(tags_of(self.tags)) if self.tags else {}
        return ViewWish(part, "", self.recipe, "", station=self.station, lot=self.lot, tags=tags)


class PartViewOut(Schema):
    """A view of a part."""

    view: str
    state: ViewState | Literal["missing"]
    request_id: str | None = Field(description="Of its inspection; null without one, as all else.")
    inspection_id: int | None = Field(
        description="Of its inspection in the record; null until it is stored."
    )
    model: str | None
    version: str | None
    verdict: Verdict | None
    score: float | None
    threshold: float | None
    scaled: float | None = Field(
        description="How near it is to being rejected, by score and map: 1 at its thresholds. Null "
        "where one of them is not above 0."
    )
    witness: Witness | None = Field(
        description="What decided that it is a defect: its score, or a region where the map alone "
        "did; null where it is none.",
    )


class PartResultOut(Schema):
    """The one result of a part."""

    verdict: Verdict = Field(
        description="`defect` where a view is; `undecided` where a view is missing, or where one "
        "cannot be judged and none is a defect; `good` where all of them are."
    )
    reason: NoDecision | None = Field(description="Why it is undecided; null where it is not.")
    score: float | None = Field(
        description="The highest `scaled` of its views; null where none has one."
    )
    view: str | None = Field(description="The view whose that is.")
    decided_by: str | None = Field(
        description="The view that decided: of those that are a defect the furthest over its "
        "thresholds, or the first that is missing or cannot be judged; null where all are good."
    )
    witness: Witness | None = Field(
        description="What decided that this view is a defect: its score, or a region where the map "
        "alone did; null where the part is none."
    )
    ended_by: EndedBy = Field(description="Its last view, a caller, the deadline, or a stop.")
    ended_at: datetime
    views: list[PartViewOut] = Field(description="Every view of the recipe, in its order.")


class PartOut(Schema):
    """A part: what it waits for, or what became of it."""

    part: str
    number: int = Field(
        description="Tells it from other parts of this id; a later one has a higher number."
    )
    recipe: str
    revision: int = Field(description="Of the recipe, for all views of the part.")
    state: Literal["open", "ended"]
    station: str | None = Field(description="Where it was, as its first view says.")
    lot: str | None = Field(description="That it belongs to, as its first view says.")
    tags: dict[str, str] = Field(
        description="Anything else that its first view says; `plc_part` is a PLC's number of it."
    )
    began_at: datetime
    left_ms: float | None = Field(description="Time until its deadline; null when it has ended.")
    views: list[PartViewOut] = Field(description="Every view of the recipe, in its order.")
    result: PartResultOut | None = Field(description="Null while it is open.")


class OnePartOut(ReplyOut):
    """A part."""

    part: PartOut


class PartsOut(ReplyOut):
    """Parts that have their result, the latest first."""

    parts: list[PartOut]


class ViewAnswerOut(ReplyOut):
    """The answer to a view of a part."""

    part: str
    number: int = Field(description="Tells the part from others of its id.")
    recipe: str
    revision: int
    view: str
    inspection: InspectionOut
    result: PartResultOut | None = Field(
        description="Of the part, if this view was inspected last; else null."
    )
