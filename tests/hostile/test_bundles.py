from __future__ import annotations

import pytest

from tests.hostile.bundles import ATTACKS, SHIPPED, Attack, attacked, refusal_of


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_by_name_within_a_second_and_100_mib(tmp_path, attack: Attack) -> None:
    refusal = refusal_of(attacked(attack, tmp_path, SHIPPED))

    assert refusal.holds(attack), refusal
