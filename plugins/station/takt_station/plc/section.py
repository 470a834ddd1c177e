"""The section `[plc]` of a station's file whose PLC speaks Modbus TCP."""

from __future__ import annotations

from typing import Final

from pydantic import Field, model_validator

from takt.core.errors import ConfigurationError
from takt_station.controllers import ControlledStation, ControllerSection
from takt_station.plc.access import MasterAccess, Network
from takt_station.plc.camera import ModbusCamera
from takt_station.plc.registers import RegisterMap

_USUAL: Final = RegisterMap()


class ModbusSection(ControllerSection):
    """The Modbus TCP server that the PLC asks."""

    address: str = Field(default="127.0.0.1", description="Address that it listens on.")
    port: int = Field(
        default=502, ge=0, le=65535, description="Its port; 0 takes a free one, and says which."
    )
    control: int = Field(default=_USUAL.control, description="First address of the control block.")
    input: int = Field(default=_USUAL.input, description="First address of the input block.")
    status: int = Field(default=_USUAL.status, description="First address of the status block.")
    output: int = Field(default=_USUAL.output, description="First address of the output block.")
    high_word_first: bool = Field(
        default=True, description="Whether the first word of two is the high one."
    )
    high_byte_first: bool = Field(
        default=True,
        description="Whether the first character of two in a word of a text is in its high byte.",
    )
    allowed: tuple[Network, ...] = Field(
        default=(),
        description="Networks from which a PLC may connect, such as `10.0.0.5/32`; any if none.",
    )

    def controller(self, station: ControlledStation) -> ModbusCamera:
        """The server of the registers."""
        return ModbusCamera(
            self.address,
            self.port,
            self.registers,
            station.controls,
            station.status,
            MasterAccess(networks=self.allowed),
        )

    @property
    def registers(self) -> RegisterMap:
        """Where the registers are."""
        return RegisterMap(**self.model_dump(include={*RegisterMap.__slots__}))

    @model_validator(mode="after")
    def _has_room(self) -> ModbusSection:
        try:
            _ = self.registers
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self
