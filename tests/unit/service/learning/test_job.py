import pytest

from takt.learning.job import MOST_LINES, LearningJob
from takt.learning.wish import Wish
from tests.fake_learn import FIT, PLAN, RESULT, STAGES, TAUGHT, place


@pytest.fixture
def job() -> LearningJob:
    started = LearningJob(Wish("nut"), "ann")
    started.begin()
    return started


def test_what_the_process_tells_is_how_far_it_is(job: LearningJob) -> None:
    for event in (PLAN, place("7"), FIT):
        job.take(event)
    job.take({"event": "progress", "share": 0.25, "text": "3 of 9 pictures"})
    assert (job.stages, job.stage, job.place) == (tuple(STAGES), "fit", "7")
    assert (job.share, job.detail) == (0.25, "3 of 9 pictures")
    job.take(RESULT)
    assert job.learned is not None
    assert job.learned.findings == tuple(RESULT["findings"])
    assert job.share == 1.0


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event": "other"},
        {"event": "stage", "stage": 3, "share": 0.1},
        {"event": "progress", "share": "much", "text": ""},
        {"event": "plan", "stages": None},
    ],
)
def test_what_nobody_knows_changes_nothing(job: LearningJob, event: dict[str, object]) -> None:
    job.take(event)
    assert (job.stage, job.stages, job.share) == (None, (), 0.0)


def test_what_is_kept_is_bounded(job: LearningJob) -> None:
    for _ in range(2 * MOST_LINES):
        job.take({"event": "warning", "text": "w" * 10_000})
        job.log.append("line")
    job.take({"event": "progress", "share": 7, "text": ""})
    assert len(job.warnings) == len(job.log) == MOST_LINES
    assert len(job.warnings[0]) == 2_000
    assert job.share == 1.0


def test_another_try_begins_anew(job: LearningJob) -> None:
    job.take({"event": "warning", "text": "few"})
    job.take({"event": "error", "text": "too few"})
    job.end("failed", job.error)
    job.begin()
    assert (job.state, job.error, job.warnings) == ("running", None, [])


def test_a_teaching_gathers_before_all_else() -> None:
    job = LearningJob(Wish("nut", update=True, teach=True), "ann")
    job.begin()
    job.gathers(3, 9)
    assert (job.stage, job.detail) == ("gather", "3 of 9 pictures")
    job.take(PLAN)
    assert job.stages == ("gather", *STAGES)


@pytest.mark.parametrize(("told", "warnings"), [(TAUGHT, 0), ({"defects": "many"}, 1), (None, 1)])
def test_what_was_taught_is_told_or_that_it_cannot_be_read(told: object, warnings: int) -> None:
    job = LearningJob(Wish("nut", update=True, teach=True), "ann")
    job.begin()
    job.take(RESULT | {"taught": told})
    assert job.learned is not None
    assert (job.learned.taught is None, len(job.warnings)) == (bool(warnings), warnings)
