"""`droid-tune methods`: what can be trained with, and each method's own defaults."""

from __future__ import annotations

import argparse
from typing import Any

from droid_tune.cli.output import print_json, print_table

HELP = "list the training methods"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="with every setting, its bounds and default")


def run(arguments: argparse.Namespace) -> int:
    from droid_tune.config.methods import METHOD_CONFIGS

    if arguments.json:
        print_json([described(name) for name in METHOD_CONFIGS])
    else:
        print_table(
            ("METHOD", "", "WHAT IT DOES"),
            [(name, method.label, method.summary) for name, method in METHOD_CONFIGS.items()],
        )
    return 0


def described(name: str) -> dict[str, Any]:
    from droid_tune.config.methods import METHOD_CONFIGS

    method = METHOD_CONFIGS[name]
    return {
        "method": name,
        "label": method.label,
        "summary": method.summary,
        "learning_rate": method.default_learning_rate,
        "settings": method.model_json_schema()["properties"],
    }
