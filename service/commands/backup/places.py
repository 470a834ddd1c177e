"""Where what is backed up lies, and under which names a backup has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from service.core.errors import ConfigurationError
from service.recording.audit.kept_head import FILE as HEAD_FILE

CONFIG: Final = "takt.toml"
KEYS: Final = "keys.toml"
HEAD: Final = f"data/{HEAD_FILE}"
DATABASE: Final = "data/record.sqlite"
PICTURES: Final = "data/pictures"
MODELS: Final = "models"


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
        path = PurePosixPath(name)
        if not name.isprintable() or path.as_posix() != name or {"..", ""} & {*name.split("/")}:
            raise _foreign(name)
        if name in (CONFIG, KEYS):
            file = self.config if name == CONFIG else self.keys_file
            if file is None:
                option = "--config" if name == CONFIG else "--keys-file"
                raise ConfigurationError(
                    f"the backup has {name}; say where it is to go with {option}"
                )
            return file
        if name in (HEAD, DATABASE) or name.startswith(f"{PICTURES}/"):
            return self.data / path.relative_to("data")
        if name.startswith(f"{MODELS}/"):
            return self.repository / path.relative_to(MODELS)
        raise _foreign(name)


def _foreign(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"the file has {name!r}, which no backup has; name one that `takt backup` has written"
    )
