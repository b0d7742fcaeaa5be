"""`droid-tune export`: take a run's result away, as an adapter or as a model of its own, and look at it again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droid_tune import words
from droid_tune.cli.ending import STOPPED, stopping_gracefully
from droid_tune.cli.output import print_json, say
from droid_tune.cli.run_arguments import add_checkpoint_argument
from droid_tune.errors import UsageError
from droid_tune.paths import user_path

if TYPE_CHECKING:
    from droid_tune.config.exporting import ExportRequest
    from droid_tune.export.result import Exported

HELP = "write a run's result for other programs, and check that it answers as the run's model does"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Imports the lists that it offers only here: the help of all commands does without."""
    from droid_tune.config.exporting import CHECK_ROWS, TARGETS, WEIGHT_TYPES

    parser.add_argument("run", metavar="RUN", help="its id, the beginning of it, or its folder")
    parser.add_argument(
        "--out",
        type=user_path,
        metavar="DIR",
        help="a new or empty folder; --to lmstudio knows its own place",
    )
    parser.add_argument(
        "--to", choices=tuple(TARGETS), metavar="TARGET", help=f"{', '.join(TARGETS)}; adapter unless said"
    )
    parser.add_argument("--fuse", action="store_true", help="the same as --to fused")
    add_checkpoint_argument(parser, "which weights to export")
    types = parser.add_mutually_exclusive_group()
    types.add_argument(
        "--quantise",
        choices=WEIGHT_TYPES,
        metavar="TYPE",
        help=f"the weights' type: {', '.join(WEIGHT_TYPES)}",
    )
    types.add_argument("--dequantise", action="store_true", help="no layer quantised: --quantise none")
    types.add_argument(
        "--requantise",
        action="store_true",
        help="trained layers get the bits of a quantised base; smaller, but part of what was learnt is lost (it says how much)",
    )
    parser.add_argument(
        "--check",
        type=int,
        default=CHECK_ROWS,
        metavar="N",
        help=f"held-out rows to compare it with the run's model on; {CHECK_ROWS} unless said, 0: none",
    )
    parser.add_argument("--repository", metavar="OWNER/NAME", help="of --to hub: where it is uploaded to")
    parser.add_argument("--public", action="store_true", help="of --to hub: everyone may see it")
    parser.add_argument("--yes", action="store_true", help="of --to hub: upload the files without asking")
    parser.add_argument("--force", action="store_true", help="keep it although the comparison refuses it")
    parser.add_argument("--json", action="store_true", help="what was written and how it compares, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prints the folder and, on stderr, how it compares and how it is used. Raises UserError, UsageError."""
    from droid_tune.control import Control, Watch
    from droid_tune.errors import Stopped
    from droid_tune.export.result import export_run
    from droid_tune.runs.folder import find_run

    folder, control = find_run(arguments.run), Control()
    request, watch = request_of(arguments, folder), Watch(_teller(), control.stop_requested)
    try:
        with stopping_gracefully(control, "nothing is kept"):
            exported = export_run(folder, request, watch)
    except Stopped:
        say("stopped; nothing was kept")
        return STOPPED
    if arguments.json:
        print_json(as_json(exported, request))
    else:
        print(exported.folder)
        for sentence in exported.sentences:
            say(sentence)
    return _upload(arguments, exported.folder) if request.target == "hub" else 0


def _upload(arguments: argparse.Namespace, folder: Path) -> int:
    """Ask, with the list of the files, and upload them; without a yes nothing leaves this machine."""
    from droid_tune.control import Control, Watch
    from droid_tune.errors import Stopped
    from droid_tune.export.targets.hub_repository import upload
    from droid_tune.model_files.ready_folder import files_to_upload

    files = files_to_upload(folder)
    for file in files:
        say(f"  {file.name}  {words.size(file.bytes)}")
    seen = "everyone may see it" if arguments.public else "private"
    asked = f"Upload these {words.count(len(files), 'file')} to {arguments.repository} ({seen})?"
    if not (arguments.yes or _agreed(asked)):
        say("nothing was uploaded; the folder is kept")
        return 0
    control = Control()
    watch = Watch(_teller(), control.stop_requested)
    try:
        with stopping_gracefully(control, "the folder is kept"):
            address = upload(folder, arguments.repository, public=arguments.public, watch=watch)
    except Stopped:
        say("stopped; the folder is kept, and the same command goes on with it")
        return STOPPED
    say(f"uploaded: {address}")
    return 0


def _agreed(question: str) -> bool:
    """Whether a person at a terminal says yes; a pipe says no."""
    say(f"{question} [y/N]")
    return sys.stdin.isatty() and sys.stdin.readline().strip().lower() in ("y", "yes")


def request_of(arguments: argparse.Namespace, run: Path) -> ExportRequest:
    """What the words ask for. Raises UsageError where they contradict each other."""
    from droid_tune.config.exporting import TARGETS, ExportRequest, usual_place
    from droid_tune.runs.folder import read_config, run_name, slug

    if arguments.check < 0:
        raise UsageError("`--check` counts rows: 0 or more", value=arguments.check)
    if arguments.fuse and arguments.to not in (None, "fused"):
        raise UsageError("`--fuse` is `--to fused`", value=arguments.to, remedy="leave one of the two")
    target = "fused" if arguments.fuse else arguments.to or "adapter"
    if arguments.requantise and not TARGETS[target].requantises:
        fitting = ", ".join(name for name, facts in TARGETS.items() if facts.requantises)
        raise UsageError(
            "`--requantise` is not for this target", value=target, remedy=f"it goes with {fitting}"
        )
    _check_repository(arguments, target)
    if arguments.out is None and target != "lmstudio":
        raise UsageError("`--out DIR` is missing", remedy="name a new or empty folder")
    name = slug(run_name(read_config(run)))
    return ExportRequest(
        target=target,
        out=arguments.out or usual_place(target, name),
        checkpoint=arguments.checkpoint,
        weights="none" if arguments.dequantise else arguments.quantise,
        requantise=arguments.requantise,
        check=arguments.check,
        force=arguments.force,
    )


def _check_repository(arguments: argparse.Namespace, target: str) -> None:
    """Before the work, not behind it. Raises UsageError."""
    from droid_tune.model_files.hub import is_hub_id

    if target != "hub":
        for name in ("repository", "public", "yes"):
            if getattr(arguments, name):
                raise UsageError(
                    f"`--{name}` goes with `--to hub`", value=target, remedy="add it, or leave both"
                )
    elif not arguments.repository:
        raise UsageError("`--to hub` needs `--repository OWNER/NAME`", remedy="add it")
    elif not is_hub_id(arguments.repository):
        raise UsageError(
            "the Hub's repositories are called owner/name", value=arguments.repository, place="--repository"
        )


def as_json(exported: Exported, request: ExportRequest) -> dict[str, Any]:
    """The same for programs."""
    return {
        "folder": str(exported.folder),
        "target": request.target,
        "weights": request.type,
        "step": exported.step,
        "notes": list(exported.notes),
        "use": exported.use,
        "check": None if exported.compared is None else exported.compared.to_json(),
    }


def _teller() -> Callable[[int, int, str], None]:
    """Says what goes on once for each thing, however often its progress is told."""
    said = ""

    def tell(_done: int, _total: int, what: str) -> None:
        nonlocal said
        if what not in ("", said):
            said = what
            say(f"{what} ...")

    return tell
