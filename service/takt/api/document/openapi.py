"""The OpenAPI document: what FastAPI makes of the routes, and what it leaves open."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from takt.api.document.access import add_access
from takt.api.learning.schemas import LearningIn
from takt.api.multiview.schemas import RecipeIn
from takt.api.oip.request import InferIn
from takt.api.oip.routes import IndexIn
from takt.api.problems import MEDIA_TYPE
from takt.api.records.judging import JudgementIn, SeenIn, WithdrawalIn
from takt.api.records.watch_schemas import AcknowledgementIn, MarkIn, SnoozeIn
from takt.api.rest.releases import ActivationIn
from takt.api.rest.thresholds import ThresholdsIn
from takt.api.schemas import SCHEMA_REFERENCE, OipProblemOut, PictureForm, ProblemOut
from takt.api.stations.schemas import StationRecipeIn, StationReportIn
from takt.core.domain import Json
from takt.security.routes import ROUTES, RouteNeed

API_VERSION = "3.2.0"
"""Version of the API, whichever version of Takt serves it: a change that breaks programs raises the
first number, one that adds something the second. CHANGELOG.md names each change."""

LICENCE = {"name": "Apache 2.0", "identifier": "Apache-2.0"}
SERVERS: list[dict[str, Any]] = [{"url": "/", "description": "The server of this document."}]
_TAGS = {
    "inspection": "A picture in, its inspection out.",
    "parts": "Parts of several views with one verdict each, and the recipes for them.",
    "stations": "Stations that take a PLC's triggers: how they fare, and their recipes.",
    "models": "The models, which of their versions is active, and their thresholds.",
    "record": "What was inspected, what people said of it, and what follows from that.",
    "watch": "Whether camera, light and models are as ever, and what was found.",
    "streams": "The streams of frames that are open.",
    "learning": "From pictures of good parts to a new version, by a process of its own.",
    "session": "A cookie for browsers, in exchange for a key.",
    "health": "Whether the server can answer, and its metrics.",
    "oip": "The Open Inference Protocol, version 2, of KServe and Triton.",
}
TAGS: list[dict[str, Any]] = [{"name": name, "description": text} for name, text in _TAGS.items()]

READ_BY_ROUTES: tuple[type[BaseModel], ...] = (
    ProblemOut,
    OipProblemOut,
    PictureForm,
    ThresholdsIn,
    RecipeIn,
    StationReportIn,
    StationRecipeIn,
    ActivationIn,
    LearningIn,
    JudgementIn,
    WithdrawalIn,
    AcknowledgementIn,
    SnoozeIn,
    MarkIn,
    SeenIn,
    IndexIn,
    InferIn,
)
"""Models that routes read and answer by themselves, so that FastAPI does not know of them."""

_RESPONSES = "#/components/responses/"


def completed(
    document: Json,
    models: Sequence[type[BaseModel]] = READ_BY_ROUTES,
    routes: Sequence[RouteNeed] = ROUTES,
) -> Json:
    """A document of FastAPI with what it leaves open; the given one stays as it is.

    Schemas of the models join the others. The 422 goes that FastAPI lists for every route with a
    name in its path, and so does null from options in the query, which cannot say it. Problems
    that several operations answer with become components. Each operation says who may ask it.

    Args:
        document: of FastAPI.
        models: to which the document refers without their schemas.
        routes: what each route needs.
    """
    document = deepcopy(document)
    schemas = document["components"]["schemas"]
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template=SCHEMA_REFERENCE
    )
    schemas |= found.get("$defs", {})
    add_access(document, routes)
    for operation in _operations(document):
        if _is_of_fastapi(operation["responses"].get("422", {})):
            del operation["responses"]["422"]
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _without_null(parameter["schema"])
        operation["responses"] = dict(sorted(operation["responses"].items()))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    _share_problems(document)
    return document


def _operations(document: Json) -> Iterator[Json]:
    for path in document["paths"].values():
        yield from path.values()


def _is_of_fastapi(response: Json) -> bool:
    schema: Json = response.get("content", {}).get("application/json", {}).get("schema", {})
    return schema == {"$ref": SCHEMA_REFERENCE.format(model="HTTPValidationError")}


def _without_null(schema: Json) -> Json:
    if "anyOf" not in schema:
        return schema
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    (only, *others) = kinds
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {"anyOf": kinds, **rest} if others else {**only, **rest}


def _share_problems(document: Json) -> None:
    """Move problems of several operations to the components, named by their codes.

    Where several have the same codes and other examples, each is also named by the first operation
    that answers with it.
    """
    users: defaultdict[bytes, list[tuple[Json, str]]] = defaultdict(list)
    for operation in _operations(document):
        for status, response in operation["responses"].items():
            if MEDIA_TYPE in response.get("content", {}):
                users[orjson.dumps(response)].append((operation, status))
    shared = {content: found for content, found in users.items() if len(found) > 1}
    names = {content: _name(orjson.loads(content)) for content in shared}
    count = Counter(names.values())
    components: dict[str, Json] = {}
    for content, found in shared.items():
        name, (first, _) = names[content], found[0]
        if count[name] > 1:
            name += f"Of{_title(first['operationId'])}"
        components[name] = orjson.loads(content)
        for operation, status in found:
            operation["responses"][status] = {"$ref": _RESPONSES + name}
    document["components"]["responses"] = dict(sorted(components.items()))


def _name(response: Mapping[str, Any]) -> str:
    content = response["content"][MEDIA_TYPE]
    codes = dict.fromkeys(one["value"]["code"] for one in content["examples"].values())
    prefix = "Oip" if content["schema"]["$ref"].endswith("/OipProblemOut") else ""
    return prefix + "Or".join(_title(code) for code in codes)


def _title(words: str) -> str:
    return words.title().replace("_", "")
