"""Callers who show a token (JWT) that an issuer has signed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import jwt

from takt.core.errors import ConfigurationError, UnauthenticatedError
from takt.security.caller import OF_TOKEN, SCOPES, Caller, CallerPendingError, Scope
from takt.security.oidc.fetching import one_line
from takt.security.oidc.issuer import Issuer, SigningKey
from takt.security.oidc.signing_keys import ALGORITHMS

LEEWAY_S = 30.0
"""By how much the clocks of issuer and server may differ."""

_MOST_BYTES = 8 * 1024
_MOST_OF_NAME = 64
_PREFIX = b"oidc:"
_CLAIMS = ("scope", "scp", "roles", "groups")
"""Where issuers put what a caller may do: as a list, or as a text with spaces between."""


class TokenAuthenticator:
    """Knows callers by the tokens of one issuer for one audience.

    Args:
        issuer: has the keys.
        name: the issuer, as its tokens have it.
        audience: whom tokens are for; those for others are refused.
        scopes: what each value of a claim stands for.
    """

    def __init__(
        self,
        issuer: Issuer,
        name: str,
        audience: str,
        scopes: Mapping[str, Collection[Scope]],
    ) -> None:
        self._issuer = issuer
        self._name = name
        self._audience = audience
        self._scopes = scopes

    def identify(self, credential: bytes) -> Caller | None:
        """The caller whom a token is of; None if it is no token.

        Raises:
            UnauthenticatedError: the token is refused.
            CallerPendingError: its key is not known yet, and the issuer may have it.
        """
        if credential.count(b".") != 2 or len(credential) > _MOST_BYTES:
            return None
        try:
            header = jwt.get_unverified_header(credential)
        except (jwt.PyJWTError, RecursionError):
            return None
        key = self._key_of(header)
        try:
            claims: dict[str, Any] = jwt.decode(
                credential,
                key.public,
                algorithms=[key.algorithm] if key.algorithm else ALGORITHMS,
                audience=self._audience,
                issuer=self._name,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
            expires_s = _moment(claims, "exp") + LEEWAY_S
            _moment(claims, "nbf")
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise UnauthenticatedError(f"the token is refused: {error}") from None
        return Caller(
            _name_of(claims),
            self._scopes_of(claims),
            _PREFIX + key.digest + hashlib.blake2b(credential, digest_size=16).digest(),
            expires_s,
        )

    def stands(self, caller: Caller) -> bool:
        """Whether the key that signed a caller's token is the issuer's still."""
        digest = caller.credential[len(_PREFIX) : len(_PREFIX) + 16]
        return caller.credential.startswith(_PREFIX) and self._issuer.has(digest)

    def _key_of(self, header: Mapping[str, Any]) -> SigningKey:
        # Before anything is looked for: whoever sends another one makes no use of the issuer.
        if header.get("alg") not in ALGORITHMS:
            raise UnauthenticatedError(
                f"the token is signed by {str(header.get('alg'))[:16]!r}, and not by one of "
                f"{', '.join(ALGORITHMS)}"
            )
        key_id = str(header.get("kid", ""))
        key = self._issuer.key(key_id)
        if key is not None:
            return key
        raise CallerPendingError(
            f"the token's key {key_id[:_MOST_OF_NAME]!r} is none of the issuer's; ask it for a new "
            "token",
            self._issuer.look,
        )

    def _scopes_of(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        given: set[str] = set()
        for claim in _CLAIMS:
            value = claims.get(claim)
            if isinstance(value, str):
                given.update(value.split())
            elif isinstance(value, list):
                given.update(one for one in value if isinstance(one, str))
        return frozenset(scope for one in given for scope in self._scopes.get(one, ()))


def _moment(claims: Mapping[str, Any], claim: str) -> float:
    """A moment in Unix time; 0 if there is none. A text is none, though PyJWT takes it.

    Raises:
        TypeError: it is no number.
        OverflowError: it is beyond all moments.
    """
    value = claims.get(claim, 0)
    if not isinstance(value, (int, float)):
        raise TypeError(f"its {claim} is no number")
    return float(value)


def _name_of(claims: Mapping[str, Any]) -> str:
    """A caller's name for the log, by which nobody can fake a line, or be taken for another."""
    names = (claims.get(claim) for claim in ("preferred_username", "sub"))
    name = next((one for one in names if isinstance(one, str) and one), "unnamed")
    return f"{OF_TOKEN}{one_line(name, _MOST_OF_NAME)}"


def parse_scopes(text: str) -> dict[str, frozenset[Scope]]:
    """What each value of a claim stands for.

    >>> sorted(parse_scopes("plant-lines=inspect, plant-admins=operate, plant-admins=read").items())
    ... # doctest: +ELLIPSIS
    [('plant-admins', frozenset({...})), ('plant-lines', frozenset({'inspect'}))]
    >>> parse_scopes("")["read"]
    frozenset({'read'})

    Args:
        text: pairs such as `plant-admins=operate` with commas between; if empty, each scope is
            called by its own name.

    Raises:
        ConfigurationError: something is no pair, or names no scope.
    """
    if not text.strip():
        return {scope: frozenset({scope}) for scope in SCOPES}
    found: dict[str, frozenset[Scope]] = {}
    for pair in text.split(","):
        value, _, named = (part.strip() for part in pair.rpartition("="))
        scope = next((one for one in SCOPES if one == named), None)
        if scope is None or not value:
            raise ConfigurationError(
                f"setting oidc_scopes has {pair.strip()!r}; write pairs such as "
                f"plant-admins=operate with one of {', '.join(sorted(SCOPES))}"
            )
        found[value] = found.get(value, frozenset()) | {scope}
    return found
