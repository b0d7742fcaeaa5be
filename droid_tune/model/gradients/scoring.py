"""Log-probabilities of completions, and the gradient of a loss over them (DESIGN.md section 3, stage 5 and 6).

A micro-batch never changes a number: the loss is additive over rows and brings its normalisers with it. All
log-probabilities are float32, of softmax(logits / temperature), given prompt and completion.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
import numpy as np

from droid_tune.control import UNWATCHED, Watch
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.arrays import Indices
from droid_tune.model.gradients.bodies import Bodies, Pullable, goes_joined, joined_body_for
from droid_tune.model.gradients.by_hand.joined_pass import JoinedPass
from droid_tune.model.gradients.by_hand.shared_pass import PromptByHand, PromptedRows, rows_together
from droid_tune.model.gradients.head import Measure, score_tokens
from droid_tune.model.gradients.head_loss import HeadLoss, Loss
from droid_tune.model.gradients.passes import PromptPass, WholeRows, head_for, whole_rows
from droid_tune.model.gradients.scoring_rows import FloatArray, MicroBatch, ScoringRows
from droid_tune.model.gradients.trainables import Trainables
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.places import set_training
from droid_tune.model.policy import Policy
from droid_tune.model.reference import as_reference


@dataclass(frozen=True)
class Scores:
    """Per token (N, T), 0 where nothing is scored."""

    logprobs: FloatArray
    entropies: FloatArray | None = None
    #: log of sum p^2 over the vocabulary
    collisions: FloatArray | None = None


def score(
    policy: Policy,
    rows: ScoringRows,
    *,
    temperature: float,
    plan: MemoryPlan,
    with_entropy: bool = False,
    with_collisions: bool = False,
    reference: bool = False,
    watch: Watch = UNWATCHED,
) -> Scores:
    """Log-probabilities (and entropies) of `rows` under the policy or its reference; no gradient.

    `watch` is asked between micro-batches, and ends it with `Stopped`.
    """
    logprobs = np.zeros(rows.tokens.shape, np.float32)
    entropies = np.zeros(rows.tokens.shape, np.float32) if with_entropy else None
    collisions = np.zeros(rows.tokens.shape, np.float32) if with_collisions else None
    with reading(policy, reference=reference):
        for row_index, flat, hidden, targets in hidden_states(policy, rows, plan, watch):
            found = score_tokens(
                head_for(policy.model, policy.architecture),
                hidden,
                mx.array(targets),
                temperature=temperature,
                chunk=plan.head_tokens,
                with_entropy=with_entropy,
                with_collisions=with_collisions,
            )
            place(logprobs, row_index, flat, found.logprobs)
            if entropies is not None and found.entropies is not None:
                place(entropies, row_index, flat, found.entropies)
            if collisions is not None and found.collisions is not None:
                place(collisions, row_index, flat, found.collisions)
    return Scores(logprobs, entropies, collisions)


@dataclass(frozen=True)
class KnownStates:
    """Hidden states (S, D) that predict the scored tokens of some rows; `slots` (N, T) says which is whose, -1 none."""

    states: mx.array
    slots: np.ndarray


def states_of(
    policy: Policy, rows: ScoringRows, plan: MemoryPlan, *, reference: bool, watch: Watch = UNWATCHED
) -> KnownStates:
    """The states behind `rows` under the policy or its reference; no gradient, and no logits yet.

    `watch` is asked between micro-batches, and ends it with `Stopped`.
    """
    slots, parts, count = np.full(rows.tokens.shape, -1), [], 0
    with reading(policy, reference=reference):
        for row_index, flat, hidden, _ in hidden_states(policy, rows, plan, watch):
            row, column = np.divmod(flat, rows.length)
            slots[row_index[row], column] = np.arange(count, count + len(flat))
            parts.append(hidden)
            count += len(flat)
    width = parts[0].shape[-1] if parts else 1
    return KnownStates(mx.concatenate(parts) if parts else mx.zeros((1, width)), slots)


def loss_and_gradients(
    policy: Policy,
    rows: ScoringRows,
    loss: Loss,
    *,
    temperature: float,
    plan: MemoryPlan,
    with_entropy: bool = False,
    entropy_gradient: bool = True,
    measure: Measure | None = None,
    dropout_seed: int = 0,
) -> tuple[float, dict[str, Any], list[dict[str, Any]]]:
    """The loss summed over micro-batches, its gradient over the trainable parameters, and the loss's sums.

    `entropy_gradient` says whether the loss depends on the entropies, or only reports them: then they cost little.
    `measure` is one more number per token, which the loss gets as well, differentiated. `dropout_seed` decides the
    dropout masks of this call (the loop derives it from seed and step).
    """
    head = HeadLoss(
        policy, rows.length, loss, temperature, plan.head_tokens, with_entropy, entropy_gradient, measure
    )
    gradients = gradients_through(policy, rows, head, plan, dropout_seed)
    return head.total, gradients, head.reports


class ReadOut(Protocol):
    """What makes a loss of hidden states: with each micro-batch it adds to what it reports, and gives the derivative."""

    @property
    def trainables(self) -> Trainables: ...

    def gradient(
        self,
        hidden: mx.array,
        targets: mx.array,
        row_index: Indices,
        flat: Indices,
        gradients: list[mx.array],
    ) -> mx.array:
        """d loss / d hidden (M, D), see `HeadLoss`."""
        ...


def gradients_through(
    policy: Policy, rows: ScoringRows, head: ReadOut, plan: MemoryPlan, dropout_seed: int
) -> dict[str, Any]:
    """The gradient, over the trainable parameters, of what `head` makes of the states behind `rows`."""
    work = _Work(policy, rows, plan, dropout_seed, head)
    with _training(policy), _kernels(policy, training=True):
        if two_stage(policy, rows, plan):
            for prompt, batches in rows.micro_batches(plan.train_rows):
                work.group(prompt, batches)
        else:
            for batch in whole_rows(rows, plan.train_rows, pack=plan.pack_rows):
                work.whole(batch)
    return head.trainables.tree(work.gradients)


def two_stage(policy: Policy, rows: ScoringRows, plan: MemoryPlan) -> bool:
    """Whether prompts run apart from completions: only where they can be shared and where they are shared."""
    shared = len(np.unique(rows.prompt_index)) < len(rows)
    return plan.share_prompts and policy.architecture.shares_prompts and shared and not plan.pack_rows


class _Work:
    """One call of `loss_and_gradients`: what is summed over its micro-batches."""

    def __init__(
        self, policy: Policy, rows: ScoringRows, plan: MemoryPlan, dropout_seed: int, head: ReadOut
    ) -> None:
        self._rows, self._head, self._trainables = rows, head, head.trainables
        self._bodies = Bodies(policy, head.trainables, plan, dropout_seed)
        self._zeros = head.trainables.zeros()
        self.gradients: list[mx.array] = list(self._zeros)

    def group(self, prompt: int, batches: list[MicroBatch]) -> None:
        """Stage one: the prompt, once. Stage two: its completions. Then back through the prompt."""
        first = self._bodies.prompt(self._rows.prompts[prompt])
        by_prompt: list[mx.array] | None = None
        for batch in batches:
            pulled = self._completions(first, batch)
            by_prompt = (
                pulled if by_prompt is None else [a + b for a, b in zip(by_prompt, pulled, strict=True)]
            )
            mx.eval(by_prompt)
        if by_prompt is not None:
            self._add(first.pull(by_prompt))

    def _completions(self, first: Pullable, batch: MicroBatch) -> list[mx.array]:
        """One micro-batch, forth and back; the gradient by the prompt's results."""
        second = self._bodies.completions(first.results, batch)
        gradient = self._head.gradient(
            second.results[0],
            mx.array(batch.tokens.reshape(-1)[batch.scored]),
            batch.row_index,
            batch.spread(self._rows.length),
            self.gradients,
        )
        return self._add(second.pull([gradient]))

    def whole(self, batch: WholeRows) -> None:
        """Prompt and completion in one pass, for architectures and data that share no prompt."""
        run = self._bodies.whole(batch)
        targets = mx.array(batch.targets)
        gradient = self._head.gradient(run.results[0], targets, batch.row_index, batch.scored, self.gradients)
        self._add(run.pull([gradient]))

    def _add(self, pulled: list[mx.array]) -> list[mx.array]:
        """Accumulate the trainables' gradient; the rest, by the leaves, is handed back evaluated."""
        count = len(self.gradients)
        parts = zip(self.gradients, self._zeros, pulled[:count], strict=True)
        self.gradients = [part if sum_ is zero else sum_ + part for sum_, zero, part in parts]
        rest = pulled[count:]
        pulled.clear()  # no name holds a part while the sum is computed
        mx.eval(self.gradients, rest)
        return rest


@contextmanager
def reading(policy: Policy, *, reference: bool = False) -> Generator[None]:
    """Inside, the policy (or its reference) computes without a gradient, in our kernels."""
    with (
        as_reference(policy) if reference else _unchanged(),
        _kernels(policy, training=False),
    ):
        yield


def hidden_states(
    policy: Policy, rows: ScoringRows, plan: MemoryPlan, watch: Watch = UNWATCHED
) -> Iterator[tuple[np.ndarray, np.ndarray, mx.array, np.ndarray]]:
    """Micro-batch by micro-batch: row indices, flat positions in (n, T), states (M, D), target tokens (M,); `reading`."""
    joined = joined_body_for(policy)
    if not two_stage(policy, rows, plan):
        for batch in whole_rows(rows, plan.score_rows, pack=plan.pack_rows):
            watch.pause_point()
            if joined is not None and goes_joined(batch, joined):
                hidden = JoinedPass(joined, batch.tokens, batch.states).results[0]
            else:
                hidden = batch.hidden(policy.model, policy.architecture)
            mx.eval(hidden)
            yield batch.row_index, batch.scored, hidden, batch.targets
        return
    for prompt, batches in rows.micro_batches(plan.score_rows):
        stage = PromptPass(policy.model, policy.architecture, rows.prompts[prompt])
        length = len(rows.prompts[prompt])
        if joined is not None and joined.sees_at_once(1, length):
            shared = PromptByHand(joined, stage.tokens)
            leaves = shared.results
            stage.remember(shared.leaves)
        else:
            leaves = stage()
        mx.eval(leaves)
        for micro in batches:
            watch.pause_point()
            if joined is not None and rows_together(joined, length, micro.length):
                picked = PromptedRows(joined, leaves, mx.array(micro.tokens), micro.scored).results[0]
            else:
                hidden = stage.completions(leaves, mx.array(micro.tokens))
                picked = hidden.reshape(-1, hidden.shape[-1])[mx.array(micro.scored)]
                del hidden
            mx.eval(picked)
            yield micro.row_index, micro.spread(rows.length), picked, micro.tokens.reshape(-1)[micro.scored]


def place(target: FloatArray, row_index: np.ndarray, flat: np.ndarray, values: mx.array) -> None:
    """Put values (M,) of scored tokens where they belong in `target` (N, T)."""
    row, column = np.divmod(flat, target.shape[1])
    target[row_index[row], column] = np.asarray(values)


@contextmanager
def _training(policy: Policy) -> Generator[None]:
    """A policy's model is in evaluation mode but here; each change goes through all of its modules."""
    set_training(policy.model, training=True)
    try:
        yield
    finally:
        set_training(policy.model, training=False)


def _kernels(policy: Policy, *, training: bool) -> AbstractContextManager[None]:
    return own_kernels(shares_prompts=policy.architecture.decodes_shared, training=training)


@contextmanager
def _unchanged() -> Generator[None]:
    yield
