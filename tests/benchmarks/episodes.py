"""What episodes cost beside what they need not: tokens read again, and time stood still for tools.

    python -m tests.benchmarks.episodes [--model starter] [--prompts 4] [--group 8] [--turns 6] [--seconds 0.2]

The model's turns end at random (some of its common tokens count as ends), the environment answers by a rule, at once or
after `--seconds`. Rows keep their keys from turn to turn, so a turn reads its new tokens only; "read again" is what the same
episodes would have read with every turn's conversation read anew. The same tokens are sampled either way.

Time is this process's CPU seconds and what it slept, so that other work on the machine does not count: a tool's seconds pass
while the model computes, and while the sampler waits.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from droid_tune.config import resolve
from droid_tune.config.sampling import SamplingConfig
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.policy import Policy
from droid_tune.rollout.episodes import row_answers, tally
from droid_tune.rollout.episodes.episode_row import EpisodeLimits, Seeding
from droid_tune.rollout.episodes.play import play
from droid_tune.rollout.rollout import Rollout
from droid_tune.train.starting.start import starting_policy
from tests.engine.rollout.episodes import scripted
from tests.engine.rollout.episodes.scripted import Scripted


class Clock:
    """Stands in for `time` in the sampler: CPU seconds, and what was slept, which takes no time here."""

    def __init__(self) -> None:
        self._slept = 0.0

    def perf_counter(self) -> float:
        return time.process_time() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


CLOCK = Clock()
#: the mean number of tokens of a turn that is aimed at
TURN_TOKENS = 24


def main() -> None:
    asked = _arguments()
    policy = starting_policy(resolve({"model": {"path": asked.model}}), Path())
    _end_at_random(policy)
    for module in (tally, row_answers, scripted):
        module.time = CLOCK  # type: ignore[assignment]
    if asked.warm:
        _played(policy, asked, 0.0)
    instant, first = _played(policy, asked, 0.0)
    waiting, second = _played(policy, asked, asked.seconds)
    same = np.array_equal(first.tokens, second.tokens)
    again = read_again(first)
    turns = sum(len(path.spans) for path in first.trajectories or [])
    print(
        f"{len(first)} episodes, {turns} turns, {int(first.completion_mask.sum())} tokens sampled; equal: {same}"
    )
    print(f"tokens read: {first.read_tokens}, read again {again}: {first.read_tokens / again:.2f}")
    print(
        f"instant tools {instant:.2f} s, tools of {asked.seconds * 1000:.0f} ms {waiting:.2f} s: {waiting / instant:.2f}"
    )
    moved = waiting - second.stood_seconds
    print(
        f"of which all stood still for {second.stood_seconds:.2f} s: {waiting / moved:.2f} of the time without that"
    )


def read_again(rollout: Rollout) -> int:
    """Tokens that would be read if every turn read its whole conversation: prompts once a group for the first turn."""
    count = sum(len(prompt) for prompt in rollout.prompt_tokens)
    for row, path in enumerate(rollout.trajectories or []):
        prompt = len(rollout.prompt_tokens[row // rollout.group_size])
        count += sum(prompt + start for start, _ in path.spans[1:])
    return count


def _end_at_random(policy: Policy) -> None:
    """One token of so many ends a turn, so that turns are about as long as a call and its words."""
    size = policy.embedding_rows or 1024
    policy.stop_tokens = frozenset(range(7, size, TURN_TOKENS)) | policy.stop_tokens


def _played(policy: Policy, asked: argparse.Namespace, seconds: float) -> tuple[float, Rollout]:
    environment = Scripted(turns=asked.turns - 1, seconds=seconds)
    start = CLOCK.perf_counter()
    rollout = play(
        policy,
        environment,
        [
            {"prompt": f"What is {number} + 17? Use what you know, and say how you found it."}
            for number in range(asked.prompts)
        ],
        group_size=asked.group,
        sampling=SamplingConfig(
            max_completion_length=asked.turns * 4 * TURN_TOKENS, temperature=asked.temperature
        ),
        limits=EpisodeLimits(4 * TURN_TOKENS, waiting_share=asked.share),
        seeding=Seeding(1),
        plan=MemoryPlan(decode_rows=asked.rows),
    )
    return CLOCK.perf_counter() - start, rollout


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="starter")
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--temperature", type=float, default=1.5)
    parser.add_argument(
        "--warm", action="store_true", help="play once before, so that nothing is loaded meanwhile"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
