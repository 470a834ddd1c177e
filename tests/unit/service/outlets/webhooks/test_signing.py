"""Signatures are those of Standard Webhooks, by the package that its authors publish."""

from __future__ import annotations

import base64
import time

import pytest
import standardwebhooks

from takt.core.errors import ConfigurationError
from takt.outlets.webhooks.signing import parse_secret, signed_headers

OLD, NEW, OTHER = (f"whsec_{base64.b64encode(bytes([n] * 32)).decode()}" for n in (1, 2, 3))
BODY = b'{"id":"a-1","part":"\xc3\xa4"}'


def headers(*secrets: str) -> dict[str, str]:
    keys = [parse_secret(one, "here") for one in secrets]
    return signed_headers("a-1", int(time.time()), BODY, keys)


def test_a_receiver_verifies_what_was_signed() -> None:
    verified = standardwebhooks.Webhook(NEW).verify(BODY, headers(NEW))
    assert verified == {"id": "a-1", "part": "ä"}


def test_while_secrets_are_exchanged_receivers_of_either_verify_it() -> None:
    for secret in (OLD, NEW):
        standardwebhooks.Webhook(secret).verify(BODY, headers(OLD, NEW))


def test_a_receiver_with_another_secret_or_another_body_refuses_it() -> None:
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OTHER).verify(BODY, headers(OLD, NEW))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(NEW).verify(BODY + b" ", headers(NEW))


def test_the_id_and_the_time_are_signed_as_well() -> None:
    for name, value in (("webhook-id", "a-2"), ("webhook-timestamp", str(int(time.time()) - 9))):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(NEW).verify(BODY, headers(NEW) | {name: value})


@pytest.mark.parametrize("text", ["", "whsec_", "AAAA" * 8, "whsec_AAAA", "whsec_" + "?" * 32])
def test_what_is_no_secret_is_refused_with_how_to_make_one_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="openssl rand") as refused:
        parse_secret(text, "secret 1 of the webhook mes")
    assert "secret 1 of the webhook mes" in str(refused.value)
    assert "????" not in str(refused.value)
