from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import pytest

from takt.recording.pictures import PictureKey, sha256_of
from takt.recording.record import Record
from takt.recording.review.judging import JudgementWord, NewJudgement, judge, withdraw
from takt.recording.search.filters import Filters
from takt_msa.analysis import analyse
from takt_msa.errors import MsaError
from takt_msa.sources import recorded, references
from takt_msa.sources.recorded import BY_RESULT, recorded_study
from takt_msa.study import Study
from tests.recorded import NOON_US, insert_inspections

SCORES = {"a": (0.1, 0.2), "b": (0.3, 0.6), "c": (0.7, 0.8), "d": (0.9, 0.4)}
"""Of the trials of each part; above 0.5 is a rejection."""


def add(record: Record, scores: dict[str, Sequence[float]], **also: Any) -> dict[str, list[int]]:
    """Inspections of parts, one by one; their ids by part."""
    ids: dict[str, list[int]] = {}
    for number, (part, of_part) in enumerate(scores.items()):
        rows = [
            {
                "part": part,
                "score": score,
                "anomalous": score > 0.5,
                "sha256": bytes([number, trial]) * 16,
                "at_us": NOON_US + 10 * number + trial,
                **also,
            }
            for trial, score in enumerate(of_part)
        ]
        ids[part] = insert_inspections(record, rows)
    return ids


def say(record: Record, inspection: int, judgement: JudgementWord, by: str = "Ann") -> None:
    judge(record.database, [inspection], NewJudgement(judgement, by))


def say_all(record: Record, ids: dict[str, list[int]], good: str, defect: str) -> None:
    """Judge the first inspection of parts."""
    for part in good:
        say(record, ids[part][0], "good")
    for part in defect:
        say(record, ids[part][0], "defect")


def made(record: Record, filters: Filters | None = None) -> Study:
    return recorded_study(record, filters or Filters()).study


def note(study: Study, words: str) -> tuple[str, ...]:
    """Names of the note that has these words."""
    (found,) = (one for one in study.notes if words in one.text)
    return found.names


def test_the_trials_of_a_part_are_its_inspections_and_the_reference_is_what_was_judged(
    record: Record,
) -> None:
    say_all(record, add(record, SCORES), good="ab", defect="cd")

    study = made(record)
    figures = analyse(study).inspection

    assert study.appraisers == ("bolt, version 1",)
    assert [(one.name, one.defective, len(one.trials)) for one in study.parts] == [
        ("a", False, 2),
        ("b", False, 2),
        ("c", True, 2),
        ("d", True, 2),
    ]
    assert study.threshold == 0.5
    assert figures.effectiveness.value == 0.5
    assert (figures.miss_rate.value, figures.false_alarm_rate.value) == (0.25, 0.25)


def test_the_latest_judgement_of_a_parts_pictures_is_its_reference(sqlite_record: Record) -> None:
    ids = add(sqlite_record, SCORES)
    say_all(sqlite_record, ids, good="abd", defect="c")
    say(sqlite_record, ids["d"][1], "defect")

    study = made(sqlite_record)

    assert [one.name for one in study.of(defective=True)] == ["c", "d"]
    assert note(study, "judged good and defective: 1") == ("d",)


def test_several_reviewers_are_appraisers_beside_the_inspection(record: Record) -> None:
    ids = add(record, SCORES)
    say(record, ids["a"][0], "good", by="Bob")
    say(record, ids["b"][0], "defect", by="Bob")
    say(record, ids["c"][0], "defect", by="Bob")
    say(record, ids["d"][0], "unsure", by="Bob")
    say_all(record, ids, good="ab", defect="cd")

    analysis = analyse(made(record))

    assert analysis.study.appraisers == ("bolt, version 1", "Ann", "Bob")
    ann, bob = analysis.appraisers[1:]
    assert (ann.effectiveness.value, bob.effectiveness.value) == (1.0, pytest.approx(2 / 3))
    assert bob.effectiveness.estimate.of == 3, "of part d Bob was not sure"
    pairs = {(pair.first, pair.second) for pair in analysis.between.kappas}
    assert ("Ann", "Bob") in pairs
    assert note(analysis.study, "whoever judged last agrees with it by that alone") == ()


def test_a_single_reviewer_is_the_reference_and_no_appraiser(sqlite_record: Record) -> None:
    say_all(sqlite_record, add(sqlite_record, SCORES), good="ab", defect="cd")

    assert analyse(made(sqlite_record)).between is None


def test_a_judgement_that_was_withdrawn_counts_for_nobody(sqlite_record: Record) -> None:
    ids = add(sqlite_record, SCORES)
    say_all(sqlite_record, ids, good="ab", defect="cd")
    say(sqlite_record, ids["a"][0], "defect", by="Bob")
    withdraw(sqlite_record.database, [ids["a"][0]], "Bob")

    study = made(sqlite_record)

    assert study.appraisers == ("bolt, version 1",)
    assert not study.parts[0].defective


def test_a_file_that_was_inspected_again_counts_once(sqlite_record: Record) -> None:
    ids = add(sqlite_record, SCORES)
    say_all(sqlite_record, ids, good="ab", defect="cd")
    again = {"part": "a", "score": 0.1, "sha256": bytes([0, 0]) * 16, "at_us": NOON_US + 999}
    (copy,) = insert_inspections(sqlite_record, [again])

    study = made(sqlite_record)

    assert len(study.parts[0].trials) == 2
    names = note(study, "repeating a file is not repeating a placement")
    assert names == (f"inspection {copy} of a (as {ids['a'][0]})",)


def test_a_file_under_several_parts_is_a_warning(sqlite_record: Record) -> None:
    ids = add(sqlite_record, SCORES)
    say_all(sqlite_record, ids, good="ab", defect="cd")
    shared = {"part": "b", "score": 0.1, "sha256": bytes([0, 0]) * 16, "at_us": NOON_US + 999}
    insert_inspections(sqlite_record, [shared])

    assert note(made(sqlite_record), "different parts with the same file") == ("a = b",)


def test_what_cannot_count_is_left_out_and_named(sqlite_record: Record) -> None:
    ids = add(sqlite_record, SCORES | {"unjudged": (0.2, 0.3), "unsure": (0.4, 0.6)})
    say_all(sqlite_record, ids, good="ab", defect="cd")
    say(sqlite_record, ids["unsure"][0], "unsure")
    insert_inspections(sqlite_record, [{"part": None}, {"part": "once", "judgement": None}])
    (once,) = insert_inspections(sqlite_record, [{"part": "single", "sha256": b"s" * 32}])
    say(sqlite_record, once, "good")

    study = made(sqlite_record)

    assert [one.name for one in study.parts] == ["a", "b", "c", "d"]
    assert note(study, "nobody judged them: 2") == ("once", "unjudged")
    assert note(study, "people are not sure: 1") == ("unsure",)
    assert note(study, "one trial only: 1") == ("single",)
    assert note(study, "without a part's id: 1") == ()
    assert note(study, "file is not known") == ()


def test_the_filters_choose_what_is_studied(sqlite_record: Record) -> None:
    ids = add(sqlite_record, SCORES, station="s1")
    say_all(sqlite_record, ids, good="ab", defect="cd")
    add(sqlite_record, {"e": (0.9, 0.9)}, station="s2")

    found = recorded_study(sqlite_record, Filters(station="s1"))

    assert len(found.study.parts) == 4
    assert [one.station for one in found.inspections] == ["s1"] * 8


@pytest.mark.parametrize(
    "filters",
    [
        Filters(verdict="reject"),
        Filters(score_min=0.5),
        Filters(score_max=0.5),
        Filters(kept="any"),
        Filters(judgement="defect"),
        Filters(request_id="x"),
    ],
    ids=lambda filters: filters.given[0],
)
def test_a_selection_by_what_came_of_a_trial_is_refused(
    sqlite_record: Record, filters: Filters
) -> None:
    assert filters.given[0] in BY_RESULT
    with pytest.raises(MsaError, match="chooses trials by what came of them"):
        made(sqlite_record, filters)


def test_inspections_of_two_versions_are_no_study(sqlite_record: Record) -> None:
    ids = add(sqlite_record, SCORES)
    say_all(sqlite_record, ids, good="ab", defect="cd")
    add(sqlite_record, {"e": (0.9, 0.9)}, version="2")

    with pytest.raises(MsaError, match=r"bolt version 1 \(0a0a.*, bolt version 2 .*--version"):
        made(sqlite_record)
    assert len(made(sqlite_record, Filters(model="bolt", version="1")).parts) == 4


def test_a_threshold_of_regions_that_changed_meanwhile_makes_no_study(
    sqlite_record: Record,
) -> None:
    add(sqlite_record, SCORES)
    add(sqlite_record, {"e": (0.9, 0.9)}, pixel_threshold=0.6)

    with pytest.raises(MsaError, match=r"the threshold of regions was 0\.5 and then 0\.6;"):
        made(sqlite_record)


def test_a_threshold_that_changed_meanwhile_makes_no_study(sqlite_record: Record) -> None:
    add(sqlite_record, SCORES)
    add(sqlite_record, {"e": (0.9, 0.9)}, threshold=0.6)

    with pytest.raises(MsaError, match=r"the threshold was 0\.5 and then 0\.6;"):
        made(sqlite_record)


def test_inspections_without_parts_are_no_study(sqlite_record: Record) -> None:
    insert_inspections(sqlite_record, [{"part": None}] * 3)

    with pytest.raises(MsaError, match="of 3 inspections none has the id of its part"):
        made(sqlite_record)


def test_parts_that_nobody_judged_are_no_study(sqlite_record: Record) -> None:
    add(sqlite_record, SCORES)

    with pytest.raises(MsaError, match="of 4 parts none was judged good or defective"):
        made(sqlite_record)


def test_a_selection_of_more_than_a_page_is_read_whole(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_all(sqlite_record, add(sqlite_record, SCORES), good="ab", defect="cd")
    monkeypatch.setattr(recorded, "MOST_ON_A_PAGE", 3)
    monkeypatch.setattr(references, "MOST_ON_A_PAGE", 3)

    assert made(sqlite_record).trials == 8


def test_kept_pictures_that_look_alike_are_named_and_those_that_are_gone_told(
    sqlite_record: Record, write_pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (noise,) = write_pictures(tmp_path / "noise", 1, size=(256, 256))
    files = [noise.read_bytes(), cv2.imencode(".png", cv2.imread(str(noise)) // 2)[1].tobytes()]
    rows = [
        {
            "part": "a",
            "kept": "sample",
            "picture": True,
            "at_us": NOON_US + number,
            "sha256": bytes.fromhex(sha256_of(data)),
            "input_format": "png",
        }
        for number, data in enumerate(files)
    ]
    first, _ = insert_inspections(sqlite_record, rows)
    for row, data in zip(rows, files, strict=True):
        key = PictureKey(row["at_us"], row["sha256"].hex(), "png")
        sqlite_record.pictures.write(key, data)
    say(sqlite_record, first, "good")
    say_all(
        sqlite_record, add(sqlite_record, {"b": (0.7, 0.8)}, kept="reject"), good="", defect="b"
    )

    study = made(sqlite_record)

    assert note(study, "look nearly the same in all their pictures: 1") == ("a",)
    assert note(study, "whose picture was not looked at, so that it may be a near-copy: 2") == ()


def test_a_whole_production_is_no_study(
    sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(sqlite_record, SCORES)
    monkeypatch.setattr(recorded, "MOST_INSPECTIONS", 7)

    with pytest.raises(MsaError, match="more than 7 inspections"):
        made(sqlite_record)
