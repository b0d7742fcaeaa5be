"""Where a run can be cut: between two updates, as a checkpoint on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from droid_tune.estimate.plan import MemoryPlan
from droid_tune.events import CheckpointSaved
from droid_tune.model.adapter_files import load_arrays
from droid_tune.model.heads.value_head import apart_arrays, load_apart
from droid_tune.model.reference import ReferencePolicy
from droid_tune.train.learners.learner import Learner, State, Tensors
from droid_tune.train.saving.checkpoint import CheckpointStore
from droid_tune.train.saving.journal import Journal
from droid_tune.train.saving.shared_checkpoint import SavedState
from droid_tune.train.steering.no_numbers import require_numbers_in
from droid_tune.train.training_session import TrainingSession
from droid_tune.train.updating.optimizer import optimizer_tensors, restore_optimizer


@dataclass(frozen=True)
class Boundary:
    """Everything a resume needs besides weights and optimizer, as it was when `step` updates were done."""

    step: int
    state: State
    tensors: Tensors


@dataclass
class BoundaryKeeper:
    """Saves boundaries with the weights that belong to them, and takes a run back to one."""

    session: TrainingSession
    learner: Learner
    optimizer: Any
    reference: ReferencePolicy
    store: CheckpointStore
    journal: Journal
    saved_step: int = -1

    def save(self, boundary: Boundary) -> None:
        """Save it, if it is not on disk yet; the weights must be those of the boundary. Raises UserError, OSError."""
        if self.saved_step == boundary.step or not self.session.world.leads:
            return
        self.session.phase("save", boundary.step, 0, 1, "checkpoint")
        files = {
            "adapters": self.session.policy.trainable(),
            "heads": apart_arrays(self.session.policy),
            "optimizer": optimizer_tensors(self.optimizer),
            "reference": self.reference.arrays or {},
        }
        rate = self.session.config.learning_rate
        require_numbers_in(files, self.journal.paths.id, boundary.step, rate)
        saved = self.store.save(boundary.step, boundary.state, {**files, "rollout": boundary.tensors})
        self.saved_step = boundary.step
        self.session.emit(
            CheckpointSaved(step=boundary.step, path=f"checkpoints/{saved.folder.name}", bytes=saved.bytes)
        )
        self.journal.saved(boundary.step)

    def reopen(self) -> None:
        """The state of the boundary has changed: a checkpoint of its step that is on disk is no longer the newest word."""
        self.saved_step = -1

    def restore(self, checkpoint: SavedState) -> None:
        """Weights, optimizer, reference, learner and portions as they were when the checkpoint was taken."""
        state = checkpoint.state
        load_arrays(self.session.policy, checkpoint.tensors("adapters"), place=checkpoint.place)
        load_apart(self.session.policy, checkpoint.tensors("heads"), place=checkpoint.place)
        restore_optimizer(self.optimizer, checkpoint.tensors("optimizer"))
        if self.reference.arrays is not None:
            self.reference.restore(checkpoint.tensors("reference"))
        self.learner.restore(state["learner"], checkpoint.tensors("rollout"))
        if self.session.world.alone:
            # Other portions would round otherwise: the run goes on with those that it was stopped with.
            self.session.plan = MemoryPlan(**state["plan"])
        self.saved_step = checkpoint.step
