"""Take a run's result away, and look at what was written before it is kept."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.config.exporting import ExportRequest
from droid_tune.control import UNWATCHED, Watch
from droid_tune.errors import UsageError, UserError
from droid_tune.machine import garbage
from droid_tune.machine.scratch import claimed
from droid_tune.model_files.base_digest import change_since
from droid_tune.paths import RunPaths
from droid_tune.runs.disk.durable import cause_of, disk_error, require_space
from droid_tune.runs.folder import read_config

if TYPE_CHECKING:
    from droid_tune.export.base import ExportSource, Target
    from droid_tune.export.checking.comparison import Compared
    from droid_tune.model.policy import Policy
    from droid_tune.train.saving.weights import RunWeights


@dataclass(frozen=True)
class Exported:
    """Where a run's weights after `step` updates were written, what a person should know, how it is used, and how it
    compares with the run's own model (None: not looked at).

    `step` is None for a folder whose log does not say it.
    """

    folder: Path
    step: int | None
    notes: tuple[str, ...] = ()
    use: str = ""
    compared: Compared | None = None

    @property
    def sentences(self) -> list[str]:
        """What a person hears of it."""
        said = [] if self.step is None else [f"These are the weights of step {self.step:,}."]
        said += self.notes
        if self.compared is not None:
            said += self.compared.sentences
            said += [f"It is kept although {fault}." for fault in self.compared.faults]
        return [*said, *([f"Use it: {self.use}"] if self.use else [])]


def export_run(run_dir: Path, request: ExportRequest, watch: Watch = UNWATCHED) -> Exported:
    """Write the run's result as `request` says, into a new or empty folder.

    It is opened again and compared with the run's own model; what does not answer alike is refused unless forced. A run
    that was stopped gives what its newest checkpoint holds. Raises UserError where there is nothing to export, where the
    target cannot hold it, where the folder cannot be written or is not empty (a folder for the Hub that was made just so
    is taken as it is), and where the comparison fails; `Stopped` where `watch` ends it. Nothing half-written stays.
    """
    from droid_tune.export.table import writer_for
    from droid_tune.train.saving.weights import weights_of

    target = writer_for(read_config(run_dir), request.target)
    step = weights_of(run_dir, request.checkpoint).step
    if target.was_written(run_dir, request, step):
        return Exported(request.out, step, ("It was written before, and stands as it was.",))
    _check_request(request)
    watch.tell(0, 4, "loading the run's model")
    source = _source(run_dir, request)
    target.refuse(source, request)
    with export_folder(request.out) as partial:
        require_space(partial.parent, target.bytes_needed(source, request), "the export", "export again")
        exported = _written(target, source, request, partial, watch)
    return replace(exported, notes=(*exported.notes, *target.finish(source, request.out, watch)))


def _check_request(request: ExportRequest) -> None:
    if request.type not in request.facts.types:
        raise UsageError(
            f"`{request.target}` is not written in this type",
            value=request.type,
            place="--quantise",
            remedy=f"it can be {', '.join(request.facts.types)}",
        )
    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise UserError(f"The folder {request.out} is not empty", remedy="choose a new one")


def _source(run_dir: Path, request: ExportRequest) -> ExportSource:
    from droid_tune.export.base import ExportSource
    from droid_tune.train.saving.weights import weights_of

    weights = weights_of(run_dir, request.checkpoint)
    source = ExportSource(run_dir, read_config(run_dir), weights, trained_policy(run_dir, weights))
    change = change_since(RunPaths(run_dir).base_digests, source.policy.path)
    if change and not request.force:
        raise UserError(
            f"The model that the run was trained on has changed since: {change}",
            place=str(source.policy.path),
            remedy="put it back as it was; `--force` exports with it as it is",
        )
    return source


def _written(
    target: Target, source: ExportSource, request: ExportRequest, folder: Path, watch: Watch
) -> Exported:
    """Ask the run's model, write, ask what was written."""
    from droid_tune.export.checking.check_written import Checking

    lossless = target.is_lossless(source, request)
    watch.tell(1, 4, "asking the run's model")
    checking = Checking.of(source, request.check, watch) if request.check and target.answers else None
    watch.tell(2, 4, "writing")
    use, step, base = target.how_to_use(source, request.out), source.weights.step, source.policy.path
    notes = target.write(source, request, folder, watch)
    notes = [*notes, *(target.learnt_prompt(source, folder) if target.answers else [])]
    compared = None
    if checking is not None:
        _let_go(source)
        watch.tell(3, 4, "opening what was written")
        compared = checking.compared(target, base, folder, watch, same_precision=lossless)
        if compared.faults and not request.force:
            raise UserError(
                f"What was written does not answer as the run's model does: {'; '.join(compared.faults)}",
                remedy="nothing was kept; `--force` keeps it all the same",
            )
    watch.tell(4, 4)
    return Exported(request.out, step, tuple(notes), use, compared)


def _let_go(source: ExportSource) -> None:
    """Give the run's model back before another is opened: there may be room for one only."""
    import mlx.core as mx

    source.policy.model.clear()
    garbage.collect()
    mx.clear_cache()


@contextmanager
def export_folder(out: Path) -> Generator[Path]:
    """A folder beside `out` that becomes it at the end, or goes where that does not come. Raises UserError."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        with claimed(partial):
            yield partial
            if out.exists():
                out.rmdir()
            partial.replace(out)
    except OSError as error:
        raise disk_error(error, _place_of(error, partial, out), "export again") from error
    except RuntimeError as error:  # MLX reports a failed write so
        raise disk_error(cause_of(error, out.parent), out, "export again") from error


def _place_of(error: OSError, partial: Path, out: Path) -> Path:
    """What disk is to be named: not that of `out` where it was the one for temporary files that is full."""
    named = error.filename
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    elsewhere = full and isinstance(named, str) and partial not in (Path(named), *Path(named).parents)
    return Path(named) if elsewhere else out


def trained_policy(run_dir: Path, weights: RunWeights | None = None) -> Policy:
    """The run's model with what it learnt so far, ready to answer. Raises UserError where it learnt nothing yet."""
    from droid_tune.model.adapter_files import load_arrays, read_arrays
    from droid_tune.model.heads.value_head import apart_arrays, load_apart
    from droid_tune.train.saving.weights import newest_weights
    from droid_tune.train.starting.start import starting_policy

    config = read_config(run_dir)
    found = weights or newest_weights(run_dir)
    policy = starting_policy(config, run_dir)
    load_arrays(policy, read_arrays(found.file), place=str(found.file))
    if apart_arrays(policy):
        load_apart(policy, read_arrays(found.head), place=str(found.head))
    return policy
