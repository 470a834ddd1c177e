"""What takes changes of recipes, and tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from takt.api.multiview.schemas import HandThresholds, RecipeIn, RecipeOut
from takt.api.records.threads import RecordThreads
from takt.core.bundles.bundle import Bundle
from takt.core.domain import Json
from takt.core.errors import (
    CalibrationError,
    ConflictError,
    ForbiddenError,
    ModelNotFoundError,
    NotReadyError,
)
from takt.multiview.book import RecipeBook
from takt.multiview.recipe import PartRecipe, RecipeRevision, RecipeView, ViewThresholds
from takt.multiview.view_thresholds import (
    check_finite,
    thresholds_of_views,
    why_not_of_the_model,
)
from takt.recording.search.times import time_of
from takt.repository.model_version import Loaded
from takt.repository.repository import ModelRepository

FIXED = ForbiddenError(
    "this server's thresholds are not to be changed; leave out the views' thresholds, or have "
    "whoever runs it set threshold_changes"
)


@dataclass(frozen=True, slots=True)
class RecipeDesk:
    """Takes changes of recipes.

    Attributes:
        threads: work on the record.
        repository: the models, of which a recipe names versions.
        book: the recipes as parts are inspected by them.
        by_hand: whether recipes may have thresholds of their own.
    """

    threads: RecordThreads
    repository: ModelRepository
    book: RecipeBook
    by_hand: bool

    def fixed(self, given: RecipeIn) -> PartRecipe:
        """A recipe with the versions and thresholds that hold for it from now on.

        Raises:
            ModelNotFoundError, NotReadyError: a view's model cannot be asked.
            TooFewPicturesError: the calibrations know too few pictures.
            ForbiddenError: somebody sets thresholds, which nobody may.
        """
        versions = [self.repository.get(view.model, view.version) for view in given.views]
        loaded = [version.check_ready() for version in versions]
        bundles = [one.bundle for one in loaded]
        by_hand = [view.thresholds is not None for view in given.views]
        if any(by_hand) and not self.by_hand:
            raise ForbiddenError(str(FIXED))
        calibrated = [one for one, hand in zip(loaded, by_hand, strict=True) if not hand]
        for view, bundle in zip(given.views, bundles, strict=True):
            if view.thresholds is None:
                _check_calibration(view.name, bundle)
        found = iter(
            thresholds_of_views(
                [one.bundle for one in calibrated],
                given.alpha,
                [one.thresholds.in_force for one in calibrated],
            )
        )
        return PartRecipe(
            given.number,
            given.alpha,
            given.deadline_ms,
            tuple(
                RecipeView(
                    view.name,
                    version.name,
                    version.version,
                    bundle.graph_digest,
                    next(found) if view.thresholds is None else _hand(view.thresholds),
                    dict(view.camera),
                )
                for view, version, bundle in zip(given.views, versions, bundles, strict=True)
            ),
            tuple(given.codes),
        )

    def outdated(self, recipe: PartRecipe) -> list[str]:
        """Names of the views whose version has another graph than when the recipe was saved."""
        return [view.name for view in recipe.views if self._has_other_graph(view)]

    def shown(self, found: RecipeRevision) -> RecipeOut:
        """A revision as the API tells it."""
        views = found.recipe.views
        told = [{**asdict(view), "thresholds": self._told(view, views)} for view in views]
        return RecipeOut.model_validate(
            {
                **found.recipe.json,
                "views": told,
                "name": found.name,
                "revision": found.revision,
                "outdated": self.outdated(found.recipe),
                "changed_at": time_of(found.changed_us),
                "changed_by": found.who,
                "reason": found.reason,
            }
        )

    def _told(self, view: RecipeView, views: Sequence[RecipeView]) -> Json:
        """A view's thresholds, beside those by which its model judges now."""
        told: Json = {**asdict(view.thresholds), "of_model": None, "differs": None}
        loaded = self._loaded(view)
        if loaded is None or view.is_outdated(loaded.bundle):
            return told
        calibrated = sum(one.thresholds.source == "calibration" for one in views)
        deployed = loaded.thresholds
        pair, changed = deployed.in_force, deployed.overrides.image or deployed.overrides.pixel
        alpha = None if changed else loaded.bundle.manifest.thresholds.alpha
        told["of_model"] = {"image": pair.image, "pixel": pair.pixel, "alpha": alpha}
        told["differs"] = why_not_of_the_model(view.thresholds, calibrated, loaded.bundle, pair)
        return told

    def _has_other_graph(self, view: RecipeView) -> bool:
        # Where its model cannot be asked nobody knows, and a view says so itself.
        loaded = self._loaded(view)
        return loaded is not None and view.is_outdated(loaded.bundle)

    def _loaded(self, view: RecipeView) -> Loaded | None:
        """What judges a view; None where it cannot be asked."""
        try:
            return self.repository.get(view.model, view.version).check_ready()
        except (ModelNotFoundError, NotReadyError):
            return None


def _check_calibration(view: str, bundle: Bundle) -> None:
    try:
        check_finite(bundle)
    except CalibrationError as error:
        raise ConflictError(f"view {view}: {error}") from None


def _hand(given: HandThresholds) -> ViewThresholds:
    return ViewThresholds(given.image, given.pixel, "hand")
