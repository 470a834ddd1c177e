from datetime import UTC, datetime

import pytest

from takt.core.errors import ConfigurationError
from takt.security.keys.key import new_key
from takt.security.keys.key_file import MOST_KEYS, format_keys, parse_keys

DIGEST = "sha256:" + "ab" * 32


def test_what_is_written_is_read_back() -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    keys = (
        new_key("line3", frozenset({"inspect", "read"}), end)[0],
        new_key("7-office_2", frozenset({"operate"}))[0],
    )

    assert parse_keys(format_keys(keys)) == keys
    assert parse_keys(format_keys(())) == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "version: Field required"),
        ("version = 2", "version: "),
        ("version = true", "version: "),
        ("version = 1\n[keys.a]\nscopes = ['inspect']", "keys.a.digest: Field required"),
        (f"version = 1\n[keys.a]\ndigest = '{DIGEST}'\nscopes = []", "keys.a.scopes: "),
        (f"version = 1\n[keys.a]\ndigest = '{DIGEST}'\nscopes = ['all']", "keys.a.scopes.0: "),
        (f"version = 1\n[keys.a]\ndigest = '{DIGEST}0'\nscopes = ['read']", "keys.a.digest: "),
        (f"version = 1\n[keys.a]\ndigest = '{DIGEST[7:]}'\nscopes = ['read']", "keys.a.digest: "),
        (f"version = 1\n[keys.'a b']\ndigest = '{DIGEST}'\nscopes = ['read']", "keys.a b"),
        (f"version = 1\n[keys.a]\ndigest = '{DIGEST}'\nscopes = ['read']\nscope = 1", "scope: "),
        # Without its zone nobody knows when that is.
        (
            f"version = 1\n[keys.a]\ndigest = '{DIGEST}'\nscopes = ['read']\n"
            "expires = 2030-01-01T00:00:00",
            "keys.a.expires: ",
        ),
        ("version = 1\n[keys.a", "no TOML"),
        ("version = 1\nversion = 1", "no TOML"),
    ],
)
def test_damage_is_refused_by_the_field(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_keys(text.encode())

    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value).strip()


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no TOML"):
        parse_keys(b"version = 1\n#\xff")


def test_a_file_that_is_cut_has_whole_keys_or_is_refused() -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    keys = tuple(new_key(name, frozenset({"inspect"}), end)[0] for name in ("a", "b"))
    whole, read = format_keys(keys), set()
    for length in range(len(whole)):
        try:
            read.add(parse_keys(whole[:length]))
        except ConfigurationError:
            continue

    assert read == {(), keys[:1], keys}


def test_one_secret_under_two_names_is_refused() -> None:
    text = "version = 1\n" + "".join(
        f"[keys.{name}]\ndigest = '{DIGEST}'\nscopes = ['read']\n" for name in ("a", "b")
    )
    with pytest.raises(ConfigurationError, match="two names have the same digest"):
        parse_keys(text.encode())


def test_more_keys_than_a_request_should_be_compared_with_are_refused() -> None:
    text = "version = 1\n" + "".join(
        f"[keys.k{n}]\ndigest = 'sha256:{n:064x}'\nscopes = ['read']\n"
        for n in range(MOST_KEYS + 1)
    )
    with pytest.raises(ConfigurationError, match="keys: "):
        parse_keys(text.encode())
