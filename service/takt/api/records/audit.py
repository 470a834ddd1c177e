"""`GET /v1/audit`: the audit log, the newest entry first, a page of it or a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, ConfigDict, Field

from takt.api.given import QueryIn
from takt.api.problems import request_id_of
from takt.api.records.filters import Id, Text
from takt.api.records.problems import record_responses
from takt.api.records.schemas import Moment
from takt.api.records.search import exported
from takt.api.records.threads import RecordThreads
from takt.api.schemas import ReplyOut, Schema
from takt.core.domain import Json
from takt.core.errors import InvalidParameterError
from takt.recording.audit.search import AuditCsv, AuditFilters, page_of
from takt.recording.search.times import EXAMPLES, us_of

MOST_ENTRIES = 1000

_EXAMPLE: Json = {
    "seq": 7,
    "at": "2026-11-26T09:30:00.123456Z",
    "server": "line3:8000",
    "who": "shift-leader",
    "action": "threshold_changed",
    "model": "pitting",
    "version": "1",
    "old": {"image": 0.35, "pixel": 0.35},
    "new": {"image": 0.41, "pixel": 0.35},
    "reason": "new lamp, see shift log",
    "client": "10.0.3.17",
    "previous": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "hash": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
}
_RESPONSES = record_responses(
    InvalidParameterError("limit: Input should be less than or equal to 1000")
)


_MEDIA_TYPE = "text/csv; charset=utf-8"
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {_MEDIA_TYPE: {"schema": {"type": "string"}}}}
}


class AuditIn(QueryIn):
    """Which entries are wanted, and how: those that meet every filter that is given."""

    since: Text | None = Field(None, description=f"Changed at this time or later: {EXAMPLES}.")
    until: Text | None = Field(None, description="Changed before this time.")
    inspection: Id | None = Field(
        None,
        description="About this inspection: who judged it, took that back, pinned its picture.",
    )
    model: Text | None = Field(
        None,
        description="Of this model: thresholds, versions, learning. Judgements name inspections "
        "and no model.",
    )
    before: int | None = Field(None, ge=1, le=2**62, description="Only entries before this number.")
    limit: int = Field(100, ge=1, le=MOST_ENTRIES, description="Most entries of the page.")
    format: Literal["json", "csv"] = Field(
        "json",
        description="`json`: a page; `csv`: all entries that the filters want, as a file that is "
        "made while it is sent, without `before` and `limit`.",
    )

    def filters(self) -> AuditFilters:
        """The filters.

        Raises:
            InvalidParameterError: one cannot be met, whatever the log has.
        """
        now = datetime.now(UTC)
        return AuditFilters(
            since_us=None if self.since is None else us_of(self.since, now),
            until_us=None if self.until is None else us_of(self.until, now),
            inspection=self.inspection,
            model=self.model,
        )


def _value(text: object) -> object:
    """What an entry's JSON says; a text that somebody made something else of is shown as it is."""
    if not isinstance(text, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"damaged": text}


Value = Annotated[Json | None, BeforeValidator(_value)]


class AuditEntryOut(Schema):
    """One change, and the hashes that hold it in its place."""

    seq: int = Field(description="1 for the first entry, and one more for each further one.")
    at: Moment = Field(validation_alias="at_us", description="When the change was made.")
    server: str = Field(description="Name of the host that appended it, and a server's port.")
    who: str = Field(
        description="Name of the caller's key, or `oidc:` with that of the caller's token; "
        "`server`, `file` or `folder` where nobody is known."
    )
    action: str
    model: str | None
    version: str | None
    old: Value = Field(description="What was so until then; null where there was nothing.")
    new: Value = Field(description="What was so from then on; null where nothing is left.")
    reason: str | None
    client: str | None = Field(description="Address of who asked.")
    previous: str = Field(description="Hash of the entry before.")
    hash: str = Field(description="SHA-256 of this entry's canonical form.")


class AuditOut(ReplyOut):
    """A page of the audit log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "request_id": "35c7ec6c827545eba233163cd458b0c0",
                "entries": [_EXAMPLE],
                "before": 7,
            }
        }
    )

    entries: list[AuditEntryOut] = Field(description="The newest first.")
    before: int | None = Field(description="`before` of the next page; null for the last one.")


def audit_router(threads: RecordThreads) -> APIRouter:
    """The route that reads the audit log.

    Args:
        threads: in which the record is read.
    """
    router = APIRouter(tags=["record"], responses=_RESPONSES)

    @router.get("/v1/audit", response_model=AuditOut, responses=_CSV)
    async def list_audit_entries(
        request: Request, query: Annotated[AuditIn, Query()]
    ) -> AuditOut | Response:
        """What was changed, by whom and why, the newest change first."""
        filters = query.filters()
        if query.format == "csv":
            if not query.model_fields_set.isdisjoint(("before", "limit")):
                raise InvalidParameterError(
                    "format: a file has all entries that the filters want; leave out before and "
                    "limit"
                )
            return await exported(threads, AuditCsv(filters), "audit.csv", _MEDIA_TYPE)
        found = await threads.read(
            lambda connection: page_of(connection, filters, limit=query.limit, before=query.before)
        )
        return AuditOut(
            request_id=request_id_of(request.scope),
            entries=[AuditEntryOut.model_validate(entry) for entry in found.entries],
            before=found.before,
        )

    return router
