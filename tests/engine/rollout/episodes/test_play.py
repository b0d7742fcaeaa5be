"""Episodes are sampled as one-row forward passes say, whatever the environment's pace."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from droid_tune.config import resolve
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import Watch
from droid_tune.errors import Stopped
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.gradients.scoring import score
from droid_tune.model.gradients.scoring_rows import ScoringRows
from droid_tune.model.policy import Policy
from droid_tune.paths import starter_model_dir
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, Seeding
from droid_tune.rollout.episodes.play import play
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.starting.start import starting_policy
from tests.engine.rollout.episodes.scripted import Scripted

ROWS = [{"prompt": "What is 2 + 3?"}, {"prompt": "Add 14 and 5, then say it."}]


@cache
def starter() -> Policy:
    return starting_policy(resolve({"adapter": {"rank": 2}}), Path())


def played(
    environment: Scripted, *, plan: MemoryPlan | None = None, limits: Any = None, **more: Any
) -> Rollout:
    sampling = {"max_completion_length": 110, "temperature": 1.5, **more.pop("sampling", {})}
    return play(
        starter(),
        environment,
        ROWS,
        group_size=4,
        sampling=SamplingConfig(**sampling),
        limits=limits or EpisodeLimits(14),
        seeding=Seeding(5),
        plan=plan or MemoryPlan(),
        **more,
    )


def scored(rollout: Rollout) -> np.ndarray:
    rows = ScoringRows.of_groups(rollout.prompt_tokens, 4, rollout.tokens, rollout.completion_mask)
    return score(starter(), rows, temperature=1.5, plan=MemoryPlan(train_rows=3)).logprobs


def same(one: Rollout, other: Rollout) -> bool:
    return (
        np.array_equal(one.tokens, other.tokens)
        and np.array_equal(one.completion_mask, other.completion_mask)
        and one.sampled_logprobs.tobytes() == other.sampled_logprobs.tobytes()
        and [path.messages for path in one.trajectories or []]
        == [path.messages for path in other.trajectories or []]
    )


def test_the_models_tokens_have_the_log_probabilities_of_the_whole_conversation():
    rollout = played(Scripted(turns=3))
    paths = rollout.trajectories
    assert paths is not None
    assert {len(path.spans) for path in paths} - {1}  # several turns
    assert 0 < rollout.completion_mask.sum() < (rollout.tokens > 0).sum()
    np.testing.assert_allclose(scored(rollout), rollout.sampled_logprobs, atol=2e-4)


def test_the_mask_is_the_models_turns_and_the_text_is_the_conversation():
    rollout = played(Scripted(turns=3))
    tokenizer = starter().tokenizer
    for row, path in enumerate(rollout.trajectories or []):
        mine = np.zeros(rollout.tokens.shape[1])
        for start, end in path.spans:
            mine[start:end] = 1
        np.testing.assert_array_equal(mine, rollout.completion_mask[row])
        written = int(np.flatnonzero(mine).max()) + 1
        text = tokenizer.decode(rollout.prompt_tokens[row // 4] + rollout.tokens[row, :written].tolist())
        for message in path.messages:
            assert message["content"].strip() in text


#: the dearest is among the slow ones: the next test plays by the same numbers once
PACES = [(32, 0.25), (5, 0.0), pytest.param(3, 0.6, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("rows", "share"), PACES)
def test_the_pace_of_the_environment_changes_no_bit(rows: int, share: float):
    plan, limits = MemoryPlan(decode_rows=rows, prefill_tokens=16), EpisodeLimits(14, waiting_share=share)
    once = played(Scripted(turns=2), plan=plan, limits=limits)
    assert same(once, played(Scripted(turns=2, late=7, seconds=0.005, seed=3), plan=plan, limits=limits))


def test_the_same_tokens_are_drawn_however_many_rows_fit_and_wait():
    once = played(Scripted(turns=2))
    other = played(
        Scripted(turns=2), plan=MemoryPlan(decode_rows=3), limits=EpisodeLimits(14, waiting_share=0.6)
    )
    np.testing.assert_array_equal(once.tokens, other.tokens)
    np.testing.assert_allclose(once.sampled_logprobs, other.sampled_logprobs, atol=1e-4)


def test_filters_see_what_the_environment_said():
    rollout = played(Scripted(turns=2), sampling={"repetition_penalty": 1.3, "top_k": 5})
    assert rollout.drawn_logprobs is not None
    np.testing.assert_allclose(scored(rollout), rollout.sampled_logprobs, atol=2e-4)
    assert same(rollout, played(Scripted(turns=2, late=5), sampling={"repetition_penalty": 1.3, "top_k": 5}))


def test_what_cuts_an_episode_is_said():
    short = played(Scripted(turns=3), limits=EpisodeLimits(2))
    cut = [path for path in short.trajectories or [] if path.cut == "tokens"]
    assert cut
    assert all(len(path.spans) == 1 and path.spans[0] == (0, 2) for path in cut)
    whole = played(Scripted(turns=30), sampling={"max_completion_length": 40})
    assert {path.cut for path in whole.trajectories or []} == {"tokens"}
    assert whole.tokens.shape[1] <= 40
    assert set(whole.finish_reasons) == {"length"}


def test_rewards_of_turns_and_of_the_episode_add_up():
    rollout = played(Scripted(turns=2))
    ended = [path for path in rollout.trajectories or [] if not path.cut]
    assert ended
    for path in ended:
        assert path.reward == 1.0 + sum(one or 0.0 for one in path.turn_rewards)
        assert len(path.turn_rewards) == len(path.spans) == len(path.states) == 3
        assert path.states[0] == path.messages[0]["content"]


def test_members_with_openings_of_their_own_share_what_these_have_in_common():
    rollout = played(Scripted(turns=1, own_openings=True))
    np.testing.assert_allclose(scored(rollout), rollout.sampled_logprobs, atol=2e-4)
    text = starter().tokenizer.decode(rollout.prompt_tokens[0])
    assert text.startswith("<|user|>What is 2 + 3? You are")
    assert not rollout.completion_mask[:, 0].any()  # each one's own words come first


def test_an_episode_that_cannot_begin_fails_alone():
    environment = Scripted(turns=1, failing=(2,))
    rollout = played(environment)
    failed = [path for path in rollout.trajectories or [] if path.cut == "failed"]
    assert [path.failed for path in failed] == ["the episode has no floor to stand on"] * 2
    assert not rollout.completion_mask[[2, 6]].any()
    assert environment.opened == environment.closed == 6
    everything = played(Scripted(failing=(0, 1, 2, 3)))
    assert not everything.completion_mask.any()


def test_a_turn_is_read_behind_the_thought_that_its_own_prompt_has_opened(tmp_path: Path) -> None:
    model = tmp_path / "thinker"
    shutil.copytree(starter_model_dir(), model)
    settings = json.loads((model / "tokenizer_config.json").read_text())
    opener = "{%- if enable_thinking is not defined or enable_thinking %}{{ '<think>' }}{% endif -%}"
    settings["chat_template"] = settings["chat_template"].replace(
        "'<|assistant|>' -}}", "'<|assistant|>' -}}" + opener
    )
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    environment = Scripted(turns=1)
    rollout = play(
        starting_policy(resolve({"model": {"path": str(model)}}), Path()),
        environment,
        [ROWS[0], {**ROWS[1], "chat_template_kwargs": {"enable_thinking": False}}],
        group_size=4,
        sampling=SamplingConfig(max_completion_length=110, temperature=1.5),
        limits=EpisodeLimits(40),
        seeding=Seeding(5),
        plan=MemoryPlan(),
    )
    paths = rollout.trajectories or []
    said = [[turn.text for turn in path.turns if turn.role == "assistant"] for path in paths]
    assert max(len(texts) for texts in said[:4]) == 2  # the second turn's prompt opens a thought too
    assert all(text.startswith("<think>") for texts in said[:4] for text in texts)
    assert not any("<think>" in text for texts in said[4:] for text in texts)
    assert all(text.startswith("<think>") for text in environment.asked if "<think>" in text)


def test_a_stop_closes_what_is_open():
    environment = Scripted(turns=3, late=3)
    seen = 0

    def stop() -> bool:
        nonlocal seen
        seen += 1
        return seen > 25

    with pytest.raises(Stopped):
        played(environment, watch=Watch(should_stop=stop))
    assert environment.opened == environment.closed > 0


def test_a_turn_costs_its_new_tokens_only():
    rollout = played(Scripted(turns=3))
    prompts = sum(len(prompt) for prompt in rollout.prompt_tokens)
    added = sum(
        count
        for path in rollout.trajectories or []
        for count in (turn.tokens for turn in path.turns if turn.role != "assistant")
    )
    assert rollout.read_tokens == prompts + added
