"""Makes what knows an issuer's tokens, as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from takt.core.distribution import install_hint
from takt.core.errors import ConfigurationError
from takt.security.caller import Authenticator
from takt.security.oidc.fetching import check_url
from takt.security.oidc.issuer import Issuer
from takt.security.settings import AccessSettings


def open_tokens(
    settings: AccessSettings, changed: Callable[[], None], reloaded: Callable[[bool], None]
) -> tuple[Authenticator, Issuer]:
    """What knows callers by tokens, and the keys, which are to be looked at while it serves.

    Args:
        settings: whose tokens are good, by those that begin with `oidc_`.
        changed: called when the issuer's keys have changed.
        reloaded: hears of each change, and of looks that fail.

    Raises:
        ConfigurationError: a setting is missing or malformed, or PyJWT is not installed.
    """
    needed = {"oidc_issuer": settings.oidc_issuer, "oidc_audience": settings.oidc_audience}
    for name, value in needed.items():
        if not value:
            raise ConfigurationError(f"tokens need {name}, which is not set")
    check_url(settings.oidc_issuer, "oidc_issuer")
    try:
        from takt.security.oidc.signing_keys import fetch_keys
        from takt.security.oidc.token_authenticator import TokenAuthenticator, parse_scopes
    except ImportError as error:
        raise ConfigurationError(
            f"oidc_issuer needs PyJWT, which cannot be imported ({error}); {install_hint('oidc')}"
        ) from None
    issuer = Issuer(partial(fetch_keys, settings.oidc_issuer), changed, reloaded)
    scopes = parse_scopes(settings.oidc_scopes)
    return TokenAuthenticator(issuer, settings.oidc_issuer, settings.oidc_audience, scopes), issuer
