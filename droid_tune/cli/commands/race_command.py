"""`droid-tune race`: settings against each other; after each rung the better half goes on from where it stands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from droid_tune import words
from droid_tune.cli.consent import ask_about_run
from droid_tune.cli.ending import STOPPED, stopping_gracefully
from droid_tune.cli.output import amount, print_json, print_table, say
from droid_tune.cli.run_arguments import add_run_arguments, asked_config, positive
from droid_tune.errors import Stopped, UsageError

if TYPE_CHECKING:
    from droid_tune.config import RunConfig
    from droid_tune.control import Control
    from droid_tune.events import Event, RunFinished
    from droid_tune.race.course import Placed, Raced
    from droid_tune.race.ladder import Ladder
    from droid_tune.race.race_file import Race, Runner

HELP = "find a setting: try several, let the better half of them go on, again and again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    race = parser.add_argument_group("the race")
    race.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=V,V,...",
        help="the values of a setting, e.g. learning_rate=1e-5,3e-5,1e-4; given twice, all combinations run",
    )
    race.add_argument(
        "--rungs", type=positive, default=3, metavar="N", help="how often the runs are compared (3)"
    )
    race.add_argument("--resume", metavar="RACE", help="go on with a race that was stopped or cut off")
    race.add_argument("--dry-run", action="store_true", help="say what it would take, train nothing")
    race.add_argument("--json", action="store_true", help="the outcome as one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 with a winner, 1 where every run failed or the disk halts the race, 130 stopped. Raises UserError, UsageError."""
    from droid_tune.race.race_file import create_race, read_race

    if arguments.resume:
        race = read_race(arguments.resume)
        for one in race.runners:
            ask_about_run(one.folder, one.config(), trusted=arguments.trust)
    else:
        config, found, ladder = planned(arguments)
        climbing = " -> ".join(str(count) for count in ladder.climbing(len(found)))
        share = ladder.steps(len(found)) / (len(found) * ladder.ends[-1])
        say(
            f"{climbing} runs to step {', '.join(f'{end:,}' for end in ladder.ends)}: {words.share(share)} of the grid's steps"
        )
        if arguments.dry_run:
            return 0
        race = create_race(config, found, ladder)
    say(f"race {race.id}")
    try:
        raced = conducted(race, quiet=arguments.json)
    except Stopped:
        say(f"go on:  droid-tune race --resume {race.id}")
        return STOPPED
    if arguments.json:
        print_json(described_race(race, raced))
    else:
        print_race(race, raced)
    return 0


def planned(arguments: argparse.Namespace) -> tuple[RunConfig, dict[str, RunConfig], Ladder]:
    """The settings and the rungs, checked as `train` checks a run."""
    from droid_tune.cli.preparation import check_model, check_trackers, open_data
    from droid_tune.race.ladder import ladder_of
    from droid_tune.race.race_file import variants

    config = asked_config(arguments)
    found = variants(config, arguments.vary)
    evaluation = config.evaluation
    ladder = ladder_of(config.training.iterations, arguments.rungs, evaluation.steps_per_eval)
    if not evaluation.rows:
        raise UsageError(
            "a race compares held-out answers, and `evaluation.rows` is 0", place="evaluation.rows"
        )
    check_model(config)
    check_trackers(config)
    if not len(open_data(config).valid):
        raise UsageError(
            "a race compares held-out answers, and the data has no rows for validation",
            place=config.data.path,
            remedy="add a valid.jsonl, or hold rows out on the Data pane",
        )
    return config, found, ladder


def conducted(race: Race, *, quiet: bool) -> Raced:
    """The race in this terminal. Raises Stopped, UserError."""
    from droid_tune.control import Control
    from droid_tune.race.course import run_race

    control = Control()
    with stopping_gracefully(control):
        return run_race(race, RaceTrainer(race, control, quiet))


class RaceTrainer:
    """One run of a race on, watched as `train` watches a run."""

    def __init__(self, race: Race, control: Control, quiet: bool) -> None:
        self._race, self._control, self._quiet = race, control, quiet

    def __call__(self, runner: Runner, rung: int, further_steps: int) -> RunFinished:
        """Go on exactly from its newest checkpoint. Raises Stopped where the race was to halt before."""
        from contextlib import nullcontext

        from droid_tune.cli.driving import Audience
        from droid_tune.cli.live_table import listener
        from droid_tune.train.engine import resume_training

        if self._control.stop_requested():
            raise Stopped
        say(f"rung {rung + 1} of {len(self._race.ends)}, to step {self._race.ends[rung]:,}: {runner.label}")
        with nullcontext() if self._quiet else listener() as out:
            hear = unheard if out is None else Audience(out, self._control).apply
            return resume_training(runner.folder, self._control, hear, further_steps)


def unheard(event: Event) -> None:
    """Nobody looks on."""


def print_race(race: Race, raced: Raced) -> None:
    """The runs from best to worst, and what to do with the best."""
    print_table(
        ("SETTING", "RUNG", "STEP", "ACCURACY", "REWARD", "RUN"),
        [_row(race, one) for one in raced.placed],
        right=(1, 2, 3, 4),
    )
    for one in raced.placed:
        if one.why:
            say(f"{one.runner.label} failed: {one.why}")
    grid = len(race.runners) * race.ends[-1]
    say(f"{raced.steps:,} of the grid's {grid:,} steps ({words.share(raced.steps / grid)})")
    further = f"(droid-tune resume {raced.winner.folder.name} --steps N trains it further)"
    if len(raced.equals) > 1:
        names = " and ".join(one.label for one in raced.equals)
        say(
            f"no best: {names} came out equal; more held-out rows or steps would tell. The first is taken {further}"
        )
        return
    say(f"best: {raced.winner.label} {further}")


def _row(race: Race, one: Placed) -> tuple[str, ...]:
    accuracy, reward, *_ = one.standing or (None, None)
    step = f"{race.ends[one.rung]:,}" if one.standing else "failed"
    return (
        one.runner.label,
        str(one.rung + 1),
        step,
        amount(accuracy, "share"),
        amount(reward),
        one.runner.folder.name,
    )


def described_race(race: Race, raced: Raced) -> dict[str, Any]:
    """The outcome for programs, from best to worst."""
    grid = len(race.runners) * race.ends[-1]
    return {
        "race": race.id,
        "rungs": list(race.ends),
        "steps": raced.steps,
        "grid_steps": grid,
        "winner": raced.winner.label,
        "equals": [one.label for one in raced.equals],
        "runs": [
            {
                "setting": one.runner.label,
                "run": one.runner.folder.name,
                "folder": one.runner.run,
                "rung": one.rung + 1,
                "step": race.ends[one.rung],
                "accuracy": one.standing[0] if one.standing else None,
                "reward": one.standing[1] if one.standing else None,
                "why": one.why,
            }
            for one in raced.placed
        ],
    }
