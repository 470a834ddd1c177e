from __future__ import annotations

import asyncio

import pytest
from fastapi import Request
from pydantic import BaseModel

from takt.api import json_body
from takt.api.json_body import read_json
from takt.core.errors import SlowRequestError


class Wanted(BaseModel):
    image: float = 0.5


@pytest.mark.anyio
async def test_a_body_that_comes_too_slowly_is_given_up_and_its_connection_closed(
    monkeypatch,
) -> None:
    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    monkeypatch.setattr(json_body, "BODY_WITHIN_S", 0.01)
    request = Request({"type": "http", "method": "PUT"}, receive)

    with pytest.raises(SlowRequestError, match="send it at once") as caught:
        await read_json(request, Wanted)

    assert caught.value.status == 408
    assert caught.value.headers == {"Connection": "close"}
