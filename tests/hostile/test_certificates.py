"""Certificates and tokens under load: a short run of `python -m tests.hostile certificates`."""

from __future__ import annotations

import pytest

from tests.hostile.certificates import rotate_under_load


@pytest.mark.slow
def test_no_request_fails_while_certificates_and_an_issuers_keys_are_exchanged() -> None:
    rotation = rotate_under_load(2_000)
    assert rotation.failed == 0, rotation.outcomes
    assert min(rotation.used.times.values()) > 0, rotation.used.times
    assert rotation.reloads["tls refused"] > 0, "no half-written pair was seen"
    assert rotation.tracebacks == 0
