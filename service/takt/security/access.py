"""Builds the guard of a server: its keys, where they come from, and who hears of changes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Protocol

from takt.core.errors import ConfigurationError
from takt.peers import Alone, Message, Messenger, Peers
from takt.security.caller import Authenticator
from takt.security.credentials import Credentials
from takt.security.followed_files import Contents, FollowedFiles
from takt.security.guard import Guard
from takt.security.keys.key import Key
from takt.security.keys.key_file import parse_keys
from takt.security.keys.key_ring import KeyRing
from takt.security.oidc.setup import open_tokens
from takt.security.settings import AccessSettings
from takt.security.shared_sessions import SharedSessions


class AccessObserver(Protocol):
    """Hears what becomes of callers and of the files that tell of them."""

    def refused(self, code: str) -> None:
        """A request was refused with this code."""

    def watch(self, what: str) -> None:
        """Files are followed from now on."""

    def reloaded(self, what: str, taken: bool) -> None:
        """Files have changed, such as `keys`; and whether what they say now is in force."""


Exchanged = Callable[[Sequence[Key], Sequence[Key]], object]
"""Hears of the keys until now, and from now on."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask a server.

    Attributes:
        guard: checks each request.
        sessions: of browsers, in all processes of the server.
        ring: has the keys.
        jobs: run for as long as the server does; each is started once.
    """

    guard: Guard
    sessions: SharedSessions
    ring: KeyRing
    jobs: tuple[Callable[[], Coroutine[None, None, None]], ...]


def open_access(
    settings: AccessSettings,
    observer: AccessObserver,
    exchanged: Exchanged = lambda before, after: None,
    peers: Peers | None = None,
) -> Access:
    """Read the keys, and follow them and an issuer's.

    Args:
        settings: have the keys, or name their file, and say whose tokens are good.
        observer: hears of refusals and of new keys.
        exchanged: hears of each change of the file.
        peers: the other processes of the server, which look when this one has found other keys.

    Raises:
        ConfigurationError: both are given, or the keys cannot be read, or rules of tokens are
            missing.
    """
    keys, keys_file = settings.keys, settings.keys_file
    if keys and keys_file is not None:
        raise ConfigurationError("keys and keys_file are both set; set one of them")
    peers = peers or Alone()
    ring = KeyRing(parse_keys(keys.encode())) if keys else KeyRing()
    authenticators: list[Authenticator] = [ring] if keys or keys_file is not None else []
    jobs: list[Callable[[], Coroutine[None, None, None]]] = []

    def forget() -> None:
        credentials.forget()
        guard.look()

    if settings.oidc_issuer or settings.oidc_audience or settings.oidc_scopes:
        authenticator, issuer = open_tokens(
            settings, forget, lambda taken: observer.reloaded("oidc", taken)
        )
        authenticators.append(authenticator)
        observer.watch("oidc")
        jobs.append(issuer.run)
    credentials = Credentials(authenticators)
    guard = Guard(credentials, refused=observer.refused)
    if keys_file is not None:

        def take(contents: Contents) -> None:
            before, followed = ring.keys, bool(files.loaded)
            ring.replace(parse_keys(contents[0]))
            forget()
            if followed:
                exchanged(before, ring.keys)

        messenger = Messenger(peers)
        files = FollowedFiles(
            "keys",
            [keys_file],
            take,
            lambda taken: observer.reloaded("keys", taken),
            lambda: messenger.tell("keys", {}),
        )

        async def look(_: Message) -> Message:
            await files.look_aside()
            return {}

        peers.answer("keys", look)
        files.load()
        observer.watch("keys")
        jobs.append(files.run)
    if authenticators:
        jobs.append(guard.run)
    return Access(guard, SharedSessions(guard.sessions, peers), ring, tuple(jobs))
