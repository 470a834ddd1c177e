from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from takt_export.learning.search.bank_choice import BankChoice
from takt_export.learning.search.choosing import FoundByTrial
from takt_export.learning.search.searching import Searched, other_sides, search

USUAL = BankChoice(320, (4, 10), 6000)


@dataclass
class FakeTrials:
    """Trials of which each takes so many seconds a megapixel, and finds a share by its side.

    Attributes:
        shares: that are found, by side; 0.5 of others.
        seconds: that a trial of the default takes.
        defects: number of given defects in each half.
    """

    shares: dict[int, float] = field(default_factory=dict)
    seconds: float = 10.0
    defects: int = 0
    now_s: float = 0.0
    begun: list[BankChoice] = field(default_factory=list)

    def __call__(self, choice: BankChoice) -> FoundByTrial:
        self.begun.append(choice)
        self.now_s += self.seconds * choice.work / USUAL.work
        none = np.zeros(self.defects, np.bool_)
        share = self.shares.get(choice.side, 0.5)
        return FoundByTrial(np.full(8, share), np.zeros(8, np.bool_), none, ~none)

    def search(self, seconds: float) -> Searched:
        return search(USUAL, self, seconds, clock=lambda: self.now_s)


def test_the_default_comes_first_then_sides_by_nearness_then_blocks_and_a_larger_bank() -> None:
    fake = FakeTrials()
    searched = fake.search(1e6)
    assert fake.begun[0] == USUAL
    assert [one.side for one in fake.begun[1:6]] == [384, 256, 512, 160, 640]
    assert fake.begun[6:] == [
        BankChoice(320, (4, 7, 10), 6000),
        BankChoice(320, (4, 10), 12000),
    ]
    assert searched.no_time == ()
    assert 416 not in other_sides(416)


def test_blocks_and_a_larger_bank_are_tried_at_the_side_that_is_best_by_then() -> None:
    fake = FakeTrials(shares={384: 0.9})
    fake.search(1e6)
    assert [one.side for one in fake.begun[6:]] == [384, 384]


def test_a_candidate_that_would_not_end_in_time_is_not_begun() -> None:
    # 10 s of the default, 14.4 s of side 384 and 6.4 s of side 256; 512 would take 25.6 s.
    fake = FakeTrials()
    searched = fake.search(10 + 14.4 + 6.4 + 25)
    assert [one.side for one in fake.begun] == [320, 384, 256, 160, 320]
    assert {one.side for one in searched.no_time[:2]} == {512, 640}
    assert fake.now_s <= 10 + 14.4 + 6.4 + 25


def test_the_default_is_tried_however_short_the_time_is() -> None:
    fake = FakeTrials()
    searched = fake.search(1)
    assert fake.begun == [USUAL]
    assert searched.taken.choice == USUAL
    assert "there was no time for another" in searched.why


def test_what_was_tried_is_told_with_the_reason() -> None:
    text = FakeTrials(shares={512: 0.9}).search(1e6).text()
    assert text.startswith("takes side 512, blocks 4+10, 6000 vectors: finds clearly more")
    assert "+40.0 points, standard error 0.0" in text
    (taken,) = (line for line in text.splitlines() if line.startswith("> "))
    assert taken.split()[-5:-1] == ["90.0", "%", "0.0", "%"]
    assert "held out" not in text
    kept = FakeTrials().search(1e6).text()
    assert kept.startswith("keeps the default (side 320, blocks 4+10, 6000 vectors): no other")


def test_held_out_defects_are_told_apart_from_those_that_choose() -> None:
    searched = FakeTrials(defects=3).search(1e6)
    assert "held out" in searched.text()
    plain = searched.plain()
    assert plain["taken"] == {"side": 320, "layers": [4, 10], "bank_size": 6000}
    assert plain["tried"][0] == {
        "side": 320,
        "layers": [4, 10],
        "bank_size": 6000,
        "made_up_found": 0.5,
        "good_rejected": 0.0,
        "defects_found": 0.0,
        "defects_held_out_found": 1.0,
        "seconds": 10.0,
    }
