"""The messages of a stream against the AsyncAPI document."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import jsonschema_rs

from takt.api.document.asyncapi import asyncapi_document


@cache
def schemas(way: Literal["receive", "send"]) -> dict[str, jsonschema_rs.Draft202012Validator]:
    """The schemas of the text messages that a server receives or sends, by their names."""
    document = asyncapi_document()
    operations = [document["operations"][f"{way}_{channel}"] for channel in ("stream", "watch")]
    wanted = [one["$ref"] for operation in operations for one in operation["messages"]]
    names = [reference.rpartition("/")[2] for reference in wanted]
    messages = {name: document["components"]["messages"][name] for name in names}
    return {
        name: jsonschema_rs.Draft202012Validator(
            {**message["payload"], "components": document["components"]}
        )
        for name, message in messages.items()
        if message["contentType"] == "application/json"
    }


def names_of(message: Any, way: Literal["receive", "send"]) -> list[str]:
    """The documented messages that this one is."""
    return [name for name, schema in schemas(way).items() if schema.is_valid(message)]


def check_sent(message: Any) -> None:
    """Fails unless a message of the server is exactly one of those that are documented."""
    assert len(names_of(message, "send")) == 1, f"no such message is documented: {message}"
