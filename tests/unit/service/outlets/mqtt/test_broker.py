"""Where the broker is: what cannot be used is said with what to do, and no password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from takt.core.errors import ConfigurationError
from takt.outlets.mqtt.broker import parse_broker


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker.plant.example/", "broker.plant.example", 8883, True),
        ("mqtt://10.0.0.7:1884", "10.0.0.7", 1884, False),
        ("mqtt://[fd00::7]:1884", "fd00::7", 1884, False),
    ],
)
def test_a_broker_is_named_by_a_url(url: str, host: str, port: int, tls: bool) -> None:
    broker = parse_broker(url, "", None, None)
    assert (broker.host, broker.port, broker.tls) == (host, port, tls)
    assert (broker.tls_context() is not None) is tls
    assert broker.password() is None


@pytest.mark.parametrize(
    "url", ["broker:1883", "http://broker", "mqtt://", "mqtt://b/x", "mqtt://b:port"]
)
def test_what_is_no_such_url_is_refused_with_one_that_is(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write mqtt://host:1883, or mqtts://host:8883"):
        parse_broker(url, "", None, None)


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="set mqtt_user and mqtt_password_file") as refused:
        parse_broker("mqtt://takt:s3cret@broker", "", None, None)
    assert "s3cret" not in str(refused.value)


def test_the_password_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    broker = parse_broker("mqtt://broker", "takt", file, None)
    file.write_text("sec ond \r\n")
    assert broker.password() == "sec ond "
    assert "sec ond" not in repr(broker)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), ("", "has no password"), ("a\nb\n", "has no password")],
)
def test_a_password_file_without_one_is_refused(
    tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        parse_broker("mqtt://broker", "takt", file, None)


def test_settings_that_need_another_one_say_so(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("word")
    with pytest.raises(ConfigurationError, match="mqtt_user is not; set it"):
        parse_broker("mqtt://broker", "", file, None)
    with pytest.raises(ConfigurationError, match="mqtt_url is not mqtts://"):
        parse_broker("mqtt://broker", "", None, file)
    with pytest.raises(ConfigurationError, match="name a PEM file"):
        parse_broker("mqtts://broker", "", None, file)
