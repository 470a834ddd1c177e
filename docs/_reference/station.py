"""The file of a station: every key."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs._reference.markdown import prose, table
from takt_station.file import CameraSection, CycleSection, StationSection
from takt_station.plc.section import ModbusSection

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[station]", StationSection),
    ("[cycle]", CycleSection),
    ("[plc]", ModbusSection),
    ("[cameras.VIEW]", CameraSection),
)


def station_file() -> str:
    """A table of each section: key, default, meaning."""
    return "\n\n".join(
        f"### `{name}`\n\n{_without_end(section.__doc__ or '')}\n\n"
        + table(
            ("key", "default", "what it says"),
            (
                (f"`{key}`", _shown(field), prose(field.description or ""))
                for key, field in section.model_fields.items()
            ),
        )
        for name, section in _SECTIONS
    )


def _without_end(text: str) -> str:
    return text.splitlines()[0]


def _shown(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    return "" if field.default in (None, "", ()) else f"`{field.default}`".lower()
