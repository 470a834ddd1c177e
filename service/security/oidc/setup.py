"""Makes what knows an issuer's tokens, as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from service.core.distribution import install_hint
from service.core.errors import ConfigurationError
from service.security.caller import Authenticator
from service.security.oidc.fetching import check_url
from service.security.oidc.issuer import Issuer


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Whose tokens are good, as the settings `oidc_…` say it; all empty for nobody's.

    Attributes:
        issuer: its URL, as its tokens have it.
        audience: whom tokens are for.
        scopes: what values of claims stand for.
    """

    issuer: str = ""
    audience: str = ""
    scopes: str = ""

    def __bool__(self) -> bool:
        """Whether any is set."""
        return bool(self.issuer or self.audience or self.scopes)


def open_tokens(
    rules: TokenRules, changed: Callable[[], None], reloaded: Callable[[bool], None]
) -> tuple[Authenticator, Issuer]:
    """What knows callers by tokens, and the keys, which are to be looked at while it serves.

    Args:
        rules: whose tokens are good.
        changed: called when the issuer's keys have changed.
        reloaded: hears of each change, and of looks that fail.

    Raises:
        ConfigurationError: a setting is missing or malformed, or PyJWT is not installed.
    """
    for name, value in (("oidc_issuer", rules.issuer), ("oidc_audience", rules.audience)):
        if not value:
            raise ConfigurationError(f"tokens need {name}, which is not set")
    check_url(rules.issuer, "oidc_issuer")
    try:
        from service.security.oidc.signing_keys import fetch_keys
        from service.security.oidc.token_authenticator import TokenAuthenticator, parse_scopes
    except ImportError as error:
        raise ConfigurationError(
            f"oidc_issuer needs PyJWT, which cannot be imported ({error}); {install_hint('oidc')}"
        ) from None
    issuer = Issuer(partial(fetch_keys, rules.issuer), changed, reloaded)
    scopes = parse_scopes(rules.scopes)
    return TokenAuthenticator(issuer, rules.issuer, rules.audience, scopes), issuer
