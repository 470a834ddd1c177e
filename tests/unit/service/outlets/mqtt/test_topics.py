"""Topics: a station is one level, whatever its name has."""

from __future__ import annotations

import pytest

from takt.core.errors import ConfigurationError
from takt.outlets.mqtt.topics import Topics


@pytest.mark.parametrize(
    ("station", "level"),
    [
        ("press1", "press1"),
        ("press 1", "press 1"),
        ("a/b", "a%2Fb"),
        ("+", "%2B"),
        ("#", "%23"),
        ("50%", "50%25"),
        ("Presse für A", "Presse für A"),
        ("nul\x00", "nul%00"),
        # A broker ends the connection at these, as MQTT allows them to.
        ("\x7f", "%7F"),
        ("a\x85b", "a%C2%85b"),
        ("\ufdd0", "%EF%B7%90"),
        ("\U0001ffff", "%F0%9F%BF%BF"),
        ("-", "%2D"),
        (None, "-"),
    ],
)
def test_a_station_is_one_level_and_no_two_share_one(station: str | None, level: str) -> None:
    assert Topics("takt/line3").verdict(station, "screw") == f"takt/line3/{level}/screw/verdict"


@pytest.mark.parametrize(
    "prefix", ["", "/a", "a/", "a//b", "a/+", "#", "$SYS/a", "a\x00", "a\x85", "a\uffff", "a" * 201]
)
def test_what_no_topic_can_begin_with_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="such as takt/line3"):
        Topics(prefix)


def test_the_results_of_parts_have_topics_that_no_model_s_verdicts_have() -> None:
    topics = Topics("takt/line3")

    assert topics.part("press/1", "bracket") == "takt/line3/press%2F1/parts/bracket/verdict"
    assert topics.part(None, "bracket").count("/") != topics.verdict(None, "parts").count("/")
