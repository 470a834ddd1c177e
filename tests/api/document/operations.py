"""Operations of the OpenAPI document, by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

PROBLEM = "application/problem+json"
_OTHERS = {"version": "1", "id": "7", "view": "top", "recipe": "bracket"}
"""Parameters of paths beside a model's name, with values that are none of a server of tests."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document.

    Attributes:
        method: in capitals.
        path: with `{name}` and `{version}`.
        fields: what the document says of it.
        document: that it is of.
    """

    method: str
    path: str
    fields: Document
    document: Document

    @property
    def id(self) -> str:
        return self.fields["operationId"]

    def path_of(self, name: str) -> str:
        path, given = self.path, {"name": name, **_OTHERS}
        for parameter, value in given.items():
            path = path.replace(f"{{{parameter}}}", value)
        return path

    def examples(self, status: int) -> dict[str, Document]:
        """The documented problems of a status, by the names of the examples."""
        content = self.response(str(status))["content"][PROBLEM]["examples"]
        return {name: example["value"] for name, example in content.items()}

    def response(self, status: str) -> Document:
        return resolved(self.fields["responses"][status], self.document)


def resolved(part: Document, document: Document) -> Document:
    if (reference := part.get("$ref")) is None:
        return part
    found = document
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return found


def operations_of(document: Document) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, fields in methods.items():
            yield Operation(method.upper(), path, fields, document)


def operation(document: Document, wanted: str) -> Operation:
    (found,) = (one for one in operations_of(document) if one.id == wanted)
    return found
