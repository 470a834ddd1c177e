"""Judgements, in both databases: given, taken back, seen, pinned."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from takt.core.domain import Box
from takt.core.errors import ConflictError, InspectionNotFoundError, InvalidParameterError
from takt.recording.audit.chain import entries_of
from takt.recording.record import Record
from takt.recording.review.history import disagreements, history
from takt.recording.review.judging import NewJudgement, judge, withdraw
from takt.recording.review.marks import mark_seen, pin
from takt.recording.review.rows import of_request
from takt.recording.search.filters import Filters
from takt.recording.tables import inspections, judgements
from tests.recorded import insert_inspections


def counts_of(record: Record) -> dict[int, str | None]:
    with record.database.reading() as connection:
        rows = connection.execute(select(inspections.c.id, inspections.c.judgement))
        return {row.id: row.judgement for row in rows}


def rows_of(record: Record) -> int:
    with record.database.reading() as connection:
        return len(connection.execute(select(judgements)).all())


def words(said: Any) -> list[tuple[str, str]]:
    return [(one.reviewer, one.judgement) for one in said]


def test_every_judgement_is_kept_and_the_latest_counts(record: Record) -> None:
    one, two, three = insert_inspections(record, [{}] * 3)
    done = judge(record.database, [one, two, two], NewJudgement("good", "ann"))
    assert done.inspections == 2
    judge(record.database, [one], NewJudgement("defect", "bob", "scratch", "left edge"))
    assert counts_of(record) == {one: "defect", two: "good", three: None}
    found = history(record.database, one)
    assert words(found.said) == [("ann", "good"), ("bob", "defect")]
    assert (found.said[1].kind, found.said[1].note) == ("scratch", "left edge")
    with record.database.reading() as connection:
        judged_at = select(inspections.c.judged_at_us).where(inspections.c.id == one)
        assert connection.execute(judged_at).scalar() == found.said[1].at_us


def test_a_box_says_where_the_defect_is(record: Record) -> None:
    one, two = insert_inspections(record, [{}] * 2)
    whole = Box(0, 0, 64, 48)
    judge(record.database, [one], NewJudgement("defect", "ann", box=whole))
    judge(record.database, [one], NewJudgement("unsure", "bob", box=Box(63, 47, 1, 1)))
    judge(record.database, [two, two], NewJudgement("defect", "ann", "dent", box=Box(1, 2, 3, 4)))
    assert [said.box for said in history(record.database, one).said] == [whole, Box(63, 47, 1, 1)]
    assert history(record.database, two).standing[0].box == Box(1, 2, 3, 4)
    withdraw(record.database, [one], "bob")
    assert [said.box for said in history(record.database, one).standing] == [whole]
    noted = [json.loads(entry.new or "") for entry in entries_of(record.database)]
    assert [entry.get("box") for entry in noted] == [
        [0, 0, 64, 48],
        [63, 47, 1, 1],
        [1, 2, 3, 4],
        None,
    ]


@pytest.mark.parametrize("box", [Box(60, 0, 5, 1), Box(0, 40, 1, 9), Box(64, 0, 1, 1)])
def test_a_box_that_leaves_the_picture_is_refused(record: Record, box: Box) -> None:
    (one,) = insert_inspections(record, [{}])
    with pytest.raises(InvalidParameterError, match=f"inspection {one}, which has 64 x 48 pixels"):
        judge(record.database, [one], NewJudgement("defect", "ann", box=box))
    assert rows_of(record) == 0


def test_a_box_goes_with_one_inspection(sqlite_record: Record) -> None:
    ids = insert_inspections(sqlite_record, [{}] * 2)
    with pytest.raises(InvalidParameterError, match="judge one inspection at a time with a box"):
        judge(sqlite_record.database, ids, NewJudgement("defect", "ann", box=Box(0, 0, 1, 1)))
    assert rows_of(sqlite_record) == 0


def test_a_request_names_its_one_inspection(record: Record) -> None:
    _, one, *_ = insert_inspections(
        record, [{}, {"request_id": "a"}, {"request_id": "b"}, {"request_id": "b"}]
    )
    with record.database.reading() as connection:
        assert of_request(connection, "a") == one
        with pytest.raises(InspectionNotFoundError, match=r"request c yet; .* ask again"):
            of_request(connection, "c")
        with pytest.raises(InvalidParameterError, match="several inspections are of request b"):
            of_request(connection, "b")


def test_an_unknown_inspection_is_named_and_nothing_is_half_done(record: Record) -> None:
    (one,) = insert_inspections(record, [{}])
    with pytest.raises(InspectionNotFoundError, match=r"no inspection 77, 9\d+; nothing"):
        judge(record.database, [one, 2**63, 77], NewJudgement("good", "ann"))
    with pytest.raises(InspectionNotFoundError, match="no inspection 77"):
        mark_seen(record.database, [one, 77], "ann")
    assert counts_of(record) == {one: None}
    assert rows_of(record) == 0
    assert list(entries_of(record.database)) == []


def test_who_takes_a_judgement_back_lets_the_one_before_count_again(record: Record) -> None:
    one, two = insert_inspections(record, [{}] * 2)
    judge(record.database, [one, two], NewJudgement("good", "ann"))
    judge(record.database, [one], NewJudgement("defect", "bob"))
    withdraw(record.database, [one], "bob")
    assert counts_of(record) == {one: "good", two: "good"}
    withdraw(record.database, [one, two], "ann")
    assert counts_of(record) == {one: None, two: None}
    assert words(history(record.database, one).said) == [
        ("ann", "good"),
        ("bob", "defect"),
        ("bob", "withdrawn"),
        ("ann", "withdrawn"),
    ]


def test_taking_back_an_older_judgement_leaves_the_latest(record: Record) -> None:
    (one,) = insert_inspections(record, [{}])
    for reviewer, word in (("ann", "good"), ("ann", "unsure"), ("bob", "defect")):
        judge(record.database, [one], NewJudgement(word, reviewer))  # type: ignore[arg-type]
    withdraw(record.database, [one], "ann")
    assert counts_of(record) == {one: "defect"}
    assert words(history(record.database, one).standing) == [("ann", "good"), ("bob", "defect")]


def test_nobody_takes_back_what_somebody_else_said(record: Record) -> None:
    one, two = insert_inspections(record, [{}] * 2)
    judge(record.database, [one], NewJudgement("good", "ann"))
    judge(record.database, [two], NewJudgement("good", "bob"))
    with pytest.raises(ConflictError, match=f"bob has no judgement of inspection {one} to take"):
        withdraw(record.database, [one, two], "bob")
    assert counts_of(record) == {one: "good", two: "good"}


def test_judgements_are_in_the_audit_log_as_one_entry_for_a_request(record: Record) -> None:
    one, two = insert_inspections(record, [{}] * 2)
    judge(record.database, [one], NewJudgement("good", "ann"))
    judge(record.database, [one, two], NewJudgement("defect", "bob"), client="10.0.0.7")
    withdraw(record.database, [one], "bob")
    first, second, third = entries_of(record.database)
    assert (first.action, first.who, first.old) == ("inspections_judged", "ann", None)
    assert second.client == "10.0.0.7"
    assert json.loads(second.old or "") == {"judgements": {str(one): "good"}}
    assert json.loads(second.new or "")["inspections"] == [one, two]
    assert third.action == "judgements_withdrawn"
    assert json.loads(third.new or "") == {"judgements": {str(one): "good"}}


def test_who_has_seen_what_is_noted_once(record: Record) -> None:
    one, two = insert_inspections(record, [{}] * 2)
    assert mark_seen(record.database, [one, one], "ann") == 1
    assert mark_seen(record.database, [one, two], "ann") == 1
    judge(record.database, [one], NewJudgement("good", "bob"))
    assert [one.reviewer for one in history(record.database, one).seen] == ["ann", "bob"]
    assert [one.reviewer for one in history(record.database, two).seen] == ["ann"]


def test_reviewers_who_disagree_are_found(record: Record) -> None:
    ids = insert_inspections(record, [{"station": "a"}, {}, {}, {}])
    judge(record.database, ids, NewJudgement("good", "ann"))
    judge(record.database, ids[:2], NewJudgement("defect", "bob"))
    judge(record.database, ids[2:3], NewJudgement("unsure", "bob"))
    judge(record.database, ids[3:], NewJudgement("defect", "bob"))
    judge(record.database, ids[3:], NewJudgement("good", "bob"))
    found = disagreements(record.database, Filters(), 10)
    assert [one.inspection_id for one in found] == [ids[1], ids[0]]
    assert words(found[0].opinions) == [("ann", "good"), ("bob", "defect")]
    assert [one.inspection_id for one in disagreements(record.database, Filters(), 1)] == [ids[1]]
    older = disagreements(record.database, Filters(), 10, before=ids[1])
    assert [one.inspection_id for one in older] == [ids[0]]
    of_station = disagreements(record.database, Filters(station="a"), 10)
    assert [one.inspection_id for one in of_station] == [ids[0]]


def test_a_picture_is_pinned_and_let_go(record: Record) -> None:
    reject = {"kept": "reject"}
    kept, gone = insert_inspections(record, [reject | {"picture": True}, reject])
    assert pin(record.database, kept, pinned=True, who="ann")
    assert not pin(record.database, kept, pinned=True, who="ann")
    with record.database.reading() as connection:
        pinned = select(inspections.c.id).where(inspections.c.pinned)
        assert connection.execute(pinned).scalars().all() == [kept]
    assert pin(record.database, kept, pinned=False, who="ann")
    assert [one.action for one in entries_of(record.database)] == [
        "picture_pinned",
        "picture_unpinned",
    ]
    with pytest.raises(InspectionNotFoundError, match="keeps no picture"):
        pin(record.database, gone, pinned=True, who="ann")
    with pytest.raises(InspectionNotFoundError, match="no inspection 99"):
        pin(record.database, 99, pinned=False, who="ann")


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"reviewer": " "}, "reviewer: write 1 to 128"),
        ({"reviewer": "a\nb"}, "reviewer: write it in one line"),
        ({"kind": "x" * 65}, "kind: write 1 to 64"),
        ({"note": "x" * 501}, "note: write 1 to 500"),
        ({"judgement": "good", "kind": "scratch"}, "a good part has no kind"),
        ({"judgement": "good", "box": Box(0, 0, 1, 1)}, "a good part has no defect that a box"),
        ({"box": Box(-1, 0, 1, 1)}, r"box: \[-1, 0, 1, 1\] is no rectangle; give x, y"),
        ({"box": Box(0, 0, 1, 0)}, "is no rectangle"),
    ],
)
def test_what_cannot_be_kept_is_refused(texts: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidParameterError, match=says):
        NewJudgement(**{"judgement": "defect", "reviewer": "ann"} | texts)


@pytest.mark.parametrize("ids", [[], list(range(1, 1002))])
def test_none_and_too_many_at_once_are_refused(sqlite_record: Record, ids: list[int]) -> None:
    with pytest.raises(InvalidParameterError, match="name 1 to 1000 at once"):
        judge(sqlite_record.database, ids, NewJudgement("good", "ann"))


def test_a_thousand_are_judged_at_once(sqlite_record: Record) -> None:
    ids = insert_inspections(sqlite_record, [{}] * 1000)
    assert judge(sqlite_record.database, ids, NewJudgement("good", "ann")).inspections == 1000
    assert withdraw(sqlite_record.database, ids, "ann").inspections == 1000


def test_of_judgements_at_once_the_latest_counts(record: Record) -> None:
    (one,) = insert_inspections(record, [{}])

    def say(reviewer: str) -> None:
        for word in ("good", "unsure", "defect", "good", "defect"):
            judge(record.database, [one], NewJudgement(word, reviewer))
        withdraw(record.database, [one], reviewer)

    with ThreadPoolExecutor() as pool:
        list(pool.map(say, ("ann", "bob", "cem")))
    found = history(record.database, one)
    assert len(found.said) == 18
    assert counts_of(record) == {one: found.standing[-1].judgement}
    assert len(list(entries_of(record.database))) == 18
