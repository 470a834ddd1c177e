import pytest

from takt.streaming.evidence import Smoothing, VoteCount, Voting, VotingRule


def test_a_vote_needs_k_of_the_last_n() -> None:
    voting = Voting(VotingRule(k=2, n=3))
    counts = [voting.add(anomalous) for anomalous in (True, False, True, False, False, True, True)]
    assert counts == [
        VoteCount(False, 1, 1),
        VoteCount(False, 1, 2),
        VoteCount(True, 2, 3),
        VoteCount(False, 1, 3),
        VoteCount(False, 1, 3),
        VoteCount(False, 1, 3),
        VoteCount(True, 2, 3),
    ]


def test_a_vote_of_one_is_the_frame_s_own_verdict() -> None:
    voting = Voting(VotingRule(k=1, n=1))
    assert [voting.add(anomalous).anomalous for anomalous in (True, False, True)] == [
        True,
        False,
        True,
    ]


def test_smoothing_starts_at_the_first_score_and_follows_by_its_weight() -> None:
    smoothing = Smoothing(0.25)
    assert [smoothing.add(score) for score in (1.0, 0.0, 0.0)] == pytest.approx([1, 0.75, 0.5625])


def test_a_weight_of_one_smooths_nothing() -> None:
    smoothing = Smoothing(1.0)
    assert [smoothing.add(score) for score in (0.3, 0.9)] == pytest.approx([0.3, 0.9])
