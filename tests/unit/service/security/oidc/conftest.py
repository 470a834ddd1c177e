from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.issuer import FakeIssuer


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as found:
        yield found
