"""`droid-tune train`: a new run, watched in the terminal."""

from __future__ import annotations

import argparse
from functools import partial

from droid_tune.cli.output import say
from droid_tune.cli.run_arguments import add_driving_arguments, add_run_arguments, asked_config
from droid_tune.paths import user_path

HELP = "train a model; by default the starter model on the sample data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "--out", type=user_path, metavar="DIR", help="the run's folder; by default a new one in the list"
    )
    parser.add_argument(
        "--steered-as",
        metavar="RUN",
        help="make the changes that were made to this run while it trained, at the same steps",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, print the config, train nothing"
    )
    add_driving_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 completed, 1 failed, 130 stopped. Raises UserError for what is wrong before a run is made."""
    from droid_tune.cli.preparation import check_model, check_trackers, open_data
    from droid_tune.config import dump_yaml

    config = asked_config(arguments)
    check_model(config)
    check_trackers(config)
    dataset = open_data(config)
    if arguments.dry_run:
        from droid_tune.cli.dry_run import rehearse

        rehearse(config, dataset)
        print(dump_yaml(config), end="")
        return 0
    from droid_tune.cli.driving import drive_in, follow
    from droid_tune.runs.folder import create_run, find_run
    from droid_tune.runs.steering import copy_changes
    from droid_tune.train.engine import follows, run_training
    from droid_tune.train.engine_child import train_apart

    if follows():
        return follow()
    steered_as = find_run(arguments.steered_as) if arguments.steered_as else None
    folder = create_run(config, arguments.out)
    if steered_as is not None:
        copy_changes(steered_as, folder)
    say(f"run {folder.name} in {folder}")
    return drive_in(
        folder,
        partial(train_apart, folder) if arguments.separate_process else partial(run_training, config, folder),
        as_events=arguments.events,
        stop_after=arguments.stop_after,
    )
