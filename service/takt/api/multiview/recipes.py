"""`/v1/recipes`: what parts are inspected by, and every change of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from takt.api.examples import FOREIGN_PAGE, NO_MODEL, NOT_READY, SLOW_BODY
from takt.api.given import Reason
from takt.api.json_body import described_body, read_json
from takt.api.multiview.recipe_desk import FIXED, RecipeDesk
from takt.api.multiview.schemas import (
    HIGHEST_REVISION,
    OneRecipeOut,
    PlainName,
    RecipeIn,
    RecipeNumber,
    RecipeRevisionOut,
    RecipeRevisionsOut,
    RecipesOut,
    RemovedRecipeOut,
)
from takt.api.problems import caller_of, client_of, request_id_of
from takt.api.records.problems import record_responses
from takt.core.errors import (
    CodesTakenError,
    ConflictError,
    InvalidParameterError,
    NumberTakenError,
    RecipeChangedError,
    RecipeNotFoundError,
    TooFewPicturesError,
)
from takt.multiview.book import revision_of
from takt.multiview.recipe import RecipeRevision
from takt.recording.multiview.recipes import (
    current_recipes,
    recipe_of,
    remove_recipe,
    revisions_of,
    save_recipe,
)
from takt.recording.search.times import now_us, time_of

RecipeName = Annotated[PlainName, Path(alias="recipe", description="The recipe's name.")]
Revision = Annotated[int, Field(ge=1, le=HIGHEST_REVISION)]

NO_RECIPE = RecipeNotFoundError("there is no recipe 'bracket'; GET /v1/recipes lists the recipes")
_TOO_FEW = TooFewPicturesError(
    "parts 1 was calibrated with 40 good pictures, and a view of 2 at alpha 0.01 needs 199; "
    "calibrate it with as many, or calibrate each view's own model with pictures of the same 99 "
    "parts, which --group tells (now 0), ask for an alpha of 0.0488 or more, or set the view's "
    "thresholds by hand"
)
_TAKEN = NumberTakenError(
    "recipe 'bracket' has the number 7; give this one another, as a PLC tells recipes apart by it"
)
_CODES_TAKEN = CodesTakenError(
    "recipe 'bracket' has the codes AB-*; leave them out here or there, as a station tells recipes "
    "apart by them"
)
_NO_NUMBER = ConflictError(
    "view top: parts 1: a good picture's score is not a finite number; refit the model, or "
    "calibrate it anew"
)
_CHANGED = RecipeChangedError(
    "recipe 'bracket' is at revision 4 by now, saved by leader, and you have seen 3; look at it, "
    "and send your change again with revision 4"
)
_NAMED = InvalidParameterError(
    "recipe: String should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'"
)
_LISTING = record_responses(
    InvalidParameterError("number: Input should be greater than or equal to 1")
)
_OF_ONE = record_responses(NO_RECIPE, _NAMED)
_SAVING = record_responses(
    *(NO_MODEL, NOT_READY, FOREIGN_PAGE, SLOW_BODY),
    *(_TOO_FEW, _NO_NUMBER, _TAKEN, _CODES_TAKEN, _CHANGED, FIXED),
    InvalidParameterError("views.0.model: Field required"),
)
_REMOVING = record_responses(NO_RECIPE, _NAMED, _CHANGED, FOREIGN_PAGE)
MOST_REVISIONS = 100


def recipes_router(desk: RecipeDesk) -> APIRouter:
    """The routes that read recipes."""
    router = APIRouter(tags=["parts"])
    threads = desk.threads

    @router.get("/v1/recipes", responses=_LISTING)
    async def list_recipes(
        request: Request,
        number: Annotated[
            RecipeNumber | None, Query(description="The one of this number alone.")
        ] = None,
    ) -> RecipesOut:
        """The recipes as they are."""
        found = [revision_of(one) for one in await threads.read(current_recipes)]
        return RecipesOut(
            request_id=request_id_of(request.scope),
            recipes=[
                desk.shown(one) for one in found if number is None or one.recipe.number == number
            ],
        )

    @router.get("/v1/recipes/{recipe}", responses=_OF_ONE)
    async def get_recipe(
        request: Request,
        name: RecipeName,
        revision: Annotated[Revision | None, Query(description="Null for what holds now.")] = None,
    ) -> OneRecipeOut:
        """A recipe as it is, or as it was at a revision."""
        found = await threads.read(lambda some: recipe_of(some, name, revision))
        return _one_recipe(request, desk, revision_of(found))

    @router.get("/v1/recipes/{recipe}/revisions", responses=_OF_ONE)
    async def list_recipe_revisions(
        request: Request,
        name: RecipeName,
        before: Annotated[Revision | None, Query(description="Those before this revision.")] = None,
        limit: Annotated[int, Query(gt=0, le=MOST_REVISIONS)] = 20,
    ) -> RecipeRevisionsOut:
        """What a recipe has been, the latest revision first, also of one that was removed."""
        found = await threads.read(lambda some: revisions_of(some, name, before, limit))
        return RecipeRevisionsOut(
            request_id=request_id_of(request.scope),
            name=name,
            revisions=[
                RecipeRevisionOut(
                    revision=one.revision,
                    changed_at=time_of(one.at_us),
                    changed_by=one.who,
                    reason=one.reason,
                    recipe=None if one.content is None else desk.shown(revision_of(one)),
                )
                for one in found
            ],
        )

    return router


def recipe_changes_router(desk: RecipeDesk) -> APIRouter:
    """The routes that change recipes."""
    router = APIRouter(tags=["parts"])
    threads = desk.threads

    @router.put(
        "/v1/recipes/{recipe}",
        name="save_recipe",
        responses=_SAVING,
        openapi_extra=described_body(RecipeIn, required=True),
    )
    async def save(
        request: Request,
        name: RecipeName,
        check: Annotated[
            bool, Query(description="Save nothing: the answer has what would be saved.")
        ] = False,
    ) -> OneRecipeOut:
        """Save a recipe, as a new revision; parts that have begun keep the one that they have.

        A version that is null becomes the active one, and thresholds that are null those that the
        models' calibrations give: a single one those of its model, several jointly where these
        share enough parts, else each of n views may reject α/n of good parts. `revision` keeps what
        somebody else has saved meanwhile.
        """
        given = await read_json(request, RecipeIn)
        threads.check()
        recipe = desk.fixed(given)
        who, client = caller_of(request.scope).name, client_of(request)
        if check:
            revision = (given.revision or 0) + 1
            would_be = RecipeRevision(name, revision, recipe, now_us(), who, given.reason)
            return _one_recipe(request, desk, would_be)
        stored = await threads.run(
            lambda record: save_recipe(
                *(record.database, name, recipe.json),
                who=who,
                reason=given.reason,
                client=client,
                seen=given.revision,
            )
        )
        await desk.book.changed()
        return _one_recipe(request, desk, revision_of(stored))

    @router.delete("/v1/recipes/{recipe}", name="remove_recipe", responses=_REMOVING)
    async def remove(
        request: Request,
        name: RecipeName,
        reason: Reason = None,
        revision: Annotated[
            Revision | None, Query(description="409 where it is at another one by now.")
        ] = None,
    ) -> RemovedRecipeOut:
        """Remove a recipe; parts that have begun keep it, and its revisions stay in the record."""
        who, client = caller_of(request.scope).name, client_of(request)
        stored = await threads.run(
            lambda record: remove_recipe(
                record.database, name, who=who, reason=reason, client=client, seen=revision
            )
        )
        await desk.book.changed()
        return RemovedRecipeOut(
            request_id=request_id_of(request.scope), name=name, revision=stored.revision
        )

    return router


def _one_recipe(request: Request, desk: RecipeDesk, found: RecipeRevision) -> OneRecipeOut:
    return OneRecipeOut(request_id=request_id_of(request.scope), recipe=desk.shown(found))
