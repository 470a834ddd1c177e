"""The base of the records in a bundle's folder, and how such a record is kept as a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from service.errors import TaktError, validation_message


class StrictModel(BaseModel):
    """A frozen record without unknown fields, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def read(cls, file: Path, error: type[TaktError], remedy: str = "") -> Self | None:
        """Reads a JSON file; None if there is none.

        Args:
            file: of this record.
            error: the kind of error for a file that is damaged or cannot be read.
            remedy: what to do about a damaged file.
        """
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as failed:
            raise error(f"{file} cannot be read: {failed.strerror}") from None
        except ValidationError as failed:
            why = validation_message(failed, "the file")
            raise error(f"{file}: {why}{remedy and f'; {remedy}'}") from None

    def json_bytes(self) -> bytes:
        """The content of the record's JSON file."""
        return (self.model_dump_json(indent=2) + "\n").encode()
