"""A row as the Data pane shows it before a run in an environment: the very tokens behind which the run samples."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from droid_tune.config import resolve
from droid_tune.control import Watch
from droid_tune.data.order.seeds import rollout_seed
from droid_tune.errors import Stopped, UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.playground.seen_openings import SeenOpenings
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, Seeding
from droid_tune.rollout.episodes.play import play
from droid_tune.train.exploring.acting import acted_in
from droid_tune.train.starting.start import starting_policy

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


@pytest.fixture
def asked() -> Generator[SeenOpenings]:
    with closing(SeenOpenings()) as openings:
        yield openings


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
    tmp_path: Path, model: str, environment: dict[str, Any], asked: SeenOpenings
) -> None:
    config = config_of(tmp_path, model, **environment)
    policy = starting_policy(config, Path())
    seed = rollout_seed(config.training.seed, 0)
    with acted_in(config, policy) as opened:
        assert opened is not None
        options = asked.options(config, policy.tokenizer)
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
    seen = asked.opening(config, policy.tokenizer, ROW, 3)
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


def test_an_episode_that_cannot_begin_is_one_sentence(tmp_path: Path, asked: SeenOpenings) -> None:
    config = config_of(tmp_path, "tools-starter", type="class")
    tokenizer = starting_policy(config, Path()).tokenizer
    text = CLASS.replace('        return f" You', '        raise KeyError("no lamp")\n        return f" You')
    (tmp_path / "cellar.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"could not begin: .*no lamp"):
        asked.opening(config, tokenizer, ROW, 0)
    with pytest.raises(Stopped):
        asked.opening(config, tokenizer, ROW, 0, Watch(should_stop=lambda: True))


def children() -> set[int]:
    """Processes that this one has started."""
    return {one.pid for one in psutil.Process().children() if lives(one)}


def lives(process: psutil.Process) -> bool:
    """It may end between the list and the look at it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_environment_stays_until_its_file_is_another_or_it_is_ended(
    tmp_path: Path, asked: SeenOpenings
) -> None:
    before = children()
    config = config_of(tmp_path, "tools-starter", type="class")
    tokenizer = starting_policy(config, Path()).tokenizer
    first = asked.opening(config, tokenizer, ROW, 0)
    started = children() - before
    assert len(started) == 1
    assert asked.opening(config, tokenizer, ROW, 0) == first
    asked.options(config.model_copy(update={"name": "other"}), tokenizer)
    assert children() - before == started
    (tmp_path / "cellar.py").write_text(CLASS.replace("stand", "wait"), encoding="utf-8")
    os.utime(tmp_path / "cellar.py", ns=(0, 10**18))
    edited = asked.opening(config, tokenizer, ROW, 0)
    assert edited.text == first.text.replace("stand", "wait")
    assert len(children() - before) == 1
    assert not (children() - before) & started
    asked.close()
    assert children() == before
    assert asked.opening(config, tokenizer, ROW, 0) == edited


def test_an_environment_that_nobody_asks_about_is_ended(tmp_path: Path) -> None:
    before = children()
    config = config_of(tmp_path, "tools-starter", type="class")
    tokenizer = starting_policy(config, Path()).tokenizer
    with closing(SeenOpenings(idle_seconds=0.05)) as asked:
        asked.options(config, tokenizer)
        until = time.monotonic() + 60
        while children() != before and time.monotonic() < until:
            time.sleep(0.02)
        assert children() == before
        assert asked.options(config, tokenizer).tools


def test_a_question_that_is_given_up_leaves_the_environment_to_the_next(
    tmp_path: Path, asked: SeenOpenings
) -> None:
    config = config_of(tmp_path, "tools-starter", type="class")
    tokenizer = starting_policy(config, Path()).tokenizer
    looks = iter([False])
    watch = Watch(should_stop=lambda: next(looks, True))  # given up as soon as it has begun
    before = children()
    shown = asked.opening(config, tokenizer, ROW, 0, watch)
    started = children() - before
    assert asked.opening(config, tokenizer, ROW, 0) == shown
    assert children() - before == started
