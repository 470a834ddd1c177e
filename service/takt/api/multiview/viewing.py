"""A view on its way: claimed of its part, judged by the part's recipe, and taken or let go of."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from takt.core.domain import Inspection, InspectOptions, Json
from takt.core.errors import RecipeOutdatedError
from takt.multiview.desk import PartDesk
from takt.multiview.open_parts import Claim, ViewWish
from takt.multiview.result import PartResult, SeenView, scaled_score
from takt.observing.records import ViewOfPart
from takt.repository.model_version import Loaded
from takt.repository.repository import ModelRepository

_LEAST_S = 1e-3


@dataclass(frozen=True, slots=True)
class ClaimedView:
    """A view that is to be inspected by whoever has it.

    Attributes:
        claim: by what it is to be inspected.
        due_s: when its part ends at the latest, by `time.monotonic`.
        desk: has the open parts.
        repository: the models.
    """

    claim: Claim
    due_s: float
    desk: PartDesk
    repository: ModelRepository

    @property
    def loaded(self) -> Loaded:
        """What inspects the view.

        Raises:
            ModelNotFoundError, NotReadyError: its model cannot be asked.
            RecipeOutdatedError: it is another one than the recipe was saved for.
        """
        view = self.claim.view
        loaded = self.repository.get(view.model, view.version).check_ready()
        if view.is_outdated(loaded.bundle):
            raise RecipeOutdatedError(
                f"view {view.name!r} was saved for another graph of {view.model} {view.version} "
                "than the one that is there; save the recipe again"
            )
        return loaded

    def options(self, wanted: InspectOptions) -> InspectOptions:
        """What is asked of the inspection: the recipe judges, and the part's deadline holds."""
        thresholds = self.claim.view.thresholds
        left_s = max(self.due_s - time.monotonic(), _LEAST_S)
        return replace(
            wanted,
            threshold=thresholds.image,
            pixel_threshold=thresholds.pixel,
            timeout_s=min(wanted.timeout_s, left_s),
        )

    @property
    def of_part(self) -> ViewOfPart:
        """Which view of which part it is, as it is recorded."""
        return ViewOfPart(self.claim.number, self.claim.view.name)

    async def take(self, request_id: str, inspection: Inspection) -> PartResult | None:
        """Give the part the inspection; gives the part's result if that was its last view.

        Raises:
            PartEndedError: the part has ended meanwhile.
            ViewTakenError: somebody else has brought the view.
        """
        verdict = inspection.verdict
        seen = SeenView(
            self.claim.view.name,
            request_id,
            inspection.model,
            inspection.version,
            verdict.name,
            verdict.score,
            verdict.threshold,
            scaled_score(verdict),
        )
        return await self.desk.take(self.claim, seen)

    @property
    def json(self) -> Json:
        """Which view of which part it is, as it is answered."""
        claim = self.claim
        return {
            "part": claim.part,
            "number": claim.number,
            "recipe": claim.recipe,
            "revision": claim.revision,
            "view": claim.view.name,
        }


@dataclass(frozen=True, slots=True)
class Views:
    """Takes views on, by whichever protocol they come.

    Attributes:
        desk: has the open parts.
        repository: the models.
    """

    desk: PartDesk
    repository: ModelRepository

    @asynccontextmanager
    async def claimed(self, wish: ViewWish) -> AsyncIterator[ClaimedView]:
        """Take a view on; where it is not inspected in the end, it may be sent again.

        Raises:
            TaktError: see `PartDesk.claim`.
        """
        claim = await self.desk.claim(wish)
        try:
            yield ClaimedView(claim, time.monotonic() + claim.left_s, self.desk, self.repository)
        except BaseException:
            self.desk.release(claim)
            raise
