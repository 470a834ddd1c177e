from __future__ import annotations

import json
from collections.abc import Callable

from takt.commands.tune.choice import choose
from takt.commands.tune.keeping import profile_of
from takt.commands.tune.report import json_report, table
from takt.commands.tune.results import MeasuredCandidate, RefusedCandidate, TuneResults

MakeMeasured = Callable[..., MeasuredCandidate]


def results(make_measured: MakeMeasured) -> TuneResults:
    reference = make_measured("onnxruntime", 2.0, 4.0, latencies_ms=(300.0, 100.0))
    fast = make_measured("openvino-int8", 18.0, latencies_ms=(90.0,), instances=2, threads=1)
    refused = (
        RefusedCandidate("cuda", "no GPU; buy one", drifts=False),
        RefusedCandidate("openvino-bf16", "score by 1", drifts=True),
    )
    return TuneResults((reference, fast), refused, reference)


def test_the_table_has_the_fastest_first_and_compares_with_the_reference(
    make_measured: MakeMeasured,
) -> None:
    found = results(make_measured)
    lines = table(found, 100.0, choose(found.measured, 100.0)).splitlines()
    fastest, reference = lines[1].split(), lines[2].split()
    assert fastest[0] == "openvino-int8"
    assert fastest[1:] == [*("2", "x", "1", "1", "18.0", "90.0", "90.0", "1", "9.00"), "chosen"]
    assert reference[0] == "onnxruntime"
    assert reference[5:10] == ["3.0", "100.0", "300.0", "4", "1.00"]
    assert lines[2].endswith("the reference, beyond the target")


def test_what_cannot_be_served_is_told_with_its_reason(make_measured: MakeMeasured) -> None:
    lines = table(results(make_measured), None, None).splitlines()
    assert lines[-2:] == [
        "absent  cuda: no GPU; buy one",
        "drifts  openvino-bf16: score by 1",
    ]


def test_without_the_reference_nothing_is_compared(make_measured: MakeMeasured) -> None:
    found = TuneResults((make_measured("openvino", 5.0),), (), None)
    assert table(found, None, None).splitlines()[1].split()[-1] == "-"


def test_where_nothing_ran_there_is_no_empty_table() -> None:
    found = TuneResults((), (RefusedCandidate("cuda", "no GPU", drifts=False),), None)
    assert table(found, None, None) == "absent  cuda: no GPU"


def test_the_json_has_every_figure_the_choice_and_what_was_refused(
    make_measured: MakeMeasured,
) -> None:
    found = results(make_measured)
    choice = choose(found.measured, None)
    assert choice is not None
    profile = profile_of(choice.best, "this host", None)
    document = json.loads(json_report(found, profile, ["try harder"], written=True))
    reference = document["candidates"][0]
    assert reference["images_per_s_of_rounds"] == [2.0, 4.0]
    assert (reference["p50_ms"], reference["p99_ms"]) == (100.0, 300.0)
    assert reference["pictures_timed"] == 4
    assert document["candidates"][1]["over_reference"] == 9.0
    assert [one["what"] for one in document["refused"]] == ["cuda", "openvino-bf16"]
    assert document["chosen"]["engine"] == "openvino-int8"
    assert (document["written"], document["advice"]) == (True, ["try harder"])


def test_the_json_of_no_choice_says_so(make_measured: MakeMeasured) -> None:
    document = json.loads(json_report(results(make_measured), None, [], written=False))
    assert document["chosen"] is None
    assert document["written"] is False
