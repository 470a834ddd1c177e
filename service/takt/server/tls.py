"""The certificate that the server shows, and the clients' certificates that it takes."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from takt.core.errors import ConfigurationError
from takt.security.access import AccessObserver
from takt.security.followed_files import Contents, FollowedFiles
from takt.settings import Settings


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the files hold, as PEM.

    Attributes:
        certificate: the chain, the server's own certificate first.
        key: of that certificate.
        client_ca: authorities of which every client has to show a certificate, if it has to.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None


class ServerTls:
    """What a server shows and takes over TLS, exchanged whenever the files change.

    Connections that are open go on as they began.

    Args:
        settings: name the files.
        reloaded: hears of each change, and whether it was taken.

    Attributes:
        context: for the next connection.
        shown: the same as PEM, for what makes no use of Python's TLS.
        files: to be followed while the server runs.

    Raises:
        ConfigurationError: a file is missing, damaged, or not the other one's.
    """

    context: ssl.SSLContext
    shown: TlsFiles

    def __init__(
        self, settings: Settings, reloaded: Callable[[bool], None] = lambda taken: None
    ) -> None:
        certificate, client_ca = settings.tls_certificate, settings.tls_client_ca
        assert certificate is not None
        paths = [settings.tls_key or certificate, certificate]
        self.files = FollowedFiles(
            "TLS files", [*paths, client_ca] if client_ca else paths, self._take, reloaded
        )
        self.files.load()

    def _take(self, contents: Contents) -> None:
        key, certificate, *authorities = contents
        self.context = tls_context(certificate, key, *authorities)
        self.shown = TlsFiles(certificate, key, *authorities)


def open_tls(settings: Settings, observer: AccessObserver) -> ServerTls | None:
    """Read the files that the settings name; None if they name none.

    Raises:
        ConfigurationError: a file is missing or damaged, or a setting misses another one.
    """
    if settings.tls_certificate is None:
        for name in ("tls_key", "tls_client_ca"):
            if getattr(settings, name) is not None:
                raise ConfigurationError(f"{name} is set without tls_certificate; set both")
        return None
    tls = ServerTls(settings, lambda taken: observer.reloaded("tls", taken))
    observer.watch("tls")
    return tls


def tls_context(certificate: bytes, key: bytes, client_ca: bytes | None = None) -> ssl.SSLContext:
    """The rules of a connection: TLS 1.2 or later.

    Args:
        certificate: the chain that the server shows, its own certificate first, as PEM.
        key: of that certificate, as PEM without a password.
        client_ca: authorities of which every client has to show a certificate, as PEM.

    Raises:
        ConfigurationError: something is damaged, or the key is another certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # The key goes first: the file of the certificate may hold another one.
        with _in_memory(key + b"\n" + certificate) as path:
            context.load_cert_chain(path, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(
                "the key in tls_key is not that of the certificate in tls_certificate"
            ) from None
        raise ConfigurationError(
            "tls_certificate and tls_key hold no certificate and key as PEM "
            f"({error.reason or error})"
        ) from None
    if client_ca is not None:
        try:
            context.load_verify_locations(cadata=client_ca.decode("ascii", "replace"))
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"tls_client_ca holds no certificates as PEM ({error.reason or error})"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _refuse_password() -> str:
    # OpenSSL would ask for it on the terminal.
    raise ConfigurationError("the key in tls_key has a password; write it without one")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """The path of a file in memory.

    Python's `ssl` takes certificates by their path only. The files themselves may be another
    pair by now, and a key is not copied to a disk.
    """
    with os.fdopen(os.memfd_create("tls"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
