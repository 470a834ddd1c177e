"""What FastAPI leaves open in its document."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydantic import BaseModel

from takt.api.document.openapi import completed
from takt.api.problems import problem_responses
from takt.api.schemas import OipProblemOut
from takt.core.errors import ConflictError, ModelNotFoundError, QueueFullError, TaktError
from takt.security.routes import RouteNeed

FASTAPI_422 = {
    "422": {
        "description": "Validation Error",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}
        },
    }
}
NO_NUT = ModelNotFoundError("there is no model 'nut'")
NO_BOLT = ModelNotFoundError("there is no model 'bolt'")


class WantedIn(BaseModel):
    """What a route reads by itself."""

    name: str


def responses(*errors: TaktError, **kind: Any) -> dict[str, Any]:
    return {str(status): one for status, one in problem_responses(*errors, **kind).items()}


def document(*operations: dict[str, Any]) -> dict[str, Any]:
    paths = {
        f"/{index}": {"get": {"operationId": f"get_{index}", **operation}}
        for index, operation in enumerate(operations)
    }
    schemas = {"HTTPValidationError": {}, "ValidationError": {}, "Another": {"type": "object"}}
    return {"paths": paths, "components": {"schemas": schemas}}


def complete(given: dict[str, Any], *models: type[BaseModel]) -> dict[str, Any]:
    routes = [RouteNeed("GET", path, "nothing") for path in given["paths"]]
    return completed(given, models, routes)


def responses_of(found: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return found["paths"][f"/{index}"]["get"]["responses"]


def test_the_document_of_fastapi_stays_as_it_is() -> None:
    given = document({"responses": FASTAPI_422}, {"responses": responses(NO_NUT)})
    before = deepcopy(given)

    complete(given)

    assert given == before


def test_models_that_routes_read_by_themselves_join_the_schemas() -> None:
    found = complete(document(), WantedIn)["components"]["schemas"]

    assert list(found) == ["Another", "WantedIn"]
    assert found["WantedIn"]["required"] == ["name"]


def test_the_422_of_fastapi_goes_and_one_of_ours_stays() -> None:
    ours = {"422": {"description": "An option is out of range."}}
    found = complete(document({"responses": FASTAPI_422}, {"responses": ours}))

    assert responses_of(found, 0) == {}
    assert responses_of(found, 1) == ours


def test_an_option_in_the_query_is_never_null() -> None:
    either = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "title": "Threshold"}
    several = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
    parameters = [{"name": "a", "schema": either}, {"name": "b", "schema": several}]
    found = complete(document({"responses": {}, "parameters": parameters}))

    schemas = [one["schema"] for one in found["paths"]["/0"]["get"]["parameters"]]
    assert schemas == [
        {"type": "number", "minimum": 0, "title": "Threshold"},
        {"anyOf": [{"type": "number"}, {"type": "string"}]},
    ]


def test_a_problem_of_several_operations_becomes_a_component_of_its_codes() -> None:
    full = QueueFullError("come later", retry_after_s=1)
    same = {"responses": responses(NO_NUT, full)}
    found = complete(document(same, same, {"responses": responses(NO_NUT)}))

    assert responses_of(found, 0) == responses_of(found, 1)
    assert responses_of(found, 2) == {"404": {"$ref": "#/components/responses/ModelNotFound"}}
    shared = found["components"]["responses"]
    assert list(shared) == ["ModelNotFound", "QueueFull"]
    assert "Retry-After" in shared["QueueFull"]["headers"]


def test_a_problem_of_one_operation_stays_with_it() -> None:
    alone = responses(ConflictError("there is nothing to go back to"))
    found = complete(document({"responses": alone}))

    assert responses_of(found) == alone
    assert found["components"]["responses"] == {}


def test_problems_of_equal_codes_and_other_examples_have_names_of_their_own() -> None:
    one, other = {"responses": responses(NO_NUT)}, {"responses": responses(NO_BOLT)}
    oip = {"responses": responses(NO_NUT, kind=OipProblemOut)}
    found = complete(document(one, one, other, other, oip, oip))

    assert list(found["components"]["responses"]) == [
        "ModelNotFoundOfGet0",
        "ModelNotFoundOfGet2",
        "OipModelNotFound",
    ]


def test_the_answers_of_an_operation_stand_in_the_order_of_their_status() -> None:
    given = responses(NO_NUT) | {"200": {"description": "Found."}}

    assert list(responses_of(complete(document({"responses": given})))) == ["200", "404"]
