"""`droid-tune train --dry-run`: everything that can be known before a run, said; nothing is trained or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.commands.estimate_command import time_in_words, verdict_in_words
from droid_tune.cli.output import say
from droid_tune.errors import UserError

if TYPE_CHECKING:
    from droid_tune.config import RunConfig
    from droid_tune.data.dataset import Dataset, Rows

#: rows whose prompt is rendered, and on which the rewards are tried
RENDERED_ROWS, TRIED_ROWS = 8, 4


def rehearse(config: RunConfig, dataset: Dataset) -> None:
    """Render rows, try the rewards, estimate memory and time. Raises UserError where a run would fail."""
    check_template(config, dataset.train)
    if config.samples:
        check_rewards(config, dataset.train)
    say_estimate(config, dataset)


def check_template(config: RunConfig, rows: Rows) -> None:
    """The first rows through the model's own chat template; a run leaves out those that it refuses. Raises UserError where
    it refuses them all."""
    from droid_tune.data.lens import Lens
    from droid_tune.model.loading import load_model_tokenizer
    from droid_tune.model_files.hub import resolve_model

    lens = Lens.of(config, load_model_tokenizer(resolve_model(config.model.path, config.model.revision)))
    lengths: list[int] = []
    refused: list[str] = []
    for number in range(min(len(rows), RENDERED_ROWS)):
        try:
            lengths.append(lens.measure(rows.row(number)).longest)
        except UserError as error:
            refused.append(f"{rows.place(number)}: {error}")
    looked_at = words.count(len(lengths) + len(refused), "row")
    if refused and not lengths:
        raise UserError(f"None of the first {looked_at} can be used; {refused[0]}")
    say(
        f"template: the first {looked_at} rendered, the longest to {words.count(max(lengths, default=0), 'token')}"
    )
    if refused:
        say(f"{len(refused)} of them will be left out; the first is {refused[0]}")


def check_rewards(config: RunConfig, rows: Rows) -> None:
    """Every reward on a few rows' own answers and on other rows'. Raises UserError where one fails."""
    from droid_tune.rewards.table import build_rewards
    from droid_tune.rewards.trials.trial import try_rewards
    from droid_tune.rewards.trials.tries import Menu

    length = config.sampling.max_completion_length
    with build_rewards(config.rewards, max_completion_length=length) as rewards:
        trial = try_rewards(rewards, rows[:100], Menu(broken=False), TRIED_ROWS)
    failures = [sentence for one in trial.tries for sentence in one.failures]
    if failures:
        raise UserError(
            f"A reward fails: {failures[0]}", remedy="`droid-tune test-reward` shows every try of it"
        )
    said = " ".join((trial.verdict.text, *trial.notes))
    say(f"rewards: {len(trial.tries)} tries. {said}")


def say_estimate(config: RunConfig, dataset: Dataset) -> None:
    """Verdict, time, and what would help."""
    from droid_tune.estimate.estimate import estimate
    from droid_tune.estimate.lengths import measure

    found = estimate(config, measure(dataset, config))
    say(verdict_in_words(found))
    if found.known:
        say(time_in_words(found))
    for suggestion in found.suggestions:
        say(f"  --set {suggestion.change}  ({suggestion.why})")
    for note in found.notes:
        say(note)
