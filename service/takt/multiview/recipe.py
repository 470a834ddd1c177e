"""A recipe: the views of a part, and the model and thresholds that judge each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from takt.core.bundles.bundle import Bundle
from takt.core.domain import Json

MOST_VIEWS = 16
MOST_CODES = 32
LONGEST_CODE = 128
HIGHEST_NUMBER = 65535
"""A PLC names a recipe by a word of 16 bits, of which 0 says nothing."""

CameraValue = str | float | bool
"""A setting of a camera, which Takt keeps and hands over without a look at it."""

ThresholdsFrom = Literal["calibration", "hand"]


@dataclass(frozen=True, slots=True)
class ViewThresholds:
    """What a view is judged by, fixed when its recipe was saved.

    Attributes:
        image: a picture is anomalous if its score is greater.
        pixel: a picture is anomalous if a value of its map is greater.
        source: whether somebody has set them for the view, or the model gives them.
        alpha: share of good parts that they may reject: all views together where they were found
            together, else this view; None where somebody has set them, here or of the model.
        good_count: good pictures that they rest on; None where somebody has set them.
        part_count: good parts known in every view by which the views' thresholds were found
            together; None where each view has its own share.
    """

    image: float
    pixel: float
    source: ThresholdsFrom
    alpha: float | None = None
    good_count: int | None = None
    part_count: int | None = None


@dataclass(frozen=True, slots=True)
class RecipeView:
    """One view of a part.

    Attributes:
        name: tells it from the others.
        model: that inspects it.
        version: of the model, whichever is active later.
        graph: digest of the version's graph, by which another one in its place is noticed.
        thresholds: that judge it.
        camera: settings of the camera that takes it.
    """

    name: str
    model: str
    version: str
    graph: str
    thresholds: ViewThresholds
    camera: Mapping[str, CameraValue]

    def is_outdated(self, bundle: Bundle) -> bool:
        """Whether the version has got another graph in its folder than the view was saved for.

        Thresholds are of its scale, and not of another one's.
        """
        return bundle.graph_digest != self.graph


@dataclass(frozen=True, slots=True)
class PartRecipe:
    """What parts of one kind are inspected by.

    Attributes:
        number: that names it to a PLC.
        alpha: share of good parts that all views together may reject.
        deadline_ms: time from a part's first view to its result, whatever has come by then.
        views: that a part has, each once.
        codes: patterns, as `fnmatch` has them, of the codes that a reader reads off its parts; a
            station finds the recipe of a part by them.
    """

    number: int
    alpha: float
    deadline_ms: float
    views: tuple[RecipeView, ...]
    # Recipes of earlier days have none.
    codes: tuple[str, ...] = ()

    def view(self, name: str) -> RecipeView | None:
        """The view of a name; None where there is none."""
        return next((one for one in self.views if one.name == name), None)

    @property
    def json(self) -> Json:
        """The recipe as the record and the audit log have it."""
        body = asdict(self)
        return {**body, "views": list(body["views"]), "codes": list(body["codes"])}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> PartRecipe:
        """The recipe whose `json` this is."""
        return _RECIPE.validate_python(body)


_RECIPE: Final = TypeAdapter(PartRecipe)


@dataclass(frozen=True, slots=True)
class RecipeRevision:
    """A recipe as it was from one change to the next.

    Attributes:
        name: of the recipe.
        revision: 1 for the first one, and one more with each change.
        recipe: what it says.
        changed_us: when it was saved, in µs of Unix time.
        who: saved it.
        reason: why, if somebody said so.
    """

    name: str
    revision: int
    recipe: PartRecipe
    changed_us: int
    who: str
    reason: str | None
