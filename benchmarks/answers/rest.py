"""Asking by REST: one request a picture, a few at the same time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence

import httpx

from benchmarks.answers.answer import Answer, answer_of, refusal_of
from benchmarks.answers.http import client
from benchmarks.answers.modes import Mode
from benchmarks.answers.pictures import Picture

AT_ONCE = 4
HEADERS = ("model", "version", "score", "threshold", "anomalous")
"""Of an answer that is a picture, without `X-Takt-`."""


async def ask(url: str, model: str, mode: Mode, pictures: Sequence[Picture]) -> list[Answer]:
    """Post each picture; the answers in the order of the pictures."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with client(url) as http:

        async def post(picture: Picture) -> Answer:
            async with turns:
                response = await http.post(
                    f"/v1/models/{model}/inspect",
                    content=picture.data,
                    params=_query(mode),
                    headers={"Accept": "image/png" if mode.accept else "application/json"},
                )
                return await asyncio.to_thread(_read, response)

        return await asyncio.gather(*map(post, pictures))


def _query(mode: Mode) -> Mapping[str, str]:
    return {"heatmap": mode.heatmap, "format": mode.format}


def _read(response: httpx.Response) -> Answer:
    if response.is_error:
        return refusal_of(response.json())
    if response.headers["content-type"].startswith("image/"):
        said = {name: response.headers[f"x-takt-{name}"] for name in HEADERS}
        return answer_of(said | {"type": response.headers["content-type"]}, response.content)
    fields = response.json()
    heatmap = fields["heatmap"]
    return answer_of(fields, None if heatmap is None else base64.b64decode(heatmap["data"]))
