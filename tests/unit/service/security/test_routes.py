import pytest

from service.security.routes import ROUTES, WEBSOCKET, RouteNeeds


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
