"""What the charts of rewards draw is what the rewards were, by hand and by numpy."""

from __future__ import annotations

import numpy as np
import pytest

from droid_tune.runs.reward_distribution import QUANTILES, distribution


def test_rewards_of_a_step_are_told_by_quantiles_shares_and_kinds_of_groups() -> None:
    mixed, right, wrong = (
        [(0.0, False), (1.0, True)],
        [(1.0, True), (1.0, True)],
        [(0.0, False), (0.25, False)],
    )
    found = distribution([mixed, right, wrong])
    rewards = [0.0, 0.0, 0.25, 1.0, 1.0, 1.0]
    for percent in QUANTILES:
        assert found[f"reward/q{percent}"] == pytest.approx(np.quantile(rewards, percent / 100))
    assert len({found[f"reward/q{percent}"] for percent in (25, 50, 75)}) == 3
    assert (found["reward/min"], found["reward/max"]) == (0, 1)
    assert (found["reward/zero"], found["reward/one"]) == pytest.approx((2 / 6, 3 / 6))
    kinds = [found[f"groups/{kind}"] for kind in ("all_right", "mixed", "all_wrong")]
    assert kinds == pytest.approx([1 / 3] * 3)
    assert (found["pass@1"], found["pass@G"]) == pytest.approx((3 / 6, 2 / 3))


def test_what_no_reward_judged_has_no_distribution() -> None:
    assert distribution([[(None, False), (None, False)]]) == {}
    assert distribution([]) == {}
