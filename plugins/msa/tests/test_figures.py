from __future__ import annotations

import pytest
from sklearn.metrics import cohen_kappa_score

from plugins.msa.tests.attribute_study import part, study, worked_example
from takt_msa.figures import (
    AppraiserFigures,
    BetweenAppraisers,
    appraiser_figures,
    between_appraisers,
)
from takt_msa.study import Part, Study, Trial, study_of


@pytest.fixture(scope="module")
def example() -> Study:
    return worked_example()


@pytest.fixture(scope="module")
def appraisers(example: Study) -> list[AppraiserFigures]:
    return [appraiser_figures(example, appraiser) for appraiser in range(3)]


@pytest.fixture(scope="module")
def between(example: Study) -> BetweenAppraisers:
    found = between_appraisers(example)
    assert found is not None
    return found


PUBLISHED = [
    # effectiveness %, its interval %, miss rate %, false alarms %, kappa against the reference
    (84, (71, 93), 6.3, 4.9, 0.88),
    (90, (78, 97), 6.3, 2.0, 0.92),
    (80, (66, 90), 12.5, 8.8, 0.77),
]


@pytest.mark.parametrize("appraiser", range(3))
def test_the_figures_of_each_appraiser_are_those_of_the_worked_example(
    appraisers: list[AppraiserFigures], appraiser: int
) -> None:
    effectiveness, interval, misses, alarms, kappa = PUBLISHED[appraiser]
    found = appraisers[appraiser]

    assert found.effectiveness.value == pytest.approx(effectiveness / 100)
    assert round(100 * found.effectiveness.interval.low) == interval[0]
    assert round(100 * found.effectiveness.interval.high) == interval[1]
    assert found.miss_rate.value == pytest.approx(misses / 100, abs=6e-4)
    assert found.false_alarm_rate.value == pytest.approx(alarms / 100, abs=6e-4)
    assert found.kappa_reference.value == pytest.approx(kappa, abs=6e-3)


def test_misses_and_false_alarms_are_counted_by_decisions(
    appraisers: list[AppraiserFigures],
) -> None:
    third = appraisers[2]

    assert (third.miss_rate.estimate.count, third.miss_rate.estimate.of) == (6, 48)
    assert (third.false_alarm_rate.estimate.count, third.false_alarm_rate.estimate.of) == (9, 102)
    assert (third.with_reference.estimate.count, third.with_reference.estimate.of) == (135, 150)


def test_the_ratings_are_those_of_the_worked_example(appraisers: list[AppraiserFigures]) -> None:
    assert [one.effectiveness.rating for one in appraisers] == [
        "marginal",
        "acceptable",
        "marginal",
    ]
    assert [one.miss_rate.rating for one in appraisers] == ["not acceptable"] * 3
    assert [one.false_alarm_rate.rating for one in appraisers] == [
        "acceptable",
        "acceptable",
        "marginal",
    ]
    assert [one.kappa_reference.rating for one in appraisers] == ["acceptable"] * 3
    assert [one.rating for one in appraisers] == ["not acceptable"] * 3


def test_between_appraisers_the_figures_are_those_of_the_worked_example(
    between: BetweenAppraisers,
) -> None:
    kappas = {(pair.first, pair.second): pair.kappa.value for pair in between.kappas}

    assert kappas == {
        ("A", "B"): pytest.approx(0.86, abs=6e-3),
        ("A", "C"): pytest.approx(0.78, abs=6e-3),
        ("B", "C"): pytest.approx(0.79, abs=6e-3),
    }
    assert (between.agreement.estimate.count, between.agreement.estimate.of) == (39, 50)
    assert (between.with_reference.estimate.count, between.with_reference.estimate.of) == (39, 50)
    assert round(100 * between.agreement.interval.low) == 64
    assert round(100 * between.agreement.interval.high) == 88


def test_kappa_against_the_reference_is_that_of_scikit_learn(
    example: Study, appraisers: list[AppraiserFigures]
) -> None:
    decided = [trial.rejected[1] for one in example.parts for trial in one.trials]
    reference = [one.defective for one in example.parts for _ in one.trials]

    assert appraisers[1].kappa_reference.value == pytest.approx(
        cohen_kappa_score(decided, reference)
    )


def test_one_wrong_placement_makes_its_part_count_as_not_effective() -> None:
    found = appraiser_figures(
        study(part("a", False, 0.1, 0.2, 0.9), part("b", True, 0.8, 0.9, 0.7)), 0
    )

    assert found.effectiveness.value == 0.5
    assert found.false_alarm_rate.value == pytest.approx(1 / 3)
    assert found.miss_rate.value == 0
    assert found.between_trials.value == 0.5


def test_a_part_that_is_always_missed_repeats_well_and_is_not_effective() -> None:
    found = appraiser_figures(study(part("a", False, 0.1, 0.2), part("b", True, 0.2, 0.3)), 0)

    assert found.between_trials.value == 1
    assert found.effectiveness.value == 0.5
    assert found.miss_rate.value == 1
    assert found.kappa_trials is None, "with one kind of decision kappa means nothing"


def test_no_miss_on_few_parts_is_acceptable_by_its_value_and_shows_nothing() -> None:
    good = [part(f"g{number}", False, 0.1, 0.2) for number in range(40)]
    bad = [part(f"d{number}", True, 0.8, 0.9) for number in range(40)]
    found = appraiser_figures(study(*good, *bad), 0)

    assert (found.rating, found.shown) == ("acceptable", "not shown")
    assert found.miss_rate.interval.high == pytest.approx(1 - 0.025 ** (1 / 40))
    assert (found.miss_rate.shown, found.miss_rate.parts_needed) == ("not shown", 183)
    assert found.effectiveness.shown == "acceptable"
    assert found.kappa_reference.shown == "acceptable"


def test_appraisers_who_saw_different_parts_cannot_be_compared() -> None:
    parts = [
        Part(name, name == "b", tuple(Trial(f"{name}{n}", 0.5, decided) for n in range(2)))
        for name, decided in (("a", (False, None)), ("b", (None, True)))
    ]

    assert between_appraisers(study_of(("Ann", "Bob"), parts, 0.5)) is None


def test_an_appraiser_counts_on_what_he_has_decided() -> None:
    def seen(name: str, defective: bool, *by_second: bool | None) -> Part:
        trials = (
            Trial(f"{name}{number}", 0.9 if defective else 0.1, (defective, rejected))
            for number, rejected in enumerate(by_second)
        )
        return Part(name, defective, tuple(trials))

    both = study_of(
        ("model", "Ann"),
        [
            seen("a", False, False, None),
            seen("b", True, True, False),
            seen("c", True, None, None),
        ],
        0.5,
    )
    ann, between = appraiser_figures(both, 1), between_appraisers(both)

    assert (ann.effectiveness.estimate.count, ann.effectiveness.estimate.of) == (1, 2)
    assert (ann.miss_rate.estimate.count, ann.miss_rate.estimate.of) == (1, 2)
    assert ann.between_trials.estimate.of == 1, "part a she saw once"
    assert between is not None
    assert between.agreement.estimate.of == 2, "part c she did not see"
    assert between.kappas[0].kappa.estimate.disagreement.of == 3
