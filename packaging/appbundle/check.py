"""`packaging/check-app`: examines a built `Droid Tune.app` without a Mac."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from appbundle.checks import CHECKS, check
from appbundle.examined import Bundle, Fault
from appbundle.layout import bundle_folder

PROJECT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="check-app", description=__doc__)
    parser.add_argument("app", type=Path, nargs="?", default=bundle_folder(PROJECT / "dist", "macos"))
    options = parser.parse_args(arguments)
    if not options.app.is_dir():
        print(f"check-app: {options.app} does not exist; build it with packaging/build-app.", file=sys.stderr)
        return 2
    faults = check(options.app)
    print(report(options.app, faults))
    return 1 if faults else 0


def report(app: Path, faults: Sequence[Fault]) -> str:
    if faults:
        return "\n".join(
            [
                *(str(fault) for fault in faults),
                f"{app}: {len(faults)} {'fault' if len(faults) == 1 else 'faults'}",
            ]
        )
    return f"{app}: {len(CHECKS)} checks over {len(Bundle(app).macho_paths)} Mach-O files, no fault"
