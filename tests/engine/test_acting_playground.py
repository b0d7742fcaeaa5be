"""The playground of a run with tools: they run between the model's turns, and the turns are told."""

from __future__ import annotations

from pathlib import Path

from droid_tune.acting_playground import ActingPlayground
from droid_tune.config import resolve
from droid_tune.config.config_file import read_config_file
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.trust import trust
from droid_tune.control import Control
from droid_tune.paths import tools_starter_dir
from droid_tune.runs.folder import create_run
from droid_tune.train.engine import run_training


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
