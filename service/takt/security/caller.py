"""Who asks, and what he may do."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

from takt.core.errors import InvalidParameterError

Scope = Literal["inspect", "operate", "read", "review"]
"""What a caller may do: send pictures; change thresholds and versions; read models, metrics and the
record; judge what is recorded."""

SCOPES: frozenset[Scope] = frozenset(get_args(Scope))


RESERVED: Final = frozenset({"server", "file", "folder", "anyone", "stranger"})
"""What the audit log and the log call those who are no caller by name; nobody else is called so."""

OF_TOKEN: Final = "oidc:"
"""Begins the name of a caller who came by a token: a key's name has no colon."""

OF_KEY: Final = "key:"
"""Begins the name of a caller whose key has a reserved name, as keys of before may have."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks; equal to another one only if both came by the same credential.

    Attributes:
        name: as the log has it; tells of whom by where it is from, as no two kinds can share one.
        scopes: what the caller may do.
        credential: names what the caller came by, such as a key's digest; never the key.
        expires_s: Unix time from which on the caller is not known any more.
    """

    name: str
    scopes: frozenset[Scope]
    credential: bytes = field(default=b"", repr=False)
    expires_s: float = math.inf


ANYONE = Caller("anyone", SCOPES)
"""Whoever asks a server that knows no callers."""

STRANGER = Caller("stranger", frozenset())
"""Somebody unknown, on a route that is open to all."""


def is_reserved(name: str) -> bool:
    """Whether a name stands for no caller, however it is written.

    >>> is_reserved(" Server"), is_reserved("line3")
    (True, False)
    """
    return name.strip().casefold() in RESERVED


def check_claimed(name: str) -> str:
    """A name that somebody gives himself, where nothing proves it.

    Raises:
        InvalidParameterError: it would stand for the server itself, or for a caller who is known.
    """
    if is_reserved(name) or name.strip().casefold().startswith((OF_TOKEN, OF_KEY)):
        raise InvalidParameterError(
            f"{name!r} stands for no person here: {', '.join(sorted(RESERVED))} and what begins "
            f"with {OF_TOKEN} or {OF_KEY} are names of the server's own; give another name"
        )
    return name


class Authenticator(Protocol):
    """Knows callers by one kind of credential, such as keys."""

    def identify(self, credential: bytes) -> Caller | None:
        """The caller who sent `Authorization: Bearer <credential>`; None if it is unknown here.

        It is called on the event loop, and its answers are remembered until
        `Credentials.forget()`.

        Raises:
            UnauthenticatedError: it is of this kind and refused, with the reason.
            CallerPendingError: that is being found out.
        """

    def stands(self, caller: Caller) -> bool:
        """Whether it would still identify this caller, whatever the time; False for others'."""


class CallerPendingError(Exception):
    """Who sent a credential is being found out.

    Args:
        message: what a client is told where nothing is found.
        settle: waits for that, for some seconds at most.
    """

    def __init__(self, message: str, settle: Callable[[], Awaitable[None]]) -> None:
        super().__init__(message)
        self.settle = settle
