"""What takes changes of recipes, and tells them."""

from __future__ import annotations

from dataclasses import dataclass

from service.api.multiview.schemas import HandThresholds, RecipeIn, RecipeOut
from service.api.records.threads import RecordThreads
from service.core.bundles.bundle import Bundle
from service.core.errors import (
    CalibrationError,
    ConflictError,
    ForbiddenError,
    ModelNotFoundError,
    NotReadyError,
)
from service.multiview.book import RecipeBook
from service.multiview.recipe import PartRecipe, RecipeRevision, RecipeView, ViewThresholds
from service.multiview.view_thresholds import check_finite, thresholds_of_views
from service.recording.search.times import time_of
from service.repository.repository import ModelRepository

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
        bundles = [version.check_ready().bundle for version in versions]
        by_hand = [view.thresholds is not None for view in given.views]
        if any(by_hand) and not self.by_hand:
            raise ForbiddenError(str(FIXED))
        calibrated = [bundle for bundle, hand in zip(bundles, by_hand, strict=True) if not hand]
        for view, bundle in zip(given.views, bundles, strict=True):
            if view.thresholds is None:
                _check_calibration(view.name, bundle)
        found = iter(thresholds_of_views(calibrated, given.alpha))
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
        return RecipeOut.model_validate(
            {
                **found.recipe.json,
                "name": found.name,
                "revision": found.revision,
                "outdated": self.outdated(found.recipe),
                "changed_at": time_of(found.changed_us),
                "changed_by": found.who,
                "reason": found.reason,
            }
        )

    def _has_other_graph(self, view: RecipeView) -> bool:
        try:
            loaded = self.repository.get(view.model, view.version).check_ready()
        except (ModelNotFoundError, NotReadyError):
            # Nobody knows, and a view says so itself.
            return False
        return view.is_outdated(loaded.bundle)


def _check_calibration(view: str, bundle: Bundle) -> None:
    try:
        check_finite(bundle)
    except CalibrationError as error:
        raise ConflictError(f"view {view}: {error}") from None


def _hand(given: HandThresholds) -> ViewThresholds:
    return ViewThresholds(given.image, given.pixel, "hand")
