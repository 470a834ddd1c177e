import math
from datetime import UTC, datetime

import pytest

from takt.security.keys.key import PREFIX, digest_of, new_key


def test_a_key_is_256_random_bits_and_never_the_same() -> None:
    secrets = {new_key("line3", frozenset({"inspect"}))[1] for _ in range(100)}

    assert len(secrets) == 100
    assert {len(secret.removeprefix(PREFIX)) for secret in secrets} == {43}


def test_nothing_that_is_kept_has_the_key_in_it() -> None:
    key, secret = new_key("line3", frozenset({"inspect"}))

    assert secret not in repr(key)
    assert key.digest == digest_of(secret.encode())
    assert secret not in repr(key.caller) and key.digest.hex() not in repr(key.caller)


def test_a_caller_has_the_name_the_scopes_and_the_end_of_the_key() -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    dated, _ = new_key("line3", frozenset({"inspect", "read"}), end)
    endless, _ = new_key("line4", frozenset({"operate"}))

    assert dated.caller.name == "line3"
    assert dated.caller.scopes == {"inspect", "read"}
    assert dated.caller.expires_s == end.timestamp()
    assert endless.caller.expires_s == math.inf


@pytest.mark.parametrize("name", ["server", "file", "folder", "anyone", "Server"])
def test_a_key_of_before_that_is_called_as_the_server_is_told_from_it(name: str) -> None:
    key, _ = new_key(name, frozenset({"inspect"}))
    assert key.caller.name == f"key:{name}"
