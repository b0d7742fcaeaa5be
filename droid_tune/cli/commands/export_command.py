"""`droid-tune export`: take a run's result away, as an adapter or as a model of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from droid_tune.cli.output import say

HELP = "write a run's result into a folder that mlx-lm takes as it is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--fuse", action="store_true", help="a whole model with the adapter merged in")


def run(arguments: argparse.Namespace) -> int:
    """Prints the folder and, on stderr, the mlx_lm command that uses it. Raises UserError for an unknown run."""
    from droid_tune.export.result import export_run
    from droid_tune.paths import starter_model_dir
    from droid_tune.runs.folder import find_run, read_config

    folder = find_run(arguments.run)
    out = export_run(folder, arguments.out, fuse=arguments.fuse)
    named = read_config(folder).model.path
    model = starter_model_dir() if named == "starter" else named
    use = f"--model {out}" if arguments.fuse else f"--model {model} --adapter-path {out}"
    print(out)
    say(f"use it: mlx_lm.generate {use} --prompt '...'")
    return 0
