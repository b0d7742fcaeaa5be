"""`droid-tune export`: take a run's result away, as an adapter or as a model of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from droid_tune.cli.output import say
from droid_tune.errors import UsageError

HELP = "write a run's result into a folder that mlx-lm takes as it is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--fuse", action="store_true", help="a whole model with the adapter merged in")
    parser.add_argument(
        "--requantise",
        action="store_true",
        help="with --fuse: keep the bits of a quantised base; smaller, but part of what was learnt is lost (it says how much)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints the folder and, on stderr, the mlx_lm command that uses it. Raises UserError for an unknown run."""
    from droid_tune.export.result import export_run
    from droid_tune.paths import starter_model_dir
    from droid_tune.runs.folder import find_run, read_config

    folder = find_run(arguments.run)
    if arguments.requantise and not arguments.fuse:
        raise UsageError(
            "`--requantise` goes with `--fuse`", remedy="add it, or leave both for the adapter alone"
        )
    exported = export_run(folder, arguments.out, fuse=arguments.fuse, requantise=arguments.requantise)
    out = exported.folder
    named = read_config(folder).model.path
    model = starter_model_dir() if named == "starter" else named
    use = f"--model {out}" if arguments.fuse else f"--model {model} --adapter-path {out}"
    print(out)
    if exported.step is not None:
        say(f"the weights of step {exported.step:,}")
    if exported.note:
        say(exported.note)
    say(f"use it: mlx_lm.generate {use} --prompt '...'")
    return 0
