"""One cluster for all of these tests: it takes half a minute to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.ray.two_nodes import TwoNodes, two_nodes


@pytest.fixture(scope="session")
def nodes() -> Iterator[TwoNodes]:
    with two_nodes() as cluster:
        yield cluster
