"""`droid-tune methods`: what can be trained with; `droid-tune methods NAME`: what it is, when to use it, its settings."""

from __future__ import annotations

import argparse
import difflib
from typing import Any

from droid_tune.cli.output import console, print_json, print_table
from droid_tune.errors import UsageError

HELP = "list the training methods, or explain one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="explain this method")
    parser.add_argument("--json", action="store_true", help="with every setting, its bounds and default")


def run(arguments: argparse.Namespace) -> int:
    """All methods as a table, or one with its help page; with `--json` their settings as JSON schema."""
    from droid_tune.config.recipes.method_table import METHODS

    names = list(METHODS) if arguments.name is None else [known(arguments.name)]
    if arguments.json:
        listed = [described(name) for name in names]
        print_json(listed if arguments.name is None else listed[0])
    elif arguments.name is None:
        print_table(
            ("METHOD", "", "WHAT IT DOES"),
            [(name, method.label, method.summary) for name, method in METHODS.items()],
        )
    else:
        explain(names[0])
    return 0


def known(name: str) -> str:
    """A method by its name, its label or nearly so. Raises UsageError."""
    from droid_tune.config.recipes.method_table import METHODS

    plain = name.lower().replace("-", "_").replace(". ", "_").replace(" ", "_")
    if plain in METHODS:
        return plain
    near = difflib.get_close_matches(plain, METHODS, n=1, cutoff=0.5)
    remedy = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(METHODS)}"
    raise UsageError(f"there is no method `{name}`", remedy=remedy)


def explain(name: str) -> None:
    """The method's page, then its settings with their defaults; those under advanced come last."""
    from rich.markdown import Markdown

    from droid_tune.config.recipes.method_table import METHODS

    out = console()
    out.print(Markdown(METHODS[name].help_text()), width=min(out.width, 100))
    out.print()
    settings = described(name)["settings"]
    common = {key: setting for key, setting in settings.items() if key != "type"}
    ordered = sorted(common, key=lambda key: bool(common[key].get("advanced")))
    print_table(
        ("SETTING", "DEFAULT", "WHAT IT DOES"),
        [(key, shown(common[key].get("default")), common[key].get("description", "")) for key in ordered],
    )


def shown(value: Any) -> str:
    """A default as one would write it after `--set name=`."""
    if isinstance(value, bool):
        return str(value).lower()
    return "empty" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def described(name: str) -> dict[str, Any]:
    """One method for programs; `settings` is the `properties` of its JSON schema."""
    from droid_tune.config.recipes.method_table import METHODS

    method = METHODS[name]
    return {
        "method": name,
        "label": method.label,
        "summary": method.summary,
        "learning_rate": method.config.default_learning_rate,
        "help": method.help_text(),
        "settings": method.config.model_json_schema()["properties"],
    }
