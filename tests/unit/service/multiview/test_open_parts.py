"""Parts that wait for views: whatever happens in whatever order, each has one result and one
revision of its recipe."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from takt.core.domain import VerdictName
from takt.core.errors import (
    OtherRecipeError,
    PartEndedError,
    PartNotFoundError,
    RequestError,
    TooManyPartsError,
    ViewTakenError,
)
from takt.multiview.open_parts import (
    CLAIMS,
    FOUND,
    LATE_S,
    MOST_ENDED,
    Claim,
    OpenParts,
    ViewWish,
    WaitingPart,
)
from takt.multiview.recipe import PartRecipe, RecipeRevision, RecipeView, ViewThresholds
from takt.multiview.result import RESULTS, PartResult, SeenView

THRESHOLDS = ViewThresholds(0.5, 0.5, "hand")
DEADLINE_MS = 1000.0


def revision_of(number: int, *views: str, deadline_ms: float = DEADLINE_MS) -> RecipeRevision:
    """A revision of the recipe `bracket` with these views, whose model has its number."""
    recipe = PartRecipe(
        7,
        0.01,
        deadline_ms,
        tuple(RecipeView(one, f"m{number}", "1", "", THRESHOLDS, {}) for one in views),
    )
    return RecipeRevision("bracket", number, recipe, 0, "leader", None)


def seen_by(claim: Claim, verdict: VerdictName = "good") -> SeenView:
    """What becomes of a view."""
    view = claim.view
    return SeenView(view.name, claim.token, view.model, "1", verdict, 0.4, 0.5, 0.8)


class Parts:
    """Open parts on a clock that stands until it is moved.

    Attributes:
        now_s: time of the clock.
        ahead_s: how far the wall clock goes before it.
        ended: what was told, in order.
    """

    def __init__(self, most: int = 8) -> None:
        self.now_s = self.ahead_s = 0.0
        self.ended: list[PartResult] = []
        self.current = revision_of(1, "top", "side")
        self.open = OpenParts(
            lambda: self.now_s,
            lambda: int((self.now_s + self.ahead_s) * 1e6),
            self.ended.append,
            most,
        )
        self._tokens = 0

    def claim(self, part: str = "A", view: str = "top", recipe: str = "bracket", **more) -> Claim:
        """Take a view on."""
        self._tokens += 1
        wish = ViewWish(part, view, recipe, f"t{self._tokens}", **more)
        return self.open.claim(wish, lambda name: self.current)

    def bring(self, part: str = "A", view: str = "top", **more) -> PartResult | None:
        """Take a view on, and its inspection."""
        claim = self.claim(part, view, **more)
        return self.open.take(claim, seen_by(claim))


@pytest.fixture
def parts() -> Parts:
    return Parts()


def test_a_part_of_one_id_that_comes_again_has_a_higher_number_though_the_clock_stands(
    parts: Parts,
) -> None:
    for view in ("top", "side"):
        parts.bring(view=view, again=True)
    for view in ("top", "side"):
        parts.bring(view=view, again=True)
    first, second = parts.ended
    assert second.number > first.number


def test_numbers_beyond_the_clock_go_on_as_time_does(parts: Parts) -> None:
    parts.now_s = 10.0
    parts.open.go_on_after(1_000_000_000)
    first = parts.claim("A").number
    parts.now_s += 1.0
    assert parts.claim("B").number == first + 1_000_000 > 1_000_000_000
    parts.now_s = 2000.0
    assert parts.claim("C").number == 2_990_000_001


@pytest.mark.parametrize("step_s", [-8 * 3600.0, -0.1, 5 * 3600.0])
def test_a_clock_that_is_set_while_a_part_is_open_changes_nothing_of_it(
    parts: Parts, step_s: float
) -> None:
    """Its deadline, its end and its number go by the time that has passed."""
    parts.ahead_s = 100_000.0
    first, second = parts.claim("A"), parts.claim("B")
    parts.now_s += 0.3
    parts.ahead_s += step_s
    found = parts.open.find("A", first.number)
    assert isinstance(found, WaitingPart) and found.left_ms == pytest.approx(700.0)
    parts.open.take(first, seen_by(first))
    parts.bring("A", "side")
    parts.now_s += 0.7
    parts.open.expire()
    assert [one.ended_by for one in parts.ended] == ["views", "deadline"]
    took_us = [one.ended_us - one.began_us for one in parts.ended]
    assert took_us == pytest.approx([300_000, 1_000_000], abs=1)
    assert parts.claim("C").number > second.number > first.number


def test_a_view_of_an_ended_part_is_late_for_a_while_and_then_the_next_part_s(
    parts: Parts,
) -> None:
    parts.bring()
    parts.open.end("A")
    parts.now_s += LATE_S - 0.1
    with pytest.raises(PartEndedError):
        parts.claim(view="side")
    parts.now_s += 0.2
    assert parts.claim(view="side").number > parts.ended[0].number


def test_a_part_that_has_ended_at_its_deadline_takes_no_inspection_that_comes_then(
    parts: Parts,
) -> None:
    parts.bring(view="side")
    late = parts.claim()
    parts.now_s += DEADLINE_MS / 1000
    with pytest.raises(PartEndedError):
        parts.open.take(late, seen_by(late))
    (result,) = parts.ended
    assert (result.verdict, result.reason, result.ended_by) == (
        "undecided",
        "missing_view",
        "deadline",
    )


def test_an_inspection_of_the_part_before_changes_nothing_of_the_next(parts: Parts) -> None:
    old = parts.claim()
    parts.open.end("A")
    parts.claim(again=True)
    with pytest.raises(PartEndedError):
        parts.open.take(old, seen_by(old, "defect"))
    parts.open.release(old)
    found = parts.open.find("A")
    assert isinstance(found, WaitingPart) and found.inspecting == ("top",)


def test_the_same_request_may_ask_for_its_view_again_and_another_may_not(parts: Parts) -> None:
    wish = ViewWish("A", "top", "bracket", "mine")
    claim = parts.open.claim(wish, lambda name: parts.current)
    assert parts.open.claim(wish, lambda name: parts.current) == claim
    with pytest.raises(ViewTakenError):
        parts.claim()
    parts.open.take(claim, seen_by(claim))
    with pytest.raises(ViewTakenError):
        parts.open.claim(wish, lambda name: parts.current)


def test_a_view_that_was_let_go_is_taken_on_by_another_and_not_taken_twice(parts: Parts) -> None:
    first = parts.claim()
    parts.open.release(first)
    second = parts.claim()
    with pytest.raises(ViewTakenError):
        parts.open.take(first, seen_by(first))
    assert parts.open.take(second, seen_by(second)) is None


def test_a_request_that_asks_again_is_not_hindered_by_the_end_of_its_first_attempt(
    parts: Parts,
) -> None:
    wish = ViewWish("A", "top", "bracket", "mine")
    first = parts.open.claim(wish, lambda name: parts.current)
    second = parts.open.claim(wish, lambda name: parts.current)
    parts.open.release(first)
    assert parts.open.take(second, seen_by(second)) is None
    with pytest.raises(ViewTakenError):
        parts.claim()


def test_a_part_is_of_one_recipe(parts: Parts) -> None:
    parts.bring()
    with pytest.raises(OtherRecipeError):
        parts.claim(view="side", recipe="bolt")


def test_no_more_parts_are_open_than_may_be_and_an_end_makes_room() -> None:
    parts = Parts(most=2)
    parts.claim("A")
    parts.claim("B")
    with pytest.raises(TooManyPartsError):
        parts.claim("C")
    parts.claim("A", "side")
    parts.open.end("A")
    parts.claim("C")
    assert len(parts.open) == 2


def test_what_has_ended_is_forgotten_one_day() -> None:
    parts = Parts(most=10)
    parts.bring("first")
    parts.open.end("first")
    for number in range(MOST_ENDED):
        parts.bring(f"P{number}")
        parts.open.end(f"P{number}")
    assert parts.open.find("first") is None
    with pytest.raises(PartNotFoundError):
        parts.open.end("first")


def test_only_the_oldest_parts_of_an_id_that_ends_again_and_again_are_forgotten() -> None:
    parts = Parts(most=10)
    for _ in range(MOST_ENDED + 1):
        parts.now_s += LATE_S
        parts.bring("A")
        parts.open.end("A")
    first, second, *_, last = parts.ended
    parts.now_s += LATE_S
    parts.bring("A")
    found = [parts.open.find("A", one.number) for one in (first, second, last)]
    assert found == [None, second, last]
    assert isinstance(parts.open.find("A"), WaitingPart)
    assert parts.open.find("B", last.number) is None


def test_the_end_of_the_server_gives_every_open_part_its_result(parts: Parts) -> None:
    parts.bring("A")
    parts.claim("B")
    parts.open.close()
    assert [(one.part, one.ended_by, one.reason) for one in parts.ended] == [
        ("A", "closing", "missing_view"),
        ("B", "closing", "missing_view"),
    ]
    assert parts.open.next_deadline_s is None


def test_claims_and_parts_come_through_another_process_as_they_were(parts: Parts) -> None:
    claim = parts.claim()
    assert CLAIMS.validate_json(orjson.dumps(claim)) == claim
    waiting = parts.open.find("A")
    assert FOUND.validate_json(orjson.dumps(waiting)) == waiting
    parts.open.take(claim, seen_by(claim))
    result = parts.open.end("A")
    assert RESULTS.validate_json(orjson.dumps(result)) == result
    assert FOUND.validate_json(orjson.dumps(result)) == result


IDS = st.sampled_from(["A", "B", "C"])
VIEWS = st.sampled_from(["top", "side", "below"])


class Line(RuleBasedStateMachine):
    """A line whose pictures, ends, deadlines and recipe changes come in any order."""

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.parts = Parts(most=2)
        self.tried: set[int] = set()
        self.revision = 1
        self.taken: dict[int, list[SeenView]] = {}
        self.of: dict[int, set[int]] = {}

    @rule(views=st.sets(VIEWS, min_size=1), deadline_ms=st.sampled_from([500.0, 1000.0, 5000.0]))
    def change_the_recipe(self, views: set[str], deadline_ms: float) -> None:
        self.revision += 1
        self.parts.current = revision_of(self.revision, *sorted(views), deadline_ms=deadline_ms)

    @rule(target=claims, part=IDS, view=VIEWS, again=st.booleans())
    def begin_a_view(self, part: str, view: str, again: bool) -> object:
        try:
            claim = self.parts.claim(part, view, again=again)
        except (RequestError, TooManyPartsError):
            return multiple()
        self.tried.add(claim.number)
        self.of.setdefault(claim.number, set()).add(claim.revision)
        # What inspects the view is of the part's revision, too.
        assert claim.view.model == f"m{claim.revision}"
        return claim

    @rule(claim=consumes(claims), verdict=st.sampled_from(["good", "defect", "undecided"]))
    def bring_an_inspection(self, claim: Claim, verdict: VerdictName) -> None:
        seen = seen_by(claim, verdict)
        try:
            result = self.parts.open.take(claim, seen)
        except RequestError:
            return
        self.taken.setdefault(claim.number, []).append(seen)
        assert (result is None) == (claim.number not in self.numbers)

    @rule(claim=consumes(claims))
    def give_up_a_view(self, claim: Claim) -> None:
        self.parts.open.release(claim)

    @rule(part=IDS)
    def end_a_part(self, part: str) -> None:
        try:
            result = self.parts.open.end(part)
        except PartNotFoundError:
            return
        assert result in self.parts.ended

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 30.0, LATE_S]))
    def let_time_pass(self, seconds: float) -> None:
        self.parts.now_s += seconds

    @rule()
    def hear_the_deadline(self) -> None:
        self.parts.open.expire()
        due_s = self.parts.open.next_deadline_s
        assert due_s is None or due_s > self.parts.now_s

    @property
    def numbers(self) -> Counter[int]:
        return Counter(one.number for one in self.parts.ended)

    @invariant()
    def no_part_has_two_results_or_revisions(self) -> None:
        assert all(count == 1 for count in self.numbers.values())
        assert all(len(revisions) == 1 for revisions in self.of.values())
        for result in self.parts.ended:
            assert self.of[result.number] == {result.revision}
            assert all(
                view.seen is None or view.seen.model == f"m{result.revision}"
                for view in result.views
            )

    @invariant()
    def a_result_says_what_its_views_say(self) -> None:
        for result in self.parts.ended:
            taken = {one.view: one for one in self.taken.get(result.number, [])}
            assert {one.name: one.seen for one in result.views if one.seen} == taken
            missing = len(taken) < len(result.views)
            verdicts = {one.verdict for one in taken.values()}
            assert (result.reason == "missing_view") == missing
            assert (result.verdict == "good") == (not missing and verdicts == {"good"})
            assert (result.verdict == "defect") == (not missing and "defect" in verdicts)

    def teardown(self) -> None:
        self.parts.open.close()
        # None is lost: every part that has begun has its result in the end.
        assert set(self.numbers) == self.tried
        self.no_part_has_two_results_or_revisions()
        self.a_result_says_what_its_views_say()


Line.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLine = Line.TestCase
