"""The base of the records in a bundle's folder, and how such a record is kept as a JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from takt.core.bundles.reading import RECORD_BYTES, read_file
from takt.core.errors import TaktError
from takt.core.problem import validation_message

_VALUES = 1 << 14
"""Most values in a file: pydantic keeps a complaint about each one that is wrong."""


class StrictModel(BaseModel):
    """A frozen record without unknown fields, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def read(
        cls, file: Path, within: Sequence[Path], error: type[TaktError], remedy: str = ""
    ) -> Self | None:
        """Reads a JSON file; None if there is none.

        Args:
            file: of this record.
            within: folders in one of which the file has to be, whatever links lead to it.
            error: the kind of error for a file that is damaged or cannot be read.
            remedy: what to do about a damaged file.
        """
        try:
            data = read_file(file, within, RECORD_BYTES, error)
        except FileNotFoundError:
            return None
        return cls.checked(data, file, error, remedy)

    @classmethod
    def checked(cls, data: bytes, file: Path, error: type[TaktError], remedy: str = "") -> Self:
        """The record in the content of a JSON file, which an error names.

        Args:
            data: the content.
            file: of this record.
            error: the kind of error for content that is no such record.
            remedy: what to do about it.
        """
        try:
            if sum(map(data.count, (b",", b"[", b"{"))) > _VALUES:
                raise ValueError("it has too many values")
            return cls.parse(data)
        except ValueError as failed:
            # pydantic's errors are of this kind too.
            why = (
                validation_message(failed, "the file")
                if isinstance(failed, ValidationError)
                else str(failed)
            )
            raise error(f"{file}: {why}{remedy and f'; {remedy}'}") from None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The record in the content of a JSON file.

        Raises:
            ValueError: it is no such record.
        """
        return cls.model_validate_json(data)

    def json_bytes(self) -> bytes:
        """The content of the record's JSON file."""
        return (self.model_dump_json(indent=2) + "\n").encode()


class SealedModel(StrictModel):
    """A record whose file tells whether it was changed after it was written."""

    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """`sealing_digest` of all else in the file; None in files from before it was kept."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The record in the content of a JSON file, if that is what was written."""
        record = super().parse(data)
        fields = json.loads(data, object_pairs_hook=_unique)
        if record.digest is not None and record.digest != sealing_digest(fields):
            raise ValueError(
                "it was changed after it was written, as its digest tells; export the bundle again"
            )
        return record

    def json_bytes(self) -> bytes:
        """The content of the record's JSON file, with its digest."""
        digest = sealing_digest(json.loads(self.model_dump_json()))
        return super(SealedModel, self.model_copy(update={"digest": digest})).json_bytes()


def sealing_digest(fields: dict[str, Any]) -> str:
    """SHA-256 of a record's canonical form.

    The canonical form is JSON without the field `digest` and without spaces, in ASCII, with the
    names of each object sorted and numbers as Python writes them. It covers all fields in the file,
    those that only a later version knows included.

    >>> sealing_digest({"name": "a", "version": "1"})[:8]
    '42867b18'
    >>> sealing_digest({"version": "1", "digest": "0", "name": "a"})[:8]
    '42867b18'

    Args:
        fields: as they stand in the file.
    """
    rest = {name: value for name, value in fields.items() if name != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; one with two values for a name could be read in two ways."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return fields
