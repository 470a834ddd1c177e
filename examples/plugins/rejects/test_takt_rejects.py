"""The outlet alone, without a server: `python -m pytest test_takt_rejects.py`."""

from __future__ import annotations

import json
from pathlib import Path

from takt.core.domain import UNKNOWN_SOURCE, Labels, Reason, Timings, Verdict
from takt.observing.records import AnswerRecord, Asked
from takt.outlets.plugin import OutletContext
from takt_rejects import outlet


def answer(*, anomalous: bool, undecided: Reason | None = None) -> AnswerRecord:
    return AnswerRecord(
        model="parts",
        version="1",
        verdict=Verdict(anomalous, 0.75, 0.5, 99.0, (), undecided=undecided),
        width=64,
        height=48,
        timings=Timings(1, 1, 1, 1, 1, 1, 6),
        by="rest",
        request_id="r1",
        trace_id=None,
        at_s=0.0,
        warnings=(),
        source=UNKNOWN_SOURCE,
    )


def test_a_rejected_part_is_a_line_and_a_good_one_is_none(tmp_path: Path) -> None:
    file = tmp_path / "rejects.jsonl"
    sender = outlet(OutletContext("rejects", {"file": str(file)}, tmp_path, worker=0))
    sender.send(answer(anomalous=False), Asked())
    sender.send(answer(anomalous=True), Asked(labels=Labels(part="A-17")))
    sender.close()

    (line,) = file.read_text().splitlines()
    told = json.loads(line)
    assert (told["topic"], told["part"]) == ("takt/parts/rejected", "A-17")
    assert (told["score"], told["at"]) == (0.75, "1970-01-01T00:00:00+00:00")
    assert told["undecided"] is None


def test_the_line_of_a_part_that_cannot_be_judged_says_why(tmp_path: Path) -> None:
    file = tmp_path / "rejects.jsonl"
    sender = outlet(OutletContext("rejects", {"file": str(file)}, tmp_path, worker=0))
    dark = Reason("brightness", 3.4, 61.2, 201.7, "the picture is too dark")
    sender.send(answer(anomalous=True, undecided=dark), Asked())
    sender.close()

    assert json.loads(file.read_text())["undecided"] == "the picture is too dark"


def test_without_a_setting_the_lines_are_in_the_servers_data_folder(tmp_path: Path) -> None:
    outlet(OutletContext("rejects", {}, tmp_path / "outlets", worker=0)).close()

    assert (tmp_path / "outlets" / "rejects.jsonl").exists()
