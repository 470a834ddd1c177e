"""`GET /v1/audit`: the audit log, the newest entry first."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict, Field

from service.api.problems import problem_responses, request_id_of
from service.api.records.threads import NO_RECORD, UNREACHABLE, RecordThreads
from service.api.schemas import Schema
from service.core.domain import Json
from service.core.errors import InvalidParameterError
from service.recording.audit.chain import newest_of
from service.recording.audit.entry import Entry

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
_RESPONSES = problem_responses(
    NO_RECORD,
    InvalidParameterError("limit: Input should be less than or equal to 1000"),
    UNREACHABLE,
)


class AuditEntryOut(Schema):
    """One change, and the hashes that hold it in its place."""

    seq: int = Field(description="1 for the first entry, and one more for each further one.")
    at: datetime = Field(description="When the change was made.")
    server: str = Field(description="Name of the host that appended it, and a server's port.")
    who: str = Field(
        description="Name of the caller's key, or `oidc:` with that of the caller's token; "
        "`server`, `file` or `folder` where nobody is known."
    )
    action: str
    model: str | None
    version: str | None
    old: Json | None = Field(description="What was so until then; null where there was nothing.")
    new: Json | None = Field(description="What was so from then on; null where nothing is left.")
    reason: str | None
    client: str | None = Field(description="Address of who asked.")
    previous: str = Field(description="Hash of the entry before.")
    hash: str = Field(description="SHA-256 of this entry's canonical form.")


class AuditOut(Schema):
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

    request_id: str
    entries: list[AuditEntryOut] = Field(description="The newest first.")
    before: int | None = Field(description="`before` of the next page; null for the last one.")


def audit_router(threads: RecordThreads) -> APIRouter:
    """The route that reads the audit log.

    Args:
        threads: in which the record is read.
    """
    router = APIRouter(tags=["record"], responses=_RESPONSES)

    @router.get("/v1/audit")
    async def list_audit_entries(
        request: Request,
        before: Annotated[
            int | None, Query(ge=1, le=2**62, description="Only entries before this number.")
        ] = None,
        limit: Annotated[
            int, Query(ge=1, le=MOST_ENTRIES, description="Most entries of the page.")
        ] = 100,
    ) -> AuditOut:
        """What was changed, by whom and why, the newest change first."""
        found = await threads.run(lambda record: newest_of(record.database, limit, before))
        more = len(found) == limit and found[-1].seq > 1
        return AuditOut(
            request_id=request_id_of(request.scope),
            entries=[_out(entry) for entry in found],
            before=found[-1].seq if more else None,
        )

    return router


def _out(entry: Entry) -> AuditEntryOut:
    return AuditEntryOut(
        seq=entry.seq,
        at=datetime.fromtimestamp(entry.at_us / 1e6, UTC),
        server=entry.server,
        who=entry.who,
        action=entry.action,
        model=entry.model,
        version=entry.version,
        old=_value(entry.old),
        new=_value(entry.new),
        reason=entry.reason,
        client=entry.client,
        previous=entry.previous,
        hash=entry.hash,
    )


def _value(text: str | None) -> Json | None:
    """What an entry's JSON says; a text that somebody made something else of is shown as it is."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"damaged": text}
