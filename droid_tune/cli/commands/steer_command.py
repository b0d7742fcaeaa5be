"""`droid-tune steer`: change a run while it trains, from another terminal."""

from __future__ import annotations

import argparse

from droid_tune.cli.output import say
from droid_tune.cli.run_arguments import positive

HELP = "change a run while it trains: learning rate, beta, temperature, stop at a step, save or evaluate now"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument(
        "wishes",
        metavar="CHANGE",
        nargs="+",
        help="learning_rate=1e-5, beta=0.02, temperature=0.8, stop_at=120, patience=3, steps_per_eval=20, save_every=20, "
        "save or evaluate",
    )
    parser.add_argument(
        "--at", type=positive, metavar="STEP", help="not before this many steps are done; by default now"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 once the wish is written where the run looks between two steps. Raises UsageError, UserError."""
    from droid_tune.runs.folder import find_run, read_config, summarise
    from droid_tune.runs.steering import parse_wishes, send, steered

    folder = find_run(arguments.run)
    wishes = parse_wishes(arguments.wishes, arguments.at)
    for one in wishes:
        steered(read_config(folder), one.settings)
    send(folder, wishes)
    when = f"once step {arguments.at:,} is done" if arguments.at else "before the next step"
    if summarise(folder).state != "running":
        when = "when the run is resumed"
    say(f"{folder.name} follows {when}")
    return 0
