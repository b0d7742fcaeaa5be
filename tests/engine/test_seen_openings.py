"""A row as the Data pane shows it before a run in an environment: the very tokens behind which the run samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import resolve
from droid_tune.control import Watch
from droid_tune.data.order.seeds import rollout_seed
from droid_tune.errors import Stopped, UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, Seeding
from droid_tune.rollout.episodes.play import play
from droid_tune.seen_openings import opening_seen, row_options
from droid_tune.train.acting import acted_in
from droid_tune.train.start import starting_policy

CLASS = '''
import random


class Cellar:
    def reset(self, depth=0, **kwargs):
        return f" You stand {depth} steps down, lamp {random.random():.6f}."

    def climb(self, steps: int) -> str:
        """Climbs.

        Args:
            steps: How many.
        """
        return "up"

    def get_reward(self):
        return 1.0
'''
ROW: dict[str, Any] = {"prompt": "Where are you?", "depth": 7, "answer": "7"}


def config_of(folder: Path, model: str, **environment: Any) -> Any:
    if "path" not in environment:
        environment["path"] = str(folder / "cellar.py")
        (folder / "cellar.py").write_text(CLASS, encoding="utf-8")
    return resolve(
        {
            "model": {"path": model},
            "data": {"system_prompt": "Be brief."},
            "environment": {**environment, "max_turn_tokens": 4},
            "sampling": {"max_completion_length": 4},
            "rewards": [{"type": "accuracy"}],
        }
    )


@pytest.mark.parametrize(
    ("model", "environment"),
    [
        ("tools-starter", {"type": "class"}),
        ("starter", {"type": "class", "tool_prompt": "system"}),
        ("tools-starter", {"type": "tools", "path": "shop"}),
    ],
)
def test_a_row_is_shown_with_the_tokens_that_the_run_samples_behind(
    tmp_path: Path, model: str, environment: dict[str, Any]
) -> None:
    config = config_of(tmp_path, model, **environment)
    policy = starting_policy(config, Path())
    seed = rollout_seed(config.training.seed, 0)
    with acted_in(config, policy) as opened:
        assert opened is not None
        options = row_options(config, policy.tokenizer)
        rollout = play(
            policy,
            opened,
            [ROW],
            group_size=2,
            sampling=config.sampling,
            limits=EpisodeLimits.of(config.environment, None),
            seeding=Seeding(seed, config.training.seed, seed, [3]),
            plan=MemoryPlan(),
            options=options,
        )
    seen = opening_seen(config, policy.tokenizer, ROW, 3)
    assert seen.tokens == rollout.prompt_tokens[0]
    assert not any(seen.learnt)
    assert seen.text == policy.tokenizer.decode(seen.tokens)
    tool, first = (
        ("multiply", "Where are you?") if environment["type"] == "tools" else ("climb", "7 steps down")
    )
    assert tool in seen.text
    assert first in seen.text
    assert "Be brief." in seen.text
    assert (tool in str(options.tools)) == ("tool_prompt" not in environment)


def test_an_episode_that_cannot_begin_is_one_sentence(tmp_path: Path) -> None:
    config = config_of(tmp_path, "tools-starter", type="class")
    tokenizer = starting_policy(config, Path()).tokenizer
    text = CLASS.replace('        return f" You', '        raise KeyError("no lamp")\n        return f" You')
    (tmp_path / "cellar.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"could not begin: .*no lamp"):
        opening_seen(config, tokenizer, ROW, 0)
    with pytest.raises(Stopped):
        opening_seen(config, tokenizer, ROW, 0, Watch(should_stop=lambda: True))
