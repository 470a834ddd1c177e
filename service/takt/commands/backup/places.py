"""Where what is backed up lies, and under which names a backup has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from takt.core.errors import ConfigurationError
from takt.recording.audit.kept_head import FILE as HEAD_FILE

CONFIG: Final = "takt.toml"
KEYS: Final = "keys.toml"
HEAD: Final = f"data/{HEAD_FILE}"
DATABASE: Final = "data/record.sqlite"
PICTURES: Final = "data/pictures"
MODELS: Final = "models"

PICTURE: Final = re.compile(r"\d{4}/\d\d/\d\d/[0-9a-f]{64}(\.\w+)?\.\w+", re.ASCII)
"""Path of a kept picture below `PICTURES`."""

_LONGEST: Final = 1024
_DEEPEST: Final = 32


def may_be_a_name(name: str) -> bool:
    """Whether a backup may have a file of this name.

    >>> may_be_a_name("models/bolt/1/manifest.json"), may_be_a_name("models/../x")
    (True, False)
    """
    parts = name.split("/")
    return (
        name.isprintable()
        and len(name) <= _LONGEST
        and len(parts) <= _DEEPEST
        and not any(part == "" or part.startswith(".") for part in parts)
    )


@dataclass(frozen=True, slots=True)
class ServerPlaces:
    """Where a server has what is backed up.

    Attributes:
        data: its `data_folder`.
        repository: folder of its models.
        keys_file: its file of keys; None where it has none.
        config: its file of settings; None where it has none.
    """

    data: Path
    repository: Path
    keys_file: Path | None
    config: Path | None

    @property
    def pictures(self) -> Path:
        """Folder of the kept pictures."""
        return self.data / "pictures"

    def of(self, name: str) -> Path:
        """Where a member of a backup belongs.

        Raises:
            ConfigurationError: no backup of ours has such a member, or nobody said where it goes.
        """
        if not may_be_a_name(name):
            raise _foreign(name)
        top, _, below = name.partition("/")
        if name in (CONFIG, KEYS):
            file = self.config if name == CONFIG else self.keys_file
            if file is None:
                option = "--config" if name == CONFIG else "--keys-file"
                raise ConfigurationError(
                    f"the backup has {name}; say where it is to go with {option}"
                )
            return file
        picture = name.removeprefix(f"{PICTURES}/")
        if name in (HEAD, DATABASE) or (picture != name and PICTURE.fullmatch(picture)):
            return self.data / below
        if top == MODELS and below:
            return self.repository / below
        raise _foreign(name)


def _foreign(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"the file has {name[:100]!r}, which no backup has; name one that `takt backup` has written"
    )
