"""The public keys by which an issuer's tokens are checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jwt
from jwt.types import JWKDict

from takt.core.errors import ConfigurationError
from takt.security.oidc.fetching import FetchError, check_url, fetch_json
from takt.security.oidc.issuer import SigningKey

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""All are of public keys: what checks a token cannot make one."""

_KINDS = frozenset({"RSA", "EC", "OKP"})
_MOST_KEYS = 64
_MOST_OF_NAME = 100


def fetch_keys(issuer: str) -> tuple[SigningKey, ...]:
    """Fetch the keys that an issuer has at present; it takes a thread.

    Raises:
        FetchError: they cannot be had, or the documents say something else.
    """
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = fetch_json(url)
    if found.get("issuer") != issuer:
        name = str(found.get("issuer"))[:_MOST_OF_NAME]
        raise FetchError(f"{url} is of the issuer {name!r}; oidc_issuer must be the very same")
    keys_url = str(found.get("jwks_uri"))
    try:
        check_url(keys_url, "jwks_uri")
    except ConfigurationError as error:
        raise FetchError(f"{url}: {error}") from None
    keys = keys_of(fetch_json(keys_url))
    if not keys:
        raise FetchError(f"{keys_url} has no key that tokens can be checked by")
    return keys


def keys_of(document: Mapping[str, Any]) -> tuple[SigningKey, ...]:
    """The keys of a JSON Web Key Set that can check tokens; others are passed over."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        return ()
    found = [_key_of(one) for one in listed[:_MOST_KEYS] if isinstance(one, dict)]
    return tuple(key for key in found if key is not None)


def _key_of(described: JWKDict) -> SigningKey | None:
    algorithm, key_id = described.get("alg"), described.get("kid", "")
    if described.get("use", "sig") != "sig" or not isinstance(key_id, str):
        return None
    if algorithm is not None and algorithm not in ALGORITHMS:
        return None
    try:
        if described.get("kty") not in _KINDS:
            return None
        public = jwt.PyJWK(described).key
        text = json.dumps(described, sort_keys=True)
    except (jwt.PyJWTError, TypeError, ValueError, RecursionError):
        return None
    if hasattr(public, "private_bytes"):  # whoever publishes that has lost it
        return None
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return SigningKey(key_id, algorithm, public, digest)
