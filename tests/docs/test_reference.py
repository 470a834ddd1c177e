"""The reference has every setting, metric, error, command, option and route, as the code has it."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest

from docs._reference.commands import groups_and_commands
from docs._reference.pages import DOCS, PAGES, PARTS, drawings, renewed
from takt.cli import main
from takt.core.errors import TaktError
from takt.declaration import heading_of
from takt.mirroring.metrics import MirrorMetrics
from takt.observing.instruments.gpu_metrics import GpuCollector
from takt.observing.instruments.metrics import Metrics
from takt.observing.instruments.station_states import StationStates
from takt.observing.instruments.watch_metrics import WatchMetrics
from takt.outlets.metrics import OutletMetrics
from takt.recording.audit.metrics import AuditMetrics
from takt.recording.metrics import RecordMetrics
from takt.security.routes import ROUTES
from takt.settings import Settings
from takt_station.cycle.signals import Controls
from takt_station.plc.registers import RegisterMap, words_of_controls
from takt_station.plc.signals import CONTROLS, STATUSES, Block, Kind


def read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_what_the_code_says_now(page) -> None:
    text = page.read_text("utf-8")
    assert "<!-- made: " in text
    assert renewed(text) == text, "run `make reference`"


@pytest.mark.parametrize("path", drawings(), ids=lambda path: path.name)
def test_a_drawing_shows_what_the_station_does_now(path) -> None:
    assert path.read_text("utf-8") == drawings()[path], "run `make reference`"


def test_no_drawing_of_the_plc_is_one_that_nobody_renews() -> None:
    assert {*DOCS.glob("plc/*")} == {*drawings()}
    assert all(f"](plc/{path.name})" in read("plc.md") for path in drawings())


def test_the_program_reads_and_writes_the_registers_that_are_declared() -> None:
    code = read("plc.md").partition("FUNCTION_BLOCK")[2].partition("END_FUNCTION_BLOCK")[0]
    places = RegisterMap()
    found = set()
    for array, index, bit in re.findall(r"a(Read|Write)\[(\d+)\](?:\.(\d+))?", code):
        signals, begin = (STATUSES, 3000) if array == "Read" else (CONTROLS, 0)
        found |= {
            signal.name
            for signal in signals
            if signal.words > int(index) + begin - places.address(signal) >= 0
            and (not bit or signal.bit == int(bit))
            and (bit or signal.kind is not Kind.BIT)
        }
    assert found == {
        *("trigger_ack", "results_valid", "command_done", "command_failed", "heartbeat"),
        *("recipe", "result.code", "result.part"),
        *("trigger", "results_ack", "execute_command", "clear_error", "command", "part"),
    }
    switches = words_of_controls(Controls(trigger_enable=True, buffer_results=True), places)
    assert f"aWrite[0] := 2#0000_0000_0000_{switches[Block.CONTROL][0]:04b};" in code


def test_no_page_has_a_part_that_nobody_renews() -> None:
    having = {path.name for path in DOCS.glob("*.md") if "<!-- made: " in path.read_text("utf-8")}
    assert having == {page.name for page in PAGES}
    parts = re.findall(r"<!-- made: (\w+) -->", "".join(page.read_text("utf-8") for page in PAGES))
    assert sorted(parts) == sorted(PARTS)


def test_every_setting_has_a_row_with_its_variable_under_its_heading() -> None:
    parts = (part.partition("\n") for part in read("settings.md").split("\n## ")[1:])
    sections = {heading: text for heading, _, text in parts}
    for name, field in Settings.model_fields.items():
        row = f"| `{name}`<br>`TAKT_{name.upper()}` |"
        assert row in sections.get(heading_of(field), ""), name
    assert [*sections] == [*dict.fromkeys(map(heading_of, Settings.model_fields.values()))]


def test_every_series_that_a_server_shows_is_named() -> None:
    metrics = Metrics()
    AuditMetrics(metrics.registry).begin(lambda: 0)
    RecordMetrics(metrics.registry).begin()
    WatchMetrics(metrics.registry, lambda station: True)
    MirrorMetrics(metrics.registry)
    OutletMetrics(metrics.registry)
    StationStates(metrics.registry, dict)
    exposed = generate_latest(metrics.registry).decode()
    names = set(re.findall(r"^# TYPE (takt_\w+) ", exposed, re.MULTILINE))
    names |= {metric.name for metric in GpuCollector(nvml=None).describe()}
    named = set(re.findall(r"^\| `(\w+)` \|", read("metrics.md"), re.MULTILINE))
    # A counter's time of creation is a series of its own, of which Prometheus needs nothing.
    assert {name for name in names if not name.endswith("_created")} == named
    assert len(named) > 40


def test_every_code_of_an_error_has_a_row() -> None:
    def kinds(kind: type[TaktError]) -> set[str]:
        below = [
            kinds(one) for one in kind.__subclasses__() if one.__module__ == "takt.core.errors"
        ]
        return {kind.code}.union(*below)

    rows = set(re.findall(r"^\| \d{3} \| `(\w+)` \|", read("errors.md"), re.MULTILINE))
    assert rows == kinds(TaktError)


def test_every_command_and_option_is_there() -> None:
    section = re.compile(r"^#+ (takt[\w -]*)\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
    sections = dict(section.findall(read("commands.md")))
    found = dict(groups_and_commands())
    assert set(found) == set(sections)
    assert len(found) > 30
    for path, command in found.items():
        with click.Context(command, info_name=path, terminal_width=1000) as ctx:
            shown = command.get_help(ctx).partition("Options:")[2]
        options = re.findall(r"(?<![\w-])--[\w-]+", shown)
        assert set(options) - {"--help"} <= set(re.findall(r"--[\w-]+", sections[path])), path


def test_the_commands_are_those_that_takt_lists() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output.partition("Commands:")[2]
    listed = set(re.findall(r"^  ([a-z-]+) ", shown, re.MULTILINE))
    assert len(listed) > 15
    assert listed <= {path.split()[1] for path, _ in groups_and_commands()}


def test_every_route_has_a_row() -> None:
    page = read("api.md")
    assert all(f"`{route.documented}` |" in page for route in ROUTES if route.method != "HEAD")
