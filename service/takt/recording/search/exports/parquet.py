"""Parquet for analyses: typed columns, whose meaning and unit the file has as well."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from takt.core.distribution import install_hint
from takt.core.domain import optional_reason_json, regions_json
from takt.core.errors import NotInstalledError
from takt.recording.search.exports.row_encoder import RowEncoder
from takt.recording.search.stored import COLUMNS, Column, ColumnKind

if TYPE_CHECKING:
    import pyarrow

_GROUP: Final = 10_000
"""Rows of a group, which a reader may skip as a whole; as many wait in memory."""


class ParquetEncoder(RowEncoder):
    """Writes Parquet.

    Raises:
        NotInstalledError: pyarrow is not installed.
    """

    media_type = "application/vnd.apache.parquet"

    def __init__(self, columns: Sequence[Column] = COLUMNS) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ModuleNotFoundError:
            raise NotInstalledError(
                f"Parquet needs pyarrow, which is not installed; {install_hint('parquet')}"
            ) from None
        self._pyarrow = pyarrow
        self._columns = columns
        self._schema = parquet_schema(columns)
        self._out = _Outflow()
        self._writer = parquet.ParquetWriter(self._out, self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def rows(self, rows: Sequence[Any]) -> bytes:
        """Whole groups of rows; others wait for the next ones."""
        self._waiting += rows
        if len(self._waiting) >= _GROUP:
            self._write()
        return self._out.take()

    def end(self) -> bytes:
        """The rows that wait, and the index of the file."""
        if self._waiting:
            self._write()
        self._writer.close()
        return self._out.take()

    def _write(self) -> None:
        arrays = [
            self._pyarrow.array([_value(one, column) for one in self._waiting], field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        batch = self._pyarrow.record_batch(arrays, schema=self._schema)
        self._writer.write_batch(batch, row_group_size=len(self._waiting))
        self._waiting = []


class _Outflow(io.RawIOBase):
    """A file that is only written, and whose bytes are taken out as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts = []
        return data


def parquet_schema(columns: Sequence[Column] = COLUMNS) -> pyarrow.Schema:
    """The columns as Arrow has them; meaning and unit are each field's metadata."""
    import pyarrow as pa

    region = pa.struct(
        [("box", pa.list_(pa.int32())), ("area", pa.int64()), ("peak", pa.float64())]
    )
    reason = pa.struct(
        [
            ("fact", pa.string()),
            ("value", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("text", pa.string()),
        ]
    )
    types: dict[ColumnKind, Any] = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
        "text": pa.string(),
        "time": pa.timestamp("us", "UTC"),
        "texts": pa.list_(pa.string()),
        "regions": pa.list_(region),
        "tags": pa.map_(pa.string(), pa.string()),
        "reason": reason,
    }
    return pa.schema(
        [
            pa.field(
                column.name,
                types[column.kind],
                nullable=column.optional,
                metadata={"meaning": column.meaning, "unit": column.unit},
            )
            for column in columns
        ]
    )


def _value(row: Any, column: Column) -> object:
    value = getattr(row, column.name)
    match column.kind:
        case "regions":
            return regions_json(value)
        case "tags":
            return list(value.items())
        case "reason":
            return optional_reason_json(value)
    return value
