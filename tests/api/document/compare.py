"""What a change of a document means for programs that were written for the one before.

What a client sends may be allowed more later, and never less; what it reads may have more fields
later, and never other values. PyPI has no kept tool that knows this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tests.api.document.operations import PROBLEM, Document, Operation, operations_of, resolved

Weight = Literal["breaking", "additive", "wording"]
Way = Literal["in", "out"]
"""Whether clients send what a schema describes, or read it."""

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_RULES = ("pattern", "format", "not", "if", "then", "else", "uniqueItems", "default")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One difference of two documents.

    Attributes:
        weight: what it means for programs.
        subject: an operation's id, or a schema with its field.
        what: the difference in words.
    """

    weight: Weight
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.weight}: {self.subject}: {self.what}"


def changes(before: Document, after: Document) -> list[Change]:
    """All changes from one document to another, the breaking ones among them first.

    Both are OpenAPI, or both AsyncAPI. Where only words differ, one change says so.
    """
    comparison = _Comparison(before, after)
    find = comparison.operations if "paths" in before else comparison.messages
    found = sorted(set(find()), key=lambda one: (one.weight != "breaking", one))
    if not found and _unversioned(before) != _unversioned(after):
        return [Change("wording", "descriptions", "only words differ")]
    return found


def _unversioned(document: Document) -> Document:
    return {**document, "info": {**document["info"], "version": ""}}


@dataclass(frozen=True, slots=True)
class _Comparison:
    before: Document
    after: Document

    def operations(self) -> Iterator[Change]:
        old = {(one.method, one.path): one for one in operations_of(self.before)}
        new = {(one.method, one.path): one for one in operations_of(self.after)}
        for key, one in old.items():
            if key not in new:
                yield Change("breaking", one.id, f"{one.method} {one.path} is gone")
            else:
                yield from self._operation(one, new[key])
        for key in new.keys() - old.keys():
            yield Change("additive", new[key].id, f"{' '.join(key)} is new")

    def messages(self) -> Iterator[Change]:
        for channel, said in self.before["channels"].items():
            there = self.after["channels"].get(channel, {})
            if said["address"] != there.get("address"):
                yield Change("breaking", channel, f"{said['address']} is gone")
        for channel in self.after["channels"].keys() - self.before["channels"].keys():
            yield Change("additive", channel, "is new")
        old, new = (one["components"]["messages"] for one in (self.before, self.after))
        ways: dict[str, Way] = {
            one["$ref"].rpartition("/")[2]: "in" if operation["action"] == "receive" else "out"
            for operation in self.before["operations"].values()
            for one in operation["messages"]
        }
        for name in old.keys() - new.keys():
            yield Change("breaking", name, "the message is gone")
        for name in new.keys() - old.keys():
            yield Change("additive", name, "the message is new")
        for name in old.keys() & new.keys():
            yield from self._schemas(old[name]["payload"], new[name]["payload"], ways[name], name)

    def _operation(self, old: Operation, new: Operation) -> Iterator[Change]:
        if old.id != new.id:
            yield Change("breaking", old.id, f"is called {new.id}")
        yield from self._access(old, new)
        yield from self._parameters(old, new)
        yield from self._body(old, new)
        for status, said in old.fields["responses"].items():
            if status not in new.fields["responses"]:
                yield Change("breaking", old.id, f"answers no {status} any more")
            else:
                there = resolved(new.fields["responses"][status], self.after)
                said = resolved(said, self.before)
                yield from self._response(said, there, f"{old.id}", status)
        for status in new.fields["responses"].keys() - old.fields["responses"].keys():
            yield Change("additive", old.id, f"answers {status} too")

    def _access(self, old: Operation, new: Operation) -> Iterator[Change]:
        said, there = old.fields.get("security", []), new.fields.get("security", [])
        if lost := [one for one in said if one not in there]:
            weight: Weight = "additive" if not there else "breaking"
            yield Change(weight, old.id, f"is not answered by {lost} any more")
        elif said != there:
            yield Change("additive" if said else "breaking", old.id, "needs something else")

    def _parameters(self, old: Operation, new: Operation) -> Iterator[Change]:
        said, there = (
            {one["name"]: one for one in operation.fields.get("parameters", ())}
            for operation in (old, new)
        )
        for name in said.keys() - there.keys():
            yield Change("breaking", old.id, f"takes no {name} any more")
        for name in there.keys() - said.keys():
            required = there[name].get("required", False)
            weight: Weight = "breaking" if required else "additive"
            yield Change(weight, old.id, f"takes {name}")
        for name in said.keys() & there.keys():
            if there[name].get("required", False) and not said[name].get("required", False):
                yield Change("breaking", old.id, f"must have {name}")
            where = f"{old.id}.{name}"
            yield from self._schemas(said[name]["schema"], there[name]["schema"], "in", where)

    def _body(self, old: Operation, new: Operation) -> Iterator[Change]:
        said = old.fields.get("requestBody", {"content": {}})
        there = new.fields.get("requestBody", {"content": {}})
        if there.get("required", False) and not said.get("required", False):
            yield Change("breaking", old.id, "must have a body")
        yield from self._contents(said["content"], there["content"], "in", old.id)

    def _response(
        self, old: Document, new: Document, subject: str, status: str
    ) -> Iterator[Change]:
        said, there = old.get("content", {}), new.get("content", {})
        yield from self._contents(said, there, "out", subject)
        codes, now = (
            {one["value"]["code"] for one in content.get(PROBLEM, {}).get("examples", {}).values()}
            for content in (said, there)
        )
        if gone := codes - now:
            yield Change("breaking", subject, f"answers {status} {', '.join(gone)} no more")
        if come := now - codes:
            yield Change("additive", subject, f"answers {status} {', '.join(come)} too")

    def _contents(self, old: Document, new: Document, way: Way, subject: str) -> Iterator[Change]:
        for kind in old.keys() - new.keys():
            yield Change("breaking", subject, f"{kind} is gone")
        for kind in new.keys() - old.keys():
            yield Change("additive", subject, f"{kind} is new")
        for kind in old.keys() & new.keys():
            yield from self._schemas(
                old[kind].get("schema", {}), new[kind].get("schema", {}), way, subject
            )

    def _schemas(
        self,
        old: Document,
        new: Document,
        way: Way,
        subject: str,
        seen: frozenset[str] = frozenset(),
    ) -> Iterator[Change]:
        """Changes of what a schema allows; alternatives are matched by their kind."""
        said, there = _alternatives(old), _alternatives(new)
        for kind in said.keys() - there.keys():
            yield Change("breaking" if way == "in" else "additive", subject, f"is never {kind}")
        for kind in there.keys() - said.keys():
            yield Change("additive" if way == "in" else "breaking", subject, f"may be {kind}")
        for kind in said.keys() & there.keys():
            name = said[kind].get("$ref", "").rpartition("/")[2]
            if name and name in seen:
                continue
            one, other = resolved(said[kind], self.before), resolved(there[kind], self.after)
            yield from self._one_schema(one, other, way, name or subject, seen | {name})

    def _one_schema(
        self, old: Document, new: Document, way: Way, subject: str, seen: frozenset[str]
    ) -> Iterator[Change]:
        yield from _limits(old, new, way, subject)
        said, there = old.get("properties", {}), new.get("properties", {})
        must, must_now = set(old.get("required", ())), set(new.get("required", ()))
        for name in said.keys() - there.keys():
            yield Change("breaking", f"{subject}.{name}", "is gone")
        for name in there.keys() - said.keys():
            needed = way == "in" and name in must_now
            weight: Weight = "breaking" if needed else "additive"
            yield Change(weight, f"{subject}.{name}", "must be there" if needed else "is new")
        for name in said.keys() & there.keys():
            where = f"{subject}.{name}"
            if (name in must_now) > (name in must):
                yield Change("breaking" if way == "in" else "additive", where, "must be there")
            if (name in must) > (name in must_now):
                yield Change("additive" if way == "in" else "breaking", where, "may be left out")
            yield from self._schemas(said[name], there[name], way, where, seen)
        if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
            yield from self._schemas(old["items"], new["items"], way, subject, seen)
        for one, other in zip(old.get("prefixItems", ()), new.get("prefixItems", ()), strict=False):
            yield from self._schemas(one, other, way, subject, seen)


def _alternatives(schema: Document) -> dict[str, Document]:
    """What a schema allows, by kind: a type, or the name of a schema."""
    found = {}
    for one in schema.get("anyOf") or schema.get("oneOf") or [schema]:
        kind = one.get("$ref", "").rpartition("/")[2] or one.get("type", "anything")
        found[kind if kind not in found else f"{kind} {len(found)}"] = one
    return found


def _limits(old: Document, new: Document, way: Way, subject: str) -> Iterator[Change]:
    """Changes of values, lengths and bounds."""
    narrower: Weight = "breaking" if way == "in" else "additive"
    wider: Weight = "additive" if way == "in" else "breaking"
    values, now = (_values(one) for one in (old, new))
    if values is not None and now is not None:
        for gone in values - now:
            yield Change("breaking", subject, f"{gone} is gone")
        for come in now - values:
            yield Change(wider, subject, f"{come} is new")
    elif values != now:
        yield Change(narrower if values is None else wider, subject, "has other values")
    for key in (*_LOWER, *_UPPER):
        said, there = old.get(key), new.get(key)
        if said == there:
            continue
        grown = there is not None and (
            said is None or (there > said if key in _LOWER else there < said)
        )
        yield Change(narrower if grown else wider, subject, f"{key} was {said}, is {there}")
    for key in _RULES:
        if old.get(key) != new.get(key):
            loose = key not in new and key != "default"
            yield Change(wider if loose else "breaking", subject, f"{key} is another")
    if old.get("additionalProperties") != new.get("additionalProperties"):
        closed = new.get("additionalProperties") is False
        yield Change(narrower if closed else wider, subject, "other fields are refused or not")


def _values(schema: Document) -> set[Any] | None:
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None
