"""The door to the engine: train a run, or go on with one. Everything of MLX happens in the calling thread.

`emit` hears each event after it was written to the run's folder. The functions return the run's last event
and raise nothing: what goes wrong is an event too, with one plain sentence (and a traceback in the log).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.config import RunConfig, build
from droid_tune.control import Control
from droid_tune.errors import (
    DataChangedError,
    DiskError,
    FolderGoneError,
    Stopped,
    UserError,
    refused_by_system,
)
from droid_tune.events import RunFinished
from droid_tune.machine import garbage
from droid_tune.machine.device_faults import FRESH, device_fault, told
from droid_tune.machine.scratch import scratch_folder
from droid_tune.names import LAST
from droid_tune.runs.best import chosen_step
from droid_tune.runs.disk.durable import clear_unfinished
from droid_tune.runs.disk.live_runs import LiveListener
from droid_tune.runs.disk.lock import RunLock
from droid_tune.runs.folder import read_config
from droid_tune.tracking.tracked_listener import TrackedListener
from droid_tune.train.assignment import Assignment
from droid_tune.train.saving.journal import Journal, Listener, SilentJournal
from droid_tune.train.steering.portions import want_smaller

if TYPE_CHECKING:
    from droid_tune.train.distributed import World

log = logging.getLogger(__name__)


def run_training(config: RunConfig, run_dir: Path, control: Control, emit: Listener) -> RunFinished:
    """Train a run made by `create_run` from its first step (or from its newest checkpoint, if it has one)."""
    return _lead(Assignment(config, run_dir), control, emit)


def resume_training(
    run_dir: Path,
    control: Control,
    emit: Listener,
    further_steps: int | None = None,
    checkpoint: str = LAST,
) -> RunFinished:
    """Go on exactly where the run's newest good checkpoint stands: to its planned end, or `further_steps` on.

    `checkpoint` names an earlier one (`best`, or a step); what came after it is set aside in the run's folder.

    Further steps may go past the planned end, which then moves; a schedule that falls is stretched to it.
    """
    try:
        config = read_config(run_dir)
        chosen_step(run_dir, checkpoint)
    except UserError as error:
        return Journal(run_dir, emit).refuse(str(error))
    return _lead(Assignment(config, run_dir, further_steps, checkpoint), control, emit)


def follows() -> bool:
    """Whether `mlx.launch` started this process as another rank than the first."""
    return int(os.environ.get("MLX_RANK", "0")) > 0


def follow_training(control: Control) -> RunFinished:
    """What every rank but the first does of a run that `mlx.launch` started: it trains, and writes nothing.

    Config and checkpoint come from rank 0; the model and the data must be at the same place on every machine.
    """
    from droid_tune.train.distributed import join_world

    with scratch_folder() as folder:
        journal = SilentJournal(folder)
        try:
            world = join_world()
            return _ending(partial(_heard, folder), control, journal, world)
        except UserError as error:
            return journal.refuse(str(error))
        finally:
            release_memory()


def _lead(assignment: Assignment, control: Control, emit: Listener) -> RunFinished:
    """Lock, log, run, tidy up."""
    from droid_tune.train.distributed import join_world

    journal = Journal(assignment.folder, emit, assignment.config.training.iterations)
    try:
        tracked = TrackedListener(assignment.config, assignment.folder, emit)
        live = LiveListener(assignment.folder, tracked)
        journal.listen(live)
        with RunLock(journal.paths.lock) as lock, live, closing(tracked), journal:
            journal.lock = lock
            clear_unfinished(journal.paths.folder)
            if lock.caution:
                journal.notice("lock_without_system", f"{lock.caution}.")
            world = join_world()
            return journal.finish(_ending(partial(_told, assignment), control, journal, world))
    except UserError as error:
        return journal.refuse(str(error))
    except OSError as error:
        return journal.refuse(f"The run folder cannot be written: {error}.")
    except Exception as error:  # before the first look at the run's own settings
        return journal.refuse(_words(error, journal))
    finally:
        release_memory()


def _told(assignment: Assignment, world: World) -> Assignment:
    """Rank 0 tells the others what is to be done."""
    world.from_lead(
        {"config": assignment.config.model_dump(mode="json"), "further_steps": assignment.further_steps}
    )
    return assignment


def _heard(folder: Path, world: World) -> Assignment:
    """What rank 0 says is to be done, in a folder of this rank's own."""
    sent = world.from_lead(None)
    return Assignment(build(sent["config"]), folder, sent["further_steps"])


def _ending(
    assigned: Callable[[World], Assignment], control: Control, journal: Journal, world: World
) -> RunFinished:
    """Run, and put every way it can end into words, which all ranks hear."""
    from droid_tune.train.execution import execute

    try:
        result = execute(assigned(world), control, journal, world)
        world.meet()
    except Exception as error:
        why = _words(error, journal)
        world.leave(stopped=isinstance(error, Stopped), why=why)
        outcome = "stopped" if isinstance(error, Stopped) else "failed"
        if outcome == "failed" and journal.saved_step:
            then = "" if "resume" in why else ": mend it, then resume"
            why = f"{why} The steps up to {journal.saved_step:,} are saved{then}."
        return RunFinished(outcome=outcome, step=journal.step, why=why, outside=_lies_outside(error))
    return RunFinished(outcome="completed", step=journal.step, result=result)


def _lies_outside(error: Exception) -> bool:
    """Whether the run failed for what its settings have no part in."""
    return isinstance(error, DiskError | FolderGoneError | DataChangedError) or bool(refused_by_system(error))


def _words(error: Exception, journal: Journal) -> str:
    """One sentence; of what nobody foresaw the traceback is kept too."""
    match error:
        case Stopped():
            return str(error) or "Stopped on request."
        case UserError():
            return str(error)
        case _ if said := refused_by_system(error):
            log.exception("the system refused the run %s something", journal.paths.id)
            return said
        case _ if (fault := device_fault(error)) is not None:
            log.exception("the device failed the run %s", journal.paths.id)
            if fault.smaller:
                want_smaller(journal.paths.folder)
            return f"{told(error)} {_after_the_device(journal, smaller=fault.smaller)}"
        case _:
            log.exception("the run %s failed", journal.paths.id)
            return (
                f"Something unforeseen went wrong ({type(error).__name__}: {error}). The details are in "
                f"{journal.keep_traceback()}."
            )


def _after_the_device(journal: Journal, *, smaller: bool) -> str:
    """What is kept and how to go on: never from memory in which the device may have left anything."""
    kept = (
        f"Nothing that it computed after step {journal.saved_step:,} is kept"
        if journal.saved_step
        else "Nothing that it computed is kept"
    )
    portions = ", which then goes on in smaller portions" if smaller else ""
    return f"{kept}: {FRESH} the run{portions}."


def release_memory(*, going_on: bool = False) -> None:
    """Give the thread's MLX memory and streams back (without this a process may abort at exit).

    A thread that is `going_on` keeps its streams: it could not use MLX again, another model neither.
    """
    import mlx.core as mx

    garbage.collect()
    mx.synchronize()
    mx.clear_cache()
    clear_streams = getattr(mx, "clear_streams", None)
    # The main thread keeps its streams: it could not use MLX again, and they end with the process anyway.
    if (
        clear_streams is not None
        and not going_on
        and threading.current_thread() is not threading.main_thread()
    ):
        clear_streams()
