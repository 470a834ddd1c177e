"""The outlets that are built in are on where their settings are; what is wrong is said at once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from takt.core.errors import ConfigurationError
from takt.core.plugins import OUTLETS
from takt.outlets.opening import Surroundings, open_outlets
from takt.outlets.settings import OutletSettings
from tests.conftest import InstallPlugins

SECRET = "whsec_" + "AAAA" * 8


def opened(tmp_path: Path, *plugins: str, **settings: object) -> list[str]:
    registry = CollectorRegistry()
    surroundings = Surroundings(tmp_path / "data", registry, worker=0)
    outlets = open_outlets(plugins, OutletSettings.model_validate(settings), surroundings)
    for one in outlets:
        one.close(0)
    waiting = next(one for one in registry.collect() if one.name == "takt_outlet_waiting")
    return [sample.labels["outlet"] for sample in waiting.samples]


@pytest.fixture
def webhooks_file(tmp_path: Path) -> Path:
    file = tmp_path / "webhooks.toml"
    urls = ("https://mes.plant.example/takt", "https://chat.example/hook?room=3")
    names = ("mes", "chat")
    file.write_text("".join(
        f'[[webhook]]\nname = "{name}"\nurl = "{url}"\nsecrets = ["{SECRET}"]\n'
        for name, url in zip(names, urls, strict=True)
    ))  # fmt: skip
    return file


def test_a_broker_and_each_url_are_outlets_of_their_own(
    tmp_path: Path, webhooks_file: Path
) -> None:
    names = opened(tmp_path, mqtt_url="mqtt://127.0.0.1", webhooks_file=webhooks_file)
    assert names == ["mqtt", "webhook-mes", "webhook-chat"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mqtt_user": "takt"}, "mqtt_user is set, and mqtt_url is not; set it, such as mqtt://"),
        ({"mqtt_url": "broker"}, "write mqtt://host:1883"),
        ({"mqtt_url": "mqtt://b", "mqtt_topic": "/a"}, "such as takt/line3"),
        ({"webhooks_private_hosts": "mes"}, "webhooks_file is not; set it"),
        ({"webhooks_file": Path("missing.toml")}, "missing.toml cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        opened(tmp_path, **settings)


def test_without_paho_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "takt.outlets.mqtt.connection", raising=False)
    monkeypatch.delitem(sys.modules, "takt.outlets.mqtt.carrier", raising=False)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(ConfigurationError, match=r"mqtt_url needs paho-mqtt.*pip install"):
        opened(tmp_path, mqtt_url="mqtt://broker")


def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ConfigurationError, match="or set data_folder"):
        opened(tmp_path, mqtt_url="mqtt://broker")


def test_a_plugin_with_the_name_of_one_that_is_built_in_is_refused(
    tmp_path: Path, install_plugins: InstallPlugins
) -> None:
    text = "from takt.outlets.plugin import Sender\ndef outlet(context): return Sender(print)"
    install_plugins({OUTLETS: {"mqtt": "made_up_mqtt:outlet"}}, {"made_up_mqtt": text})
    with pytest.raises(ConfigurationError, match="has the name of an outlet that is built in"):
        opened(tmp_path, "mqtt", mqtt_url="mqtt://broker")
    assert opened(tmp_path, "mqtt") == ["mqtt"]


def test_a_server_that_is_refused_an_outlet_closes_those_that_it_had_opened(
    tmp_path: Path, webhooks_file: Path, install_plugins: InstallPlugins
) -> None:
    text = "def outlet(context): raise ValueError('no such printer')"
    install_plugins({OUTLETS: {"printer": "made_up_printer:outlet"}}, {"made_up_printer": text})
    settings = {"mqtt_url": "mqtt://broker", "webhooks_file": webhooks_file}
    with pytest.raises(ConfigurationError, match="no such printer"):
        opened(tmp_path, "printer", **settings)

    opened(tmp_path, **settings)

    # A file that is still open is passed over, and another one is begun.
    kept = sorted(one.parent.name for one in (tmp_path / "data").rglob("*.sqlite"))
    assert kept == ["mqtt", "webhook-chat", "webhook-mes"]
