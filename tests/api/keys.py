"""Keys of callers with each set of scopes, for apps in process."""

from __future__ import annotations

from takt.security.caller import Scope
from takt.security.keys.key import new_key
from takt.security.keys.key_file import format_keys

_MADE = {
    name: new_key(name, frozenset(scopes))
    for name, scopes in {
        "camera": ("inspect",),
        "engineer": ("operate",),
        "scraper": ("read",),
        "reviewer": ("review",),
        "leader": ("operate", "read"),
        "all": ("inspect", "operate", "read", "review"),
    }.items()
}
KEYS = format_keys(key for key, _ in _MADE.values()).decode()
"""The setting `keys` of a server that knows them."""

WITH_SCOPE: dict[Scope, str] = {
    "inspect": "camera",
    "operate": "engineer",
    "read": "scraper",
    "review": "reviewer",
}
"""The name of the key that has this scope alone."""


def bearer(name: str) -> dict[str, str]:
    """The headers of a caller, by the name of its key."""
    return {"authorization": f"Bearer {_MADE[name][1]}"}


def file_without(*names: str) -> bytes:
    """A file of the keys, without those that are revoked."""
    return format_keys(key for name, (key, _) in _MADE.items() if name not in names)


def secret(name: str) -> str:
    """What a person types to log in, by the name of the key."""
    return _MADE[name][1]
