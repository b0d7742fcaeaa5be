"""The playground of a run with tools: they run between the model's turns, and the turns are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.config.asking.trust import trust
from droid_tune.config.files.config_file import read_config_file
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import Control
from droid_tune.paths import tools_starter_dir
from droid_tune.playground.acting_playground import ActingPlayground
from droid_tune.playground.playground import Playground
from droid_tune.playground.playing import Player, Stage
from droid_tune.rollout.episodes.play import play
from droid_tune.rollout.rollout import Rollout
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training
from tests.engine.rollout.episodes.scripted import Scripted


def test_the_tools_of_a_run_answer_in_its_playground(tmp_path: Path) -> None:
    values = read_config_file(tools_starter_dir() / "run.yaml").values
    small = {
        "training": {"iterations": 1, "batch_size": 1},
        "evaluation": {"rows": 0},
        "method": {"type": "grpo", "group_size": 2},
    }
    config = resolve({**values, **small})
    trust(config)
    folder = create_run(config, tmp_path / "run")
    finished = run_training(config, folder, Control(), lambda _: None)
    assert finished.outcome == "completed", finished.why
    model = ActingPlayground.of_run(folder)
    sampling = SamplingConfig(max_completion_length=192, temperature=1.0)
    replies = [model.reply("What do seven pears cost?", sampling, seed=seed) for seed in range(12)]
    turns = [turn for reply in replies for turn in reply.turns]
    prices = [turn for turn in turns if turn.role == "tool" and turn.name == "price" and not turn.failed]
    assert prices
    assert all(reply.turns[0].role == "assistant" and reply.tokens > 0 for reply in replies)
    pieces: list[str] = []
    told = model.reply("What do seven pears cost?", sampling, seed=3, on_text=pieces.append)
    assert (told.text, told.tokens) == (replies[3].text, replies[3].tokens)
    assert "".join(pieces).count(told.text.strip()) >= 1
    without = model.reply("What do seven pears cost?", sampling, with_adapter=False, seed=3)
    assert without.turns[0].role == "assistant"
    assert told.aside == without.aside == ""
    plain = Playground.of_run(folder).reply("What do seven pears cost?", sampling)
    assert (plain.turns, plain.aside) == ((), "Answered without the environment that the run learns in.")
    # an environment that knows only its own rows
    assert model._stage is not None
    puzzles = resolve({"environment": {"type": "reasoning_gym"}})
    model._stage = Stage(model._stage.policy, Scripted(failing=(0,)), puzzles)
    alone = model.reply("What do seven pears cost?", sampling)
    assert alone.turns == ()
    assert alone.aside.endswith("it knows only the prompts of its own rows. Pick one.")


def test_what_is_played_is_what_the_run_would_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is rendered anew: every turn goes on behind the tokens that were sampled before it."""
    values = read_config_file(tools_starter_dir() / "run.yaml").values
    config = resolve({**values, "sampling": {"temperature": 1.0}})
    rollouts: list[Rollout] = []

    def kept(*given: Any, **more: Any) -> Rollout:
        rollouts.append(play(*given, **more))
        return rollouts[-1]

    monkeypatch.setattr("droid_tune.playground.playing.play", kept)
    player = Player(config)
    try:
        played = [player.play({"prompt": "What do seven pears cost?"}, number) for number in range(4)]
        again = player.play({"prompt": "What do seven pears cost?"}, 2)
    finally:
        player.close()
    assert again.to_json()["turns"] == played[2].to_json()["turns"]
    assert max(len(one.path.spans) for one in played) > 1
    for one, rollout in zip(played, rollouts, strict=False):
        for (start, end), turn in zip(
            one.path.spans, [turn for turn in one.path.turns if turn.role == "assistant"], strict=True
        ):
            assert end - start == turn.tokens
            assert rollout.completion_mask[0, start:end].all()
        assert rollout.completion_mask.sum() == sum(end - start for start, end in one.path.spans)
