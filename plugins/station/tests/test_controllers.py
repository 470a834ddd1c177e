"""A PLC's protocol is a plugin of the station, and Modbus TCP is one of them."""

from __future__ import annotations

import pytest

from takt_station.controllers import section_of
from takt_station.file import StationFile, parse_station
from takt_station.plc.section import ModbusSection
from tests.conftest import InstallPlugins

FILE = """\
[station]
name = "line3"
server = "http://127.0.0.1:8000"

[cycle]
result_ms = 120
picture_ms = 40

[plc]
protocol = "{protocol}"
{key} = {value}

[cameras.top]
snapshot = "http://camera/now.jpg"
"""

FIELDBUS = """
from takt_station.controllers import ControllerSection

class Section(ControllerSection):
    slot: int = 1

    def controller(self, station):
        raise NotImplementedError
"""


def put(install_plugins: InstallPlugins, text: str, name: str = "takt-made-up") -> None:
    groups = {"takt.controllers": {"fieldbus": "made_up:Section"}}
    install_plugins(groups, {"made_up": text}, name)


def said(protocol: str, key: str = "address", value: str = '"127.0.0.1"') -> tuple[int, str]:
    """The mistake in a file, by its line."""
    found = parse_station(FILE.format(protocol=protocol, key=key, value=value))
    assert not isinstance(found, StationFile)
    (mistake,) = found
    return mistake.line, mistake.text


def test_a_file_without_a_protocol_has_modbus() -> None:
    found = parse_station(FILE.replace('protocol = "{protocol}"\n{key} = {value}', "port = 0"))
    assert isinstance(found, StationFile)
    assert isinstance(found.plc, ModbusSection)
    assert found.plc.summary == "modbus, address 127.0.0.1, port 0"


def test_another_distributions_protocol_has_keys_of_its_own(
    install_plugins: InstallPlugins,
) -> None:
    put(install_plugins, FIELDBUS)
    found = parse_station(FILE.format(protocol="fieldbus", key="slot", value="3"))
    assert isinstance(found, StationFile)
    assert found.plc.model_dump() == {"protocol": "fieldbus", "slot": 3}
    assert found.plc.summary == "fieldbus"


@pytest.mark.parametrize(
    ("protocol", "key", "value", "line", "text"),
    [
        ("fieldbus", "slot", '"a"', 11, "plc.slot: input should be a valid integer"),
        ("fieldbus", "port", "1", 11, "plc.port: there is no such key here"),
        ("modbus", "port", "70000", 11, "plc.port: input should be less than or equal to 65535"),
        ("profinet", "slot", "1", 9, "plc: the protocol profinet is not installed; those that are"),
    ],
)
def test_a_mistake_is_told_by_its_line(
    install_plugins: InstallPlugins, protocol: str, key: str, value: str, line: int, text: str
) -> None:
    put(install_plugins, FIELDBUS)
    at, told = said(protocol, key, value)
    assert (at, told[: len(text)]) == (line, text)


def test_a_protocol_that_is_not_there_names_those_that_are(install_plugins: InstallPlugins) -> None:
    put(install_plugins, FIELDBUS)
    assert said("profinet")[1].endswith("those that are: fieldbus, modbus")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing_of_this_name", "cannot be loaded: ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit"),
        ("Section = 7", "cannot be used: TypeError: made_up:Section is int, no type"),
        ("class Section: pass", "cannot be used: TypeError: made_up:Section is no Controller"),
    ],
)
def test_one_that_cannot_be_used_is_named_with_its_distribution(
    install_plugins: InstallPlugins, text: str, why: str
) -> None:
    put(install_plugins, text)
    _, told = said("fieldbus")
    assert f"the plugin fieldbus (controller, takt-made-up 1.2.3) {why}" in told
    assert told.endswith("mend it, or name another protocol in the station's file")


def test_two_of_one_name_are_not_guessed_between(install_plugins: InstallPlugins) -> None:
    put(install_plugins, FIELDBUS)
    put(install_plugins, FIELDBUS, "takt-another")
    with pytest.raises(ValueError, match=r"is of takt-.* and takt-.*; uninstall all but one"):
        section_of("fieldbus")
