"""Controllers: by which protocol a station hears its PLC, and shows it results.

Modbus TCP is one, `plc/`; other distributions add theirs through entry points. Each is a section
`[plc]` of a station's file that opens a `Controller`:

    [project.entry-points."takt.controllers"]
    lines = "takt_lines:LinesSection"
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from takt.core.errors import ConfigurationError
from takt.core.plugins import CONTROLLERS, declared_in
from takt_station.cycle.signals import Controls, StationStatus

MODBUS: Final = "modbus"


class ControlledStation(Protocol):
    """What a controller has of the station; it is called on the event loop."""

    def controls(self, controls: Controls) -> None:
        """Hear all that the PLC says, whenever some of it is otherwise.

        A part is an edge: `trigger` is set, and then is not.
        """

    def status(self) -> StationStatus:
        """What the PLC is shown now; asked for a PLC that is connected, and for no other.

        The station tells the server that its PLC is away once nobody has asked or said anything
        for two seconds.
        """


class Controller(Protocol):
    """A PLC's end of a station, from `start` to `stop`.

    The station keeps its promises whatever happens here: each part has one result, in order and in
    time. With `Controls.buffer_results` each is shown until it is acknowledged.
    """

    async def start(self) -> str:
        """Begin to hear.

        Returns:
            Where a PLC finds it, for people, such as `port 502`.

        Raises:
            OSError: it cannot listen, as a port is taken.
        """

    async def stop(self) -> None:
        """End all that it has begun."""

    def changed(self) -> None:
        """What `status` gives may be otherwise now; called at each count of the heartbeat, too."""


class ControllerSection(BaseModel, ABC):
    """The section `[plc]` of a station's file: the protocol, and what belongs to it.

    A key that is not declared is a mistake in the file, and so is a value that is not of its type.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str = Field(
        MODBUS, description="How the PLC speaks: `modbus`, or what a plugin is called."
    )

    @property
    def summary(self) -> str:
        """The protocol, with the address and the port if it has them, for people."""
        where = self.model_dump(include={"address", "port"})
        return ", ".join([self.protocol, *(f"{key} {said}" for key, said in where.items())])

    @abstractmethod
    def controller(self, station: ControlledStation) -> Controller:
        """The controller of a station; nothing is begun yet."""


def _section(said: Any) -> ControllerSection:
    """The section of the protocol that it names."""
    if not isinstance(said, dict):
        raise ValueError("this is a section: [plc]")
    return section_of(str(said.get("protocol", MODBUS))).model_validate(said)


def section_of(protocol: str) -> type[ControllerSection]:
    """What a protocol's section may say.

    Raises:
        ValueError: none of that name is installed, two are, or it cannot be used.
    """
    known = declared_in(CONTROLLERS)
    found = [one for one in known if one.name == protocol]
    if not found:
        there = ", ".join(sorted(one.name for one in known))
        raise ValueError(f"the protocol {protocol} is not installed; those that are: {there}")
    if len(found) > 1:
        theirs = " and ".join(one.distribution for one in found)
        raise ValueError(f"the protocol {protocol} is of {theirs}; uninstall all but one")
    (plugin,) = found
    try:
        section = plugin.load_as(type)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    if not issubclass(section, ControllerSection):
        said = f"{plugin.entry_point.value} is no ControllerSection"
        raise ValueError(str(plugin.refusal("used", TypeError(said))))
    return section


AnyControllerSection = Annotated[ControllerSection, BeforeValidator(_section)]
"""Of the protocol that the file names."""
