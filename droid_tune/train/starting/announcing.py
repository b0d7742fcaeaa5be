"""The first words of a run, and of every resume of it."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from droid_tune import words
from droid_tune.estimate.forecast import Estimate
from droid_tune.estimate.readiness import LEAK_REMEDY, leak_sentence, leaked_prompts
from droid_tune.events import MemoryFacts, PlanChosen, RunStarted
from droid_tune.machine.budget import budget_of
from droid_tune.machine.host import read_host
from droid_tune.train.assignment import Span
from droid_tune.train.saving.journal import Journal
from droid_tune.train.training_session import TrainingSession


def announce(session: TrainingSession, journal: Journal, span: Span, estimated: Estimate) -> None:
    """What is trained on what, where it begins and ends, what it should take, and what a person should know before."""
    policy, config = session.policy, session.config
    leaked = leaked_prompts(session.train, session.valid)
    device, host = mx.device_info(), read_host()
    journal.emit(
        RunStarted(
            config=config.model_dump(mode="json"),
            total_steps=span.total_steps,
            start_step=span.start,
            device=str(device.get("device_name") or mx.default_device()),
            memory=MemoryFacts(
                total_bytes=host.memory_bytes,
                gpu_limit_bytes=host.gpu_limit_bytes,
                budget_bytes=budget_of(config.memory, host),
                estimated_peak_bytes=estimated.peak_bytes,
                estimated_seconds_per_step=estimated.duration.per_step,
            ),
            model={
                "architecture": policy.config.get("model_type", ""),
                "weight_bytes": policy.weight_bytes,
                "trainable_parameters": int(sum(np.prod(a.shape) for a in policy.learnt().values())),
                "path": str(policy.path),
            },
            data={"train": len(session.train), "valid": len(session.valid), "leaked": leaked},
        )
    )
    journal.emit(
        PlanChosen(step=span.start, sentence=session.plan.sentence, details={"path": session.plan.path})
    )
    _say_what_is_left_out(session, journal)
    if leaked:
        journal.notice("held_out_leaked", leak_sentence(leaked, len(session.valid)), LEAK_REMEDY)
    for sentence in session.rewards.cautions:
        journal.notice("caution", sentence)


def _say_what_is_left_out(session: TrainingSession, journal: Journal) -> None:
    """Rows that are not used, and what is read otherwise than it stands: each kind once, with its share."""
    for name, rows in (("train", session.train), ("valid", session.valid)):
        found = rows.found
        if found is None:
            continue
        if found.too_long:
            journal.notice(
                "rows_too_long",
                f"{len(found.too_long):,} of {words.count(found.rows, f'{name} row')} are left out: they are too long for "
                f"{session.reader.limit:,} tokens with room for the answer.",
                "Raise `max_seq_length` or shorten these rows.",
            )
        if found.refused:
            number, why = found.refused[0]
            journal.notice(
                "rows_left_out",
                f"{len(found.refused):,} of {words.count(found.rows, f'{name} row')} are left out; the first is row {number + 1} "
                f"({rows.place(number)}): {why}",
                "`droid-tune validate --model` lists them all.",
            )
        for code, sentence in found.told_notes():
            journal.notice(f"rows_{code}", f"{name}: {sentence}", level="info")
