import pytest

from takt.core.errors import ConfigurationError
from takt.security.routes import ROUTES, WEBSOCKET, RouteNeed, RouteNeeds


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("POST", "/v1/models/nut/inspect", "inspect"),
        ("POST", "/v1/models/nut/versions/2/inspect", "inspect"),
        (WEBSOCKET, "/v1/models/nut/stream", "inspect"),
        ("PUT", "/v1/models/nut/versions/2/threshold", "operate"),
        ("GET", "/metrics", "read"),
        ("GET", "/static-offline-docs/deep/er.js", "nothing"),
        ("GET", "/none", "a key"),
        ("BREW", "/metrics", "a key"),
        # The framework's router takes this path for the one without the line's end.
        ("GET", "/metrics\n", "read"),
        ("POST", "/v1/models/nut/rollback\n", "operate"),
    ],
)
def test_each_path_needs_what_the_route_needs_to_which_the_router_leads(
    method: str, path: str, need: str
) -> None:
    assert RouteNeeds().of(method, path) == need


def test_no_route_is_in_the_table_twice() -> None:
    rows = [(row.method, row.path) for row in ROUTES]
    assert len(rows) == len(set(rows))


def test_each_versions_route_needs_what_the_active_ones_does() -> None:
    needs = {(row.method, row.path): row.need for row in ROUTES}

    for (method, path), need in needs.items():
        if "/versions/{version}" in path and not path.endswith("/activate"):
            assert needs[method, path.replace("/versions/{version}", "")] == need


def test_a_route_that_is_added_stands_behind_all_others() -> None:
    needs = RouteNeeds()
    needs.add(RouteNeed("GET", "/v1/greeting/all", "operate"))
    needs.add(RouteNeed("GET", "/v1/greeting/{name}", "read"))
    assert needs.of("GET", "/v1/greeting/all") == "operate"
    assert needs.of("GET", "/v1/greeting/ann") == "read"


@pytest.mark.parametrize("path", ["/v1/models/{other}", "/v1/models/nut", "/v1/inspections/{n}"])
def test_a_route_that_another_one_answers_for_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"would need read instead of nothing"):
        RouteNeeds().add(RouteNeed("GET", path, "nothing"))
