"""Certificates of `trustme`, as servers and clients here take them."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


def pair_of(authority: trustme.CA, name: str = "takt") -> tuple[bytes, bytes]:
    """A certificate for 127.0.0.1 and localhost, and its key, as PEM."""
    issued = authority.issue_cert("localhost", "127.0.0.1", common_name=name)
    return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()


def client_of(authority: trustme.CA, certificate: Path | None = None) -> ssl.SSLContext:
    """A client that trusts an authority, and shows a certificate, a file with its key, if given."""
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
