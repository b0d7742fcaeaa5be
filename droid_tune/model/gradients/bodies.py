"""The body's passes as things that can be pulled back: held, run again, or layer by layer, as the plan says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import mlx.core as mx
import numpy as np

from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.arrays import Indices
from droid_tune.model.caches.packing import segment_caches
from droid_tune.model.caches.prefix import (
    Leaves,
    caches_with,
    empty_caches,
    flat_leaves,
    growing_leaves,
    own_leaves,
)
from droid_tune.model.checks.probe import body_of
from droid_tune.model.gradients.by_hand.joined_pass import JoinedPass
from droid_tune.model.gradients.by_hand.plain_body import PlainBody, plain_body
from droid_tune.model.gradients.by_hand.shared_pass import PromptByHand, PromptedRows, rows_together
from droid_tune.model.gradients.layers import LayerPass
from droid_tune.model.gradients.passes import PromptPass, WholeRows
from droid_tune.model.gradients.pullback import Pullback
from droid_tune.model.gradients.scoring_rows import MicroBatch
from droid_tune.model.gradients.segments import RowSegment, SegmentedPass
from droid_tune.model.gradients.trainables import Trainables
from droid_tune.model.policy import Policy

Arrays = list[mx.array]


class Pullable(Protocol):
    """Evaluated results, and the gradient by trainables and inputs of sum(results * cotangents)."""

    results: Arrays

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays: ...


class Bodies:
    """Makes the passes of one gradient computation; dropout masks follow from `dropout_seed` and the pass's number."""

    def __init__(self, policy: Policy, trainables: Trainables, plan: MemoryPlan, dropout_seed: int) -> None:
        self._policy, self._trainables, self._plan = policy, trainables, plan
        self._dropout_seed, self._draws = dropout_seed, 0
        self._stage: PromptPass | None = None

    def prompt(self, tokens: Sequence[int]) -> Pullable:
        """The prompt's last hidden state (1, 1, D), then its cache leaves, flat."""
        stage = PromptPass(self._policy.model, self._policy.architecture, tokens)
        self._stage = stage
        segmented = self._segmented(stage.tokens, None, keeps=True)
        if segmented is not None:
            stage.remember(segmented.leaves_after)
            return _LayeredPrompt(segmented)
        joined = self._joined
        if joined is not None and joined.sees_at_once(1, len(tokens)):
            shared = PromptByHand(joined, stage.tokens, self._trainables.names)
            stage.remember(shared.leaves)
            return shared
        if self._plan.hold_prompt or not self._policy.architecture.layer_wise:
            return self._pullback(lambda _: stage(), [], hold=self._plan.hold_prompt, seed=self._next_seed())
        run = self._layer_pass(stage.tokens, None)
        stage.remember(run.leaves_after)
        return _LayeredPrompt(run)

    def completions(self, flat: Sequence[mx.array], batch: MicroBatch) -> Pullable:
        """The states (M, D) that predict the scored tokens of a batch behind the prompt that gave `flat`."""
        tokens = mx.array(batch.tokens)
        joined, prompt = self._joined, int(flat[1].shape[2]) if len(flat) > 1 else 0
        if (
            joined is not None
            and not self._parts(tokens[:, :-1])
            and rows_together(joined, prompt, batch.length)
        ):
            return PromptedRows(joined, flat, tokens, batch.scored, self._trainables.names)
        return _Picked(self._behind(flat, tokens), batch.scored)

    def _behind(self, flat: Sequence[mx.array], tokens: mx.array) -> Pullable:
        """Hidden states (n, T, D) that predict `tokens` (n, T) after the prompt that gave `flat`."""
        stage = self._stage
        if stage is None:
            raise ValueError("the prompt comes first")
        segmented = self._segmented(tokens[:, :-1], stage.unflat(flat[1:]), keeps=False)
        if segmented is not None:
            return _LayeredCompletions(segmented, flat[0])
        if self._by_layer and tokens.shape[1] > 1:
            return _LayeredCompletions(self._layer_pass(tokens[:, :-1], stage.unflat(flat[1:])), flat[0])
        return self._pullback(
            lambda leaves: [stage.completions(leaves, tokens)],
            flat,
            hold=self._plan.hold,
            seed=self._next_seed(),
        )

    def whole(self, batch: WholeRows) -> Pullable:
        """The states (M, D) that predict the scored tokens of whole rows."""
        segmented = None if batch.segments is not None else self._segmented(batch.tokens, None, keeps=False)
        if segmented is not None:
            return _LayeredRows(segmented, batch)
        if self._by_layer:
            return self._layered_rows(batch)
        joined = self._joined
        if joined is not None and goes_joined(batch, joined):
            return JoinedPass(joined, batch.tokens, batch.states, self._trainables.names)
        model, architecture = self._policy.model, self._policy.architecture
        return self._pullback(
            lambda _: [batch.hidden(model, architecture)], [], hold=self._plan.hold, seed=self._next_seed()
        )

    @cached_property
    def _joined(self) -> PlainBody | None:
        """What passes by hand need, where the plan and the model let them be."""
        names = self._trainables.names
        return (
            joined_body_for(self._policy, names) if names and self._plan.hold and not self._by_layer else None
        )

    @property
    def _by_layer(self) -> bool:
        return self._plan.layer_wise and self._policy.architecture.layer_wise

    def _layered_rows(self, batch: WholeRows) -> Pullable:
        if batch.segments is None:
            return _LayeredRows(self._layer_pass(batch.tokens, None), batch)
        model, segments = self._policy.model, batch.segments
        run = self._layer_pass(batch.tokens, None, lambda: segment_caches(model, segments))
        return _LayeredRows(run, batch)

    def _layer_pass(
        self, tokens: mx.array, leaves: Leaves | None, fresh: Callable[[], list[Any]] | None = None
    ) -> LayerPass:
        model, body = self._policy.model, body_of(self._policy.model, self._policy.architecture)
        return LayerPass(model, body, self._trainables, tokens, leaves, self._next_seed(), fresh)

    def _segmented(self, tokens: mx.array, leaves: Leaves | None, *, keeps: bool) -> SegmentedPass | None:
        """The pass in segments; None where the plan has none, or `tokens` (n, T) are no more than one."""
        if not self._parts(tokens):
            return None
        length = self._plan.segment_tokens
        model, seeds = self._policy.model, [self._next_seed() for _ in range(0, tokens.shape[1], length)]

        def make(part: mx.array, before: Leaves | None, place: int, wanted: bool) -> RowSegment:
            if self._by_layer:
                body = body_of(model, self._policy.architecture)
                return LayerPass(model, body, self._trainables, part, before, seeds[place], keeps=True)
            return _HeldSegment(self, part, before, seeds[place], hold=wanted)

        return SegmentedPass(
            make, self._trainables, tokens, length, leaves, growing_leaves(model), keeps=keeps
        )

    def _parts(self, tokens: mx.array) -> bool:
        """Whether a pass over `tokens` (n, T) is one in segments."""
        length = self._plan.segment_tokens
        return bool(length) and self._policy.architecture.shares_prompts and tokens.shape[1] > length

    def segment(
        self, tokens: mx.array, leaves: Leaves | None, seed: int | None, *, hold: bool
    ) -> tuple[Pullback, Leaves]:
        """Some tokens (n, t) behind `leaves`: their hidden states, then what they leave; and where which of it is."""
        model, body = self._policy.model, body_of(self._policy.model, self._policy.architecture)
        layout: list[Leaves] = []

        def run(flat: Arrays) -> Arrays:
            given = iter(flat)
            caches = empty_caches(model)
            if leaves is not None:
                filled = [[None if leaf is None else next(given) for leaf in layer] for layer in leaves]
                caches = caches_with(model, filled, int(tokens.shape[0]))
            hidden = body(tokens, cache=caches)
            layout.append(own_leaves(caches))
            return [hidden, *flat_leaves(layout[-1])]

        pullback = self._pullback(run, flat_leaves(leaves or []), hold=hold, seed=seed)
        results = iter(pullback.results[1:])
        after = [[None if leaf is None else next(results) for leaf in layer] for layer in layout[0]]
        return pullback, after

    def _pullback(
        self, function: Callable[[Arrays], Arrays], given: Sequence[mx.array], *, hold: bool, seed: int | None
    ) -> Pullback:
        """`function` of the given arrays, as a function of the trainables and them."""
        count = len(self._trainables.arrays)

        def seeded(primals: Arrays) -> Arrays:
            if seed is not None:
                mx.random.seed(seed)
            return self._trainables.call(primals[:count], lambda: function(primals[count:]))

        return Pullback(seeded, [*self._trainables.arrays, *given], hold=hold)

    def _next_seed(self) -> int | None:
        if not self._policy.adapter.dropout:
            return None
        self._draws += 1
        return int(np.random.SeedSequence((self._dropout_seed, self._draws)).generate_state(1, np.uint64)[0])


def joined_body_for(policy: Policy, wanted: Sequence[str] = ()) -> PlainBody | None:
    """The policy's body, where it is of the known kind and its adapters are all that is `wanted`; None else."""
    if not policy.architecture.passes_joined or (wanted and policy.adapter.dropout):
        return None
    body = plain_body(policy.model)
    return None if body is None or (wanted and body.arrays.keys() != set(wanted)) else body


def goes_joined(batch: WholeRows, body: PlainBody) -> bool:
    """Whether whole rows do not share sequences, and have all of their attention at once."""
    rows, steps = batch.tokens.shape
    return batch.segments is None and body.sees_at_once(rows, steps)


class _HeldSegment:
    """Some tokens in one piece, whose activations are held where they will be pulled back."""

    def __init__(
        self, bodies: Bodies, tokens: mx.array, leaves: Leaves | None, seed: int | None, *, hold: bool
    ) -> None:
        self._pullback, self.leaves_after = bodies.segment(tokens, leaves, seed, hold=hold)
        self.results = self._pullback.results

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        return self._pullback.pull(cotangents)


class _Picked:
    """Of hidden states (n, T, D) those at flat positions `scored` (M,)."""

    def __init__(self, run: Pullable, scored: Indices) -> None:
        self._run, self._scored = run, mx.array(scored)
        self._shape = run.results[0].shape
        self.results = [run.results[0].reshape(-1, self._shape[-1])[self._scored]]

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        rows, steps, width = self._shape
        everywhere = mx.zeros((rows * steps, width)).at[self._scored].add(cotangents[0])
        return self._run.pull([everywhere.reshape(self._shape)])


class _LayeredPrompt:
    def __init__(self, run: LayerPass | SegmentedPass) -> None:
        self._run = run
        self._shape = run.hidden.shape
        self.results = [run.hidden[:, -1:], *run.results[1:]]
        mx.eval(self.results)

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        before = mx.zeros((1, self._shape[1] - 1, self._shape[2]), dtype=cotangents[0].dtype)
        return self._run.pull([mx.concatenate([before, cotangents[0]], axis=1), *cotangents[1:]])


class _LayeredCompletions:
    def __init__(self, run: LayerPass | SegmentedPass, last: mx.array) -> None:
        self._run, self._count = run, len(run.trainables.arrays)
        rows = run.hidden.shape[0]
        first = mx.broadcast_to(last, (rows, *last.shape[1:]))
        self.results = [mx.concatenate([first, run.hidden], axis=1)]

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        gradient = cotangents[0]
        pulled = self._run.pull([gradient[:, 1:]])
        return [*pulled[: self._count], gradient[:, :1].sum(axis=0, keepdims=True), *pulled[self._count :]]


class _LayeredRows:
    def __init__(self, run: LayerPass | SegmentedPass, batch: WholeRows) -> None:
        self._run, self._shape = run, run.hidden.shape
        self._states = mx.array(batch.states)
        self.results = [run.hidden.reshape(-1, self._shape[-1])[self._states]]

    def pull(self, cotangents: Sequence[mx.array]) -> Arrays:
        everywhere = (
            mx.zeros((self._shape[0] * self._shape[1], self._shape[2])).at[self._states].add(cotangents[0])
        )
        return self._run.pull([everywhere.reshape(self._shape)])
