"""Files that are read again when they change: keys and certificates are exchanged while serving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from takt.core.errors import ConfigurationError, TaktError

Contents = tuple[bytes, ...]

LOOK_EVERY_S = 0.25
"""Time between two looks; a change is taken within a second, on a busy machine as well."""

_MOST_BYTES = 1024 * 1024

logger = logging.getLogger("takt.security")


class FollowedFiles:
    """Small files that belong together; their contents are handed on whenever they differ.

    The bytes are compared, not times: they are few, and so links that are exchanged, as those of
    volumes of Kubernetes, count like any other change. Where a new content is damaged or a file is
    gone, the last good one stays in force; that is logged once and told to `reloaded`.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     files = FollowedFiles("words", [Path(file.name)], take=print)
    ...     files.load()
    ...     Path(file.name).write_bytes(b"hello")
    ...     files.look()
    (b'',)
    5
    (b'hello',)

    Args:
        what: what they are, for the log.
        paths: the files.
        take: takes their contents, one for each path; raises a TaktError to refuse them.
        reloaded: hears of each change, and whether it was taken.
        noticed: hears of each change that `run` has found first.
    """

    def __init__(
        self,
        what: str,
        paths: Sequence[Path],
        take: Callable[[Contents], None],
        reloaded: Callable[[bool], None] = lambda taken: None,
        noticed: Callable[[], None] = lambda: None,
    ) -> None:
        self._what = what
        self._paths = tuple(paths)
        self._take = take
        self._reloaded = reloaded
        self._noticed = noticed
        self._seen: Contents | str | None = None

    @property
    def loaded(self) -> bool:
        """Whether contents were handed on before."""
        return self._seen is not None

    def load(self) -> None:
        """Read and hand on for the first time.

        Raises:
            ConfigurationError: a file cannot be read.
            TaktError: as `take` raises.
        """
        found = self._read()
        if isinstance(found, str):
            raise ConfigurationError(found)
        self._take(found)
        self._seen = found

    def look(self) -> None:
        """Read again, and hand on what has changed."""
        self._compare(self._read())

    async def look_aside(self) -> bool:
        """Look as `look` does, and tell whether something has changed; a thread reads."""
        return self._compare(await asyncio.to_thread(self._read))

    async def run(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if await self.look_aside():
                self._noticed()

    def _compare(self, found: Contents | str) -> bool:
        if found == self._seen:
            return False
        self._seen = found
        try:
            if isinstance(found, str):
                raise ConfigurationError(found)
            self._take(found)
        except TaktError as error:
            text = "the new %s are refused, and the last good ones stay: %s"
            logger.error(text, self._what, error)
            self._reloaded(False)
        else:
            logger.info("the %s have changed, and the new ones are in force", self._what)
            self._reloaded(True)
        return True

    def _read(self) -> Contents | str:
        """The contents, or why they cannot be had."""
        contents = []
        for path in self._paths:
            try:
                if not path.is_file():
                    return f"there is no file {path}"
                with path.open("rb") as file:
                    content = file.read(_MOST_BYTES + 1)
            except OSError as error:
                return f"the file {path} cannot be read: {error.strerror}"
            if len(content) > _MOST_BYTES:
                return f"the file {path} has more than {_MOST_BYTES} bytes"
            contents.append(content)
        return tuple(contents)
