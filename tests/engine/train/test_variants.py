"""Methods known by a name of their own, in the one loop: they learn, and a resume gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.errors import UserError
from tests.engine.train.conftest import digest, resume, tiny, train
from tests.engine.train.stopping import stopped_after

VARIANTS = ("rloo", "gmpo", "a2po")


def changed(name: str, **more: Any) -> dict[str, Any]:
    small = {"value_samples": 2, "filter_all_incorrect": False} if name == "a2po" else {}
    return {"method": {"type": name, "group_size": 2, **small, **more}}


@pytest.mark.parametrize(
    "name", ["a2po", *(pytest.param(one, marks=pytest.mark.slow) for one in VARIANTS if one != "a2po")]
)
def test_stopping_and_going_on_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    end, record = train(tiny(**changed(name)), whole)
    assert end.outcome == "completed", end.why
    assert any(event.type == "step" and (event.metrics["grad_norm"] or 0) > 0 for event in record)
    stopped_after(parts, 1, **changed(name))
    assert resume(parts)[0].outcome == "completed"
    assert digest(parts) == digest(whole)


@pytest.mark.slow
def test_a_rollout_that_outlives_updates_is_resumed_in_its_middle(tmp_path: Path) -> None:
    """REINFORCE++'s advantages are of tokens: they are part of the state."""
    changes = changed("reinforce_pp", num_iterations=2)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(tiny(**changes), whole)
    stopped_after(parts, 1, **changes)
    resume(parts)
    assert digest(parts) == digest(whole)


def test_a_model_that_answers_nothing_rightly_is_told(tmp_path: Path) -> None:
    hopeless = {"rewards": [{"type": "format", "pattern": "no answer is like this"}]}
    changes = changed("a2po", filter_all_incorrect=True) | hopeless
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text('{"prompt": "What is two plus two?", "answer": "4"}\n' * 2)
    end, _ = train(tiny(**changes, data={"path": str(tmp_path / "data")}), tmp_path / "run")
    assert end.outcome == "failed"
    assert "answers no prompt" in end.why


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"type": "rloo", "importance_sampling_level": "token"}, "sequence_sum"),
        ({"type": "gmpo", "importance_sampling_level": "sequence"}, "token"),
        ({"type": "grpo", "loss_type": "a2po"}, "a2po"),
        ({"type": "grpo", "kl_in_reward": True}, "kl_in_reward"),
        ({"type": "maxrl", "scale_rewards": "none"}, "scale_rewards"),
        ({"type": "grpo", "reward_clip_range": [0, 1]}, "reward_clip_range"),
        ({"type": "rloo", "reward_clip_range": [1, 0]}, "reward_clip_range"),
        ({"type": "rloo", "sampler_correction": "token_mask"}, "sampler_correction"),
    ],
)
def test_settings_that_cannot_act_are_refused(method: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        tiny(method=method)
