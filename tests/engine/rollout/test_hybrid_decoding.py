"""Models whose layers hold states: a group shares its prompt, rows are decoded together, and each gets what it gets alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from droid_tune.config.sampling import SamplingConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.scoring import score
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.policy import Policy
from droid_tune.rollout.decoders import BatchDecoder, make_decoder
from droid_tune.rollout.generate import generate
from droid_tune.rollout.prefilled import prefilled
from tests.engine.model import tiny
from tests.engine.model.recurrent import RECURRENT, without_zeros
from tests.engine.rollout.test_generate import PROMPTS, TEMPERATURE, as_rows

QUICK = ["qwen3_5", "mamba2", "lfm2", "rwkv7"]
FAMILIES = [
    *QUICK,
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("qwen3_next", *RECURRENT) if name not in QUICK),
]


@pytest.fixture(params=FAMILIES)
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Policy:
    for name, config in RECURRENT.items():
        monkeypatch.setitem(tiny.CONFIGS, name, config)
    made = tiny.tiny_policy(request.param)
    if request.param == "rwkv7":
        without_zeros(made.model)
    return made


def test_a_group_shares_its_prompt_and_is_decoded_together(policy: Policy) -> None:
    assert policy.architecture.shares_prompts
    assert policy.architecture.splits_head
    with own_kernels():
        ready = prefilled(policy, PROMPTS, 18)
        assert isinstance(make_decoder(policy, ready, [0, 0, 1, 2]), BatchDecoder)
    policy.stop_tokens = frozenset({1, 17, 23, 29, 31})  # rows end early and leave the batch
    sampling = SamplingConfig(max_completion_length=12, temperature=TEMPERATURE)
    rollout = generate(policy, PROMPTS, group_size=3, sampling=sampling, seed=3, plan=MemoryPlan())
    assert len(set(rollout.lengths.tolist())) > 2
    plan = MemoryPlan(train_rows=2)
    for way in (plan, replace(plan, share_prompts=False)):
        scored = score(policy, as_rows(rollout), temperature=TEMPERATURE, plan=way).logprobs
        np.testing.assert_allclose(scored, rollout.sampled_logprobs, atol=1e-4)
    for row, length in enumerate(rollout.lengths):
        completion = rollout.tokens[row, :length].tolist()
        alone = np.asarray(tiny.one_row_logprobs(policy, PROMPTS[row // 3], completion, TEMPERATURE))
        np.testing.assert_allclose(rollout.sampled_logprobs[row, :length], alone, atol=1e-4)
