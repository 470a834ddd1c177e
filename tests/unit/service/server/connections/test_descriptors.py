from __future__ import annotations

import resource

import pytest

from takt.server.connections.descriptors import (
    ConnectionLimits,
    descriptor_is_free,
    limit_of_open_files,
    limits_of,
)


@pytest.mark.parametrize(
    ("most", "per_client", "open_files", "limits"),
    [
        (1024, 0, None, ConnectionLimits(1024, 512)),
        (1024, 0, 1024, ConnectionLimits(896, 448)),
        (1024, 2000, 1024, ConnectionLimits(896, 896)),
        (1024, 7, 100_000, ConnectionLimits(1024, 7)),
        (1024, 0, 64, ConnectionLimits(32, 16)),
        (1, 0, None, ConnectionLimits(1, 1)),
    ],
)
def test_connections_leave_descriptors_to_the_services_files(
    most: int, per_client: int, open_files: int | None, limits: ConnectionLimits
) -> None:
    assert limits_of(most, per_client, open_files) == limits


def test_the_limit_is_the_one_that_counts_now() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limit_of_open_files() == (None if soft == resource.RLIM_INFINITY else soft)


def test_no_free_descriptor_is_noticed() -> None:
    assert descriptor_is_free()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert not descriptor_is_free()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
