"""From the words on the command line to an exit code."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol, cast

from droid_tune import __version__
from droid_tune.cli.ending import DONE, FAILED, STOPPED, WRONG_USAGE, unwinding, written_out
from droid_tune.cli.output import say, silence
from droid_tune.errors import UsageError, UserError, missing_package, refused_by_system

#: Name of a subcommand -> the module that holds it. One file and one line here add a subcommand.
COMMANDS = {
    "open": "droid_tune.cli.commands.open_command",
    "train": "droid_tune.cli.commands.train_command",
    "resume": "droid_tune.cli.commands.resume_command",
    "queue": "droid_tune.cli.commands.queue_command",
    "steer": "droid_tune.cli.commands.steer_command",
    "race": "droid_tune.cli.commands.race_command",
    "rollouts": "droid_tune.cli.commands.rollouts_command",
    "pairs": "droid_tune.cli.commands.pairs_command",
    "report": "droid_tune.cli.commands.report_command",
    "mcp": "droid_tune.cli.commands.mcp_command",
    "runs": "droid_tune.cli.commands.runs_command",
    "validate": "droid_tune.cli.commands.validate_command",
    "show": "droid_tune.cli.commands.show_command",
    "convert": "droid_tune.cli.commands.convert_command",
    "sample-data": "droid_tune.cli.commands.sample_data_command",
    "methods": "droid_tune.cli.commands.methods_command",
    "estimate": "droid_tune.cli.commands.estimate_command",
    "check": "droid_tune.cli.commands.check_command",
    "play": "droid_tune.cli.commands.play_command",
    "generate": "droid_tune.cli.commands.generate_command",
    "export": "droid_tune.cli.commands.export_command",
    "test-reward": "droid_tune.cli.commands.reward_command",
}


class Command(Protocol):
    """What a subcommand's module holds. Importing it must be cheap: the engine is imported inside `run`."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


class Parser(argparse.ArgumentParser):
    """argparse, but a wrong word is answered with one sentence rather than a page."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError where argparse would print and leave the process."""
        raise UsageError(message, remedy=f"`{self.prog} --help` shows what is possible")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped (by whatever signal)."""
    # Before MLX starts Metal: long kernels must not be taken for hangs.
    os.environ.setdefault("AGX_RELAX_CDM_CTXSTORE_TIMEOUT", "1")
    # Python passes over a folder that is none, MLX does not. (Path.is_dir raises where it may not look.)
    if not os.path.isdir(os.environ.get("TMPDIR", "/")):  # noqa: PTH112
        del os.environ["TMPDIR"]
    open_missing_streams()
    with unwinding():
        try:
            return outcome(list(sys.argv[1:] if argv is None else argv))
        except KeyboardInterrupt:
            return complain("stopped before it was done", STOPPED)


def outcome(words: list[str]) -> int:
    """The exit code of a command, its fault said in one sentence. Raises SystemExit behind a help text."""
    try:
        return written_out(run(words))
    except UsageError as error:
        return complain(error, WRONG_USAGE)
    except UserError as error:
        return complain(error, FAILED)
    except (RuntimeError, MemoryError) as error:
        from droid_tune.machine.device_faults import told

        if not (said := told(error)):
            raise
        return complain(said, FAILED)
    except ImportError as error:
        if not (said := missing_package(error)):
            raise
        return complain(said, FAILED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nobody is left to tell.
        silence(sys.stdout)
        return STOPPED
    except OSError as error:
        if not (said := refused_by_system(error) or folder_is_gone()):
            raise
        return complain(said, FAILED)


def open_missing_streams() -> None:
    """Streams that the caller has closed (`>&-`) lead nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def folder_is_gone() -> str:
    """What to say where the working folder was removed under the terminal, which libraries take badly; else empty."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return "The folder that this was started in is gone; change to another one and try again."
    return ""


def run(words: list[str]) -> int:
    """Parses the words and runs their command, `open` where none is named. Raises UserError, UsageError."""
    if not words or words[0] not in (*COMMANDS, "-h", "--help", "--version"):
        words = ["open", *words]
    try:
        arguments = parser(words[0]).parse_args(words)
    except SystemExit as left:  # a help text was printed
        raise SystemExit(written_out(int(left.code or DONE))) from None
    return command(arguments.command).run(arguments)


def parser(only: str = "") -> argparse.ArgumentParser:
    """The whole parser; with `only` the name of a command just its own arguments are read in."""
    whole = Parser(
        prog="droid-tune",
        usage="droid-tune [FOLDER] | droid-tune COMMAND ...",
        description="Fine-tune language models on your own Mac. Without a command it opens the application.",
    )
    whole.add_argument("--version", action="version", version=f"droid-tune {__version__}")
    commands = whole.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", parser_class=Parser, prog="droid-tune"
    )
    for name in COMMANDS:
        module = command(name)
        one = commands.add_parser(name, help=module.HELP, description=module.HELP)
        if name == only:
            module.add_arguments(one)
    return whole


def command(name: str) -> Command:
    """The module of a command, imported only now. Raises KeyError for an unknown name."""
    return cast(Command, import_module(COMMANDS[name]))


def nearest_command(word: str) -> str:
    """The command that a mistyped word may have meant, or ""."""
    return next(iter(difflib.get_close_matches(word, COMMANDS, n=1)), "")


def complain(said: object, code: int) -> int:
    """Says what went wrong on stderr; returns `code`. What was printed before comes out first, as far as it is taken."""
    with contextlib.suppress(OSError):
        written_out(code)
    say(f"droid-tune: {said}")
    return code
