"""`POST /v1/inspections/judgements` and others: what people say of recorded inspections."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, ConfigDict, Field

from takt.api.examples import FOREIGN_PAGE, SLOW_BODY
from takt.api.given import BodyIn
from takt.api.json_body import described_body, read_json
from takt.api.problems import caller_of, client_of, problem_responses, request_id_of
from takt.api.records.filters import Id, InspectionId
from takt.api.records.problems import NO_NUMBER, record_responses
from takt.api.records.schemas import MomentText
from takt.api.records.threads import RecordThreads
from takt.api.schemas import ReplyOut, Schema
from takt.core.domain import Box, box_json
from takt.core.errors import (
    ConflictError,
    InspectionNotFoundError,
    InvalidParameterError,
)
from takt.recording.record import Record
from takt.recording.review.history import history
from takt.recording.review.judging import (
    MOST_OF_KIND,
    MOST_OF_NAME,
    MOST_OF_NOTE,
    JudgementWord,
    NewJudgement,
    ReviewDone,
    judge,
    withdraw,
)
from takt.recording.review.marks import mark_seen, pin
from takt.recording.review.rows import MOST_AT_ONCE, of_request
from takt.recording.search.filters import LONGEST_TEXT
from takt.security.caller import ANYONE, check_claimed

Pixels = Annotated[int, Field(ge=0, le=2**31 - 1)]


def _box(box: object) -> object:
    return box_json(box) if isinstance(box, Box) else box


BoxOut = Annotated[list[int], BeforeValidator(_box)]


class ByReviewer(BodyIn):
    """Who says something."""

    reviewer: str | None = Field(
        None,
        min_length=1,
        max_length=MOST_OF_NAME,
        description="Who, where the server knows no callers; elsewhere the caller's name counts.",
    )


class SeenIn(ByReviewer):
    """Inspections, and who looks at them."""

    model_config = ConfigDict(json_schema_extra={"example": {"ids": [17, 18]}})

    ids: list[Id] = Field(
        min_length=1, max_length=MOST_AT_ONCE, description="All of them, or nothing is done."
    )


class WithdrawalIn(SeenIn):
    """Inspections whose latest judgement by the caller is taken back."""


class JudgementIn(ByReviewer):
    """What somebody says of inspections, named by `ids` or by `request_id`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "ids": [17],
                "judgement": "defect",
                "kind": "scratch",
                "box": [412, 96, 60, 24],
            },
            "if": {"properties": {"judgement": {"const": "good"}}},
            "then": {"properties": {"kind": {"const": None}}},
        }
    )

    ids: list[Id] | None = Field(
        None,
        min_length=1,
        max_length=MOST_AT_ONCE,
        description="Numbers of inspections: all of them are judged, or none.",
    )
    request_id: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_TEXT,
        description="Instead of `ids`: `request_id` of the answer to one picture. It is recorded "
        "some tenths of a second later; until then, 404 `inspection_not_found`.",
    )
    judgement: JudgementWord = Field(description="What the parts are.")
    kind: str | None = Field(
        None, min_length=1, max_length=MOST_OF_KIND, description="Of the defect."
    )
    note: str | None = Field(
        None, min_length=1, max_length=MOST_OF_NOTE, description="Whatever else there is to say."
    )
    box: list[Pixels] | None = Field(
        None,
        min_length=4,
        max_length=4,
        description="Where the defect is: x, y, width, height in pixels of the upright picture, of "
        "one inspection; a good part has none.",
    )

    def ids_in(self, record: Record) -> list[int]:
        """The inspections that are judged.

        Raises:
            InspectionNotFoundError: none is of that request, or not yet.
            InvalidParameterError: they are named twice, or not at all.
        """
        if self.ids is not None and self.request_id is None:
            return self.ids
        if self.ids is not None or self.request_id is None:
            raise InvalidParameterError(
                "ids: name inspections by ids, or the one of a request by request_id"
            )
        with record.database.reading() as connection:
            return [of_request(connection, self.request_id)]


class JudgedOut(ReplyOut):
    """What a request has changed."""

    inspections: int = Field(description="Number of inspections.")
    reviewer: str = Field(description="By whom, as the record has it.")


class SeenOut(ReplyOut):
    """What a request has noted."""

    new: int = Field(description="Inspections that the reviewer sees for the first time.")
    reviewer: str = Field(description="By whom, as the record has it.")


class PinOut(ReplyOut):
    """Whether a picture stays."""

    id: int = Field(description="The inspection's number.")
    pinned: bool = Field(description="Whether its picture stays, however old it gets.")


class SaidOut(Schema):
    """A judgement, or that one was taken back."""

    at: MomentText = Field(validation_alias="at_us", description="When, in UTC.")
    reviewer: str
    judgement: str = Field(
        description="defect, good or unsure; withdrawn where the reviewer took back the latest of "
        "his own."
    )
    kind: str | None = Field(description="Of the defect.")
    note: str | None
    box: BoxOut | None = Field(
        description="Where the defect is: x, y, width, height in pixels of the upright picture."
    )


class SightingOut(Schema):
    """Who has seen an inspection."""

    reviewer: str
    at: MomentText = Field(validation_alias="at_us", description="When first, in UTC.")


class HistoryOut(ReplyOut):
    """Everything that was said of an inspection."""

    id: int = Field(description="The inspection's number.")
    said: list[SaidOut] = Field(description="Oldest first, with what was taken back.")
    standing: list[SaidOut] = Field(
        description="What nobody took back, oldest first; the last one counts."
    )
    seen: list[SightingOut] = Field(description="In the order of their first looks.")


_NOT_THERE = InspectionNotFoundError("the record has no inspection 17; nothing was changed")
_READING = record_responses(_NOT_THERE, NO_NUMBER)
_PINNING = record_responses(_NOT_THERE, NO_NUMBER, FOREIGN_PAGE)
_OF_CHANGE = (_NOT_THERE, FOREIGN_PAGE, SLOW_BODY)
_CHANGING = record_responses(*_OF_CHANGE, InvalidParameterError("ids: Field required"))
_JUDGING = record_responses(*_OF_CHANGE, InvalidParameterError("judgement: Field required"))
_TAKING_BACK = problem_responses(
    ConflictError("ann has no judgement of inspection 17 to take back; nothing was changed")
)


def reviewer_of(request: Request, named: str | None) -> str:
    """Who a request is by, as the record has it.

    Raises:
        InvalidParameterError: it names somebody although the server knows who asks, or who is no
            person.
    """
    caller = caller_of(request.scope)
    if caller == ANYONE:
        return ANYONE.name if named is None else check_claimed(named)
    if named is not None and named != caller.name:
        raise InvalidParameterError(
            f"reviewer: this server knows who asks ({caller.name}); leave it out"
        )
    return caller.name


def judging_router(threads: RecordThreads) -> APIRouter:
    """The routes by which people say something of inspections.

    Args:
        threads: work on the record.
    """
    router = APIRouter(tags=["record"])

    @router.post(
        "/v1/inspections/judgements",
        responses=_JUDGING,
        openapi_extra=described_body(JudgementIn, required=True),
    )
    async def judge_inspections(request: Request) -> JudgedOut:
        """Judge inspections: all of them, or none if one is unknown.

        Every judgement is kept, and the latest one counts.
        """
        body = await read_json(request, JudgementIn)
        reviewer, client = reviewer_of(request, body.reviewer), client_of(request)
        box = None if body.box is None else Box(*body.box)
        given = NewJudgement(body.judgement, reviewer, body.kind, body.note, box)
        done = await threads.run(
            lambda record: judge(record.database, body.ids_in(record), given, client=client)
        )
        return _judged(request, done, reviewer)

    @router.post(
        "/v1/inspections/judgements/withdraw",
        responses=_CHANGING | _TAKING_BACK,
        openapi_extra=described_body(WithdrawalIn, required=True),
    )
    async def withdraw_judgements(request: Request) -> JudgedOut:
        """Take back the latest judgement of one's own, of each inspection.

        It stays in the record as taken back, and what stood before counts again.
        """
        body = await read_json(request, WithdrawalIn)
        reviewer, client = reviewer_of(request, body.reviewer), client_of(request)
        done = await threads.run(
            lambda record: withdraw(record.database, body.ids, reviewer, client=client)
        )
        return _judged(request, done, reviewer)

    @router.post(
        "/v1/inspections/seen",
        responses=_CHANGING,
        openapi_extra=described_body(SeenIn, required=True),
    )
    async def mark_inspections_seen(request: Request) -> SeenOut:
        """Note that somebody has looked at inspections; the first time counts."""
        body = await read_json(request, SeenIn)
        reviewer = reviewer_of(request, body.reviewer)
        new = await threads.run(lambda record: mark_seen(record.database, body.ids, reviewer))
        return SeenOut(request_id=request_id_of(request.scope), new=new, reviewer=reviewer)

    @router.put("/v1/inspections/{id}/pin", responses=_PINNING)
    async def pin_picture(request: Request, number: InspectionId) -> PinOut:
        """Keep the picture of an inspection, however old it gets."""
        return await pinned(request, number, stays=True)

    @router.delete("/v1/inspections/{id}/pin", responses=_PINNING)
    async def unpin_picture(request: Request, number: InspectionId) -> PinOut:
        """Let the picture of an inspection go when its time has come."""
        return await pinned(request, number, stays=False)

    async def pinned(request: Request, number: int, *, stays: bool) -> PinOut:
        who, client = caller_of(request.scope).name, client_of(request)
        await threads.run(
            lambda record: pin(record.database, number, pinned=stays, who=who, client=client)
        )
        return PinOut(request_id=request_id_of(request.scope), id=number, pinned=stays)

    @router.get("/v1/inspections/{id}/judgements", responses=_READING)
    async def list_judgements(request: Request, number: InspectionId) -> HistoryOut:
        """List everything that was said of an inspection, and who has seen it."""
        found = await threads.run(lambda record: history(record.database, number))
        return HistoryOut(
            request_id=request_id_of(request.scope),
            id=number,
            said=[SaidOut.model_validate(one) for one in found.said],
            standing=[SaidOut.model_validate(one) for one in found.standing],
            seen=[SightingOut.model_validate(one) for one in found.seen],
        )

    return router


def _judged(request: Request, done: ReviewDone, reviewer: str) -> JudgedOut:
    return JudgedOut(
        request_id=request_id_of(request.scope), inspections=done.inspections, reviewer=reviewer
    )
