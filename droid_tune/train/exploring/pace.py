"""How fast this machine samples for a session, and as much of a signal check as fits into its time."""

from __future__ import annotations

import time
from dataclasses import replace

from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.control import Watch
from droid_tune.data.order.batches import PromptBatches
from droid_tune.errors import UserError
from droid_tune.estimate.check_pace import Pace
from droid_tune.rollout.generate import generate
from droid_tune.train.rows.row_reader import readable
from droid_tune.train.training_session import TrainingSession

#: tokens of each completion that the pace is measured by; the first half compiles what the others use
PROBED = 8


def measured_pace(session: TrainingSession, backward: float) -> Pace | None:
    """From a few tokens of one rollout; None where nothing is sampled. `backward`: the update's share of a rollout's time.

    Raises UserError where no row can be read, and Stopped.
    """
    method, config = session.config.method, session.config
    if not isinstance(method, PolicyMethodConfig):
        return None
    rows = readable(
        session.train, range(min(len(session.train), config.training.batch_size)), session.reader.prompt
    )
    if not rows:
        raise UserError("None of the first rows can be read", place=config.data.path)
    times, start = list[float](), time.perf_counter()

    def stamp(_at: int, _most: int) -> None:
        times.append(time.perf_counter())

    generate(
        session.policy,
        [row.tokens for row in rows],
        group_size=method.group_size,
        sampling=config.sampling.model_copy(
            update={"max_completion_length": min(PROBED, config.sampling.max_completion_length)}
        ),
        seed=session.seed("pace"),
        plan=session.plan,
        watch=Watch(should_stop=session.stop_requested, token=stamp),
    )
    middle = len(times) // 2
    each = (times[-1] - times[middle]) / max(1, len(times) - 1 - middle)
    return Pace(len(rows) * method.group_size, times[0] - start, each, backward)


def fitted(session: TrainingSession, pace: Pace, prompts: int, seconds: float) -> tuple[TrainingSession, int]:
    """The session that samples fewer prompts at once, or shorter, so that `prompts` or fewer of them take `seconds`."""
    config, method = session.config, session.config.method
    assert isinstance(method, PolicyMethodConfig)
    tokens, group = config.sampling.max_completion_length, method.group_size
    sampled = max(1, pace.affordable_rows(prompts * group, tokens, seconds) // group)
    batch = min(sampled, config.training.batch_size)
    tokens = pace.affordable_tokens(sampled * group, tokens, seconds)
    if (batch, tokens) == (config.training.batch_size, config.sampling.max_completion_length):
        return session, sampled
    training = config.training.model_copy(update={"batch_size": batch})
    sampling = config.sampling.model_copy(update={"max_completion_length": tokens})
    batches = PromptBatches(session.train, batch, training.seed, shuffle=config.data.shuffle)
    smaller = config.model_copy(update={"training": training, "sampling": sampling})
    return replace(session, config=smaller, batches=batches), sampled
