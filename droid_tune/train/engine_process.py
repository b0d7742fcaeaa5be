"""The engine in a process of its own: events as lines on stdout, wishes as lines on stdin (`engine_child`).

A parent that is gone hangs up, and the run is saved and ends as if it had been asked to stop.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import IO, Any

from droid_tune.control import Control
from droid_tune.events import Event, to_line


def obey(wishes: IO[bytes], control: Control) -> None:
    """Pass each wish on until the parent hangs up, which is a wish to stop."""
    for line in wishes:
        match line.decode(errors="replace").strip():
            case "stop":
                control.request_stop()
            case "stop_now":
                control.stop_now()
            case "pause":
                control.request_pause()
            case "go_on":
                control.resume()
            case _:
                pass
    control.request_stop()


def main() -> None:
    """Train the run of the last argument (JSON: folder, further_steps, checkpoint, attended)."""
    from droid_tune.train.engine import resume_training

    wanted: dict[str, Any] = json.loads(sys.argv[-1])
    # What a library prints goes to the log; the line to the parent is ours alone.
    line = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    control = Control(attended=wanted["attended"])
    threading.Thread(target=obey, args=(sys.stdin.buffer, control), name="wishes", daemon=True).start()

    def emit(event: Event) -> None:
        try:
            line.write(to_line(event).encode() + b"\n")
        except OSError:  # the parent is gone
            control.request_stop()

    resume_training(Path(wanted["folder"]), control, emit, wanted["further_steps"], wanted["checkpoint"])
    line.close()


if __name__ == "__main__":
    main()
