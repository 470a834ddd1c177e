import pytest

from service.learning.job import MOST_LINES, LearningJob
from service.learning.wish import Wish
from tests.fake_learn import FIT, PLAN, RESULT, STAGES, place


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
