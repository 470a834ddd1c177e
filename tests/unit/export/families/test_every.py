from __future__ import annotations

import pytest

from takt.core.families import every
from takt_export.learning.family import learning_of
from takt_models.checkpoints.family import checkpoints_of

NAMES = [one.name for one in every.every()]


def test_the_first_family_is_the_usual_one() -> None:
    assert every.usual() is every.every()[0]


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_learned_says_how_and_how_its_checkpoint_is_read(name: str) -> None:
    learning = learning_of(name)

    assert (learning is not None) == (every.named(name) in every.learnable())
    assert (checkpoints_of(name).own is not None) == (learning is not None)


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_further_pictures_says_how(name: str) -> None:
    learning = learning_of(name)

    extends = learning is not None and learning.extend is not None
    assert extends == every.named(name).takes_more


@pytest.mark.parametrize("family", every.learnable(), ids=lambda family: family.name)
def test_who_chooses_a_family_is_told_what_it_is_good_for(family) -> None:
    assert family.about.startswith(family.title)


def test_a_family_that_is_not_listed_has_nothing_declared() -> None:
    assert every.known("other") is None
    assert every.declared("other", "checkpoints", object) is None
    assert every.declared("dinomaly", "learning", object) is None
    assert checkpoints_of("other").formats == ()
    with pytest.raises(KeyError):
        every.named("other")
