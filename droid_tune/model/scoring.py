"""Log-probabilities of completions, and the gradient of a loss over them (DESIGN.md section 3, stage 5 and 6).

A micro-batch never changes a number: the loss is additive over rows and brings its normalisers with it. All
log-probabilities are float32, of softmax(logits / temperature), given prompt and completion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from droid_tune.model.head import TokenScores, score_tokens, token_entropies, token_logprobs
from droid_tune.model.passes import PromptPass, WholeRows, head_for, whole_rows
from droid_tune.model.plan import Plan
from droid_tune.model.policy import Policy
from droid_tune.model.pullback import Pullback
from droid_tune.model.reference import as_reference
from droid_tune.model.rows import FloatArray, MicroBatch, ScoringRows
from droid_tune.model.trainables import Trainables

#: (row_index (n,), logprobs (n, T), entropies (n, T) or None) -> (scalar, sums to report)
Loss = Callable[[np.ndarray, mx.array, mx.array | None], tuple[mx.array, dict[str, mx.array]]]


@dataclass(frozen=True)
class Scores:
    """Per token (N, T), 0 where nothing is scored."""

    logprobs: FloatArray
    entropies: FloatArray | None = None


def score(
    policy: Policy,
    rows: ScoringRows,
    *,
    temperature: float,
    plan: Plan,
    with_entropy: bool = False,
    reference: bool = False,
) -> Scores:
    """Log-probabilities (and entropies) of `rows` under the policy or its reference; no gradient."""
    logprobs = np.zeros(rows.tokens.shape, np.float32)
    entropies = np.zeros(rows.tokens.shape, np.float32) if with_entropy else None
    with as_reference(policy) if reference else _unchanged(), _mode(policy, train=False):
        for row_index, flat, hidden, targets in _hidden_states(policy, rows, plan):
            found = score_tokens(
                head_for(policy.model, policy.architecture),
                hidden,
                mx.array(targets),
                temperature=temperature or 1.0,
                chunk=plan.head_tokens,
                with_entropy=with_entropy,
            )
            _place(logprobs, row_index, flat, found.logprobs)
            if entropies is not None and found.entropies is not None:
                _place(entropies, row_index, flat, found.entropies)
    return Scores(logprobs, entropies)


def loss_and_gradients(
    policy: Policy,
    rows: ScoringRows,
    loss: Loss,
    *,
    temperature: float,
    plan: Plan,
    with_entropy: bool = False,
    dropout_seed: int = 0,
) -> tuple[float, dict[str, Any], list[dict[str, Any]]]:
    """The loss summed over micro-batches, its gradient over the trainable parameters, and the loss's sums.

    `dropout_seed` decides the dropout masks of this call (the loop derives it from seed and step).
    """
    work = _Work(policy, rows, loss, temperature or 1.0, plan, with_entropy, dropout_seed)
    with _mode(policy, train=True):
        if two_stage(policy, rows, plan):
            for prompt, batches in rows.micro_batches(plan.train_rows):
                work.group(prompt, batches)
        else:
            for batch in whole_rows(rows, plan.train_rows):
                work.whole(batch)
    return work.total, work.trainables.tree(work.gradients), work.reports


def two_stage(policy: Policy, rows: ScoringRows, plan: Plan) -> bool:
    """Whether prompts run apart from completions: only where they can be shared and where they are shared."""
    shared = len(np.unique(rows.prompt_index)) < len(rows)
    return plan.share_prompts and policy.architecture.shares_prompts and shared


class _Work:
    """One call of `loss_and_gradients`: what is summed over its micro-batches."""

    def __init__(
        self,
        policy: Policy,
        rows: ScoringRows,
        loss: Loss,
        temperature: float,
        plan: Plan,
        with_entropy: bool,
        dropout_seed: int,
    ) -> None:
        self.policy, self.rows, self.loss, self.plan = policy, rows, loss, plan
        self.temperature, self.with_entropy = temperature, with_entropy
        self.trainables = Trainables(policy.model)
        self.gradients = self.trainables.zeros()
        self.total = 0.0
        self.reports: list[dict[str, Any]] = []
        self.head = head_for(policy.model, policy.architecture)
        self._head_parts = self.trainables.outside_layers() if policy.architecture.splits_head else []
        self._dropout_seed, self._draws = dropout_seed, 0

    def group(self, prompt: int, batches: list[MicroBatch]) -> None:
        """Stage one: the prompt, once. Stage two: its completions; then back through the prompt."""
        stage = PromptPass(self.policy.model, self.policy.architecture, self.rows.prompts[prompt])
        first = self._pullback(lambda: stage(), [])
        slopes: list[mx.array] | None = None
        for batch in batches:
            tokens = mx.array(batch.tokens)
            second = self._pullback(lambda leaves, t=tokens: [stage.completions(leaves, t)], first.results)
            scored, flat = mx.array(batch.scored), batch.spread(self.rows.length)
            hidden = second.results[0]
            picked = hidden.reshape(-1, hidden.shape[-1])[scored]
            slope = self._slope(picked, tokens.reshape(-1)[scored], batch.row_index, flat)
            whole = mx.zeros((hidden.shape[0] * hidden.shape[1], hidden.shape[2]))
            whole = whole.at[scored].add(slope)
            pulled = second.pull([whole.reshape(hidden.shape)])
            del hidden, picked, slope, whole, second
            leaf_slopes = self._add(pulled)
            slopes = (
                leaf_slopes if slopes is None else [a + b for a, b in zip(slopes, leaf_slopes, strict=True)]
            )
            mx.eval(slopes)
        if slopes is not None:
            self._add(first.pull(slopes))

    def whole(self, batch: WholeRows) -> None:
        """Prompt and completion in one pass, for architectures and data that share no prompt."""
        run = self._pullback(lambda: [batch.hidden(self.policy.model, self.policy.architecture)], [])
        slope = self._slope(run.results[0], mx.array(batch.targets), batch.row_index, batch.scored)
        self._add(run.pull([slope]))

    def _pullback(self, function: Callable[..., list[mx.array]], leaves: list[mx.array]) -> Pullback:
        """`function` (of the leaves, if any) as a function of trainables and leaves, dropout masks fixed."""
        count, seed = len(self.trainables.arrays), self._next_seed()

        def seeded(primals: list[mx.array]) -> list[mx.array]:
            if seed is not None:
                mx.random.seed(seed)
            given = [primals[count:]] if leaves else []
            return self.trainables.call(primals[:count], lambda: function(*given))

        return Pullback(seeded, [*self.trainables.arrays, *leaves], hold=self.plan.hold)

    def _next_seed(self) -> int | None:
        if not self.policy.adapter.dropout:
            return None
        self._draws += 1
        return int(np.random.SeedSequence((self._dropout_seed, self._draws)).generate_state(1, np.uint64)[0])

    def _slope(
        self, hidden: mx.array, targets: mx.array, row_index: np.ndarray, flat: np.ndarray
    ) -> mx.array:
        """d loss / d hidden (M, D) of one micro-batch; adds its loss, its report and the head's own gradient."""
        found = score_tokens(
            self.head,
            hidden,
            targets,
            temperature=self.temperature,
            chunk=self.plan.head_tokens,
            with_entropy=self.with_entropy,
            with_slopes=True,
        )
        by_logprob, by_entropy = self._differentiate(found, row_index, mx.array(flat))
        if self._head_parts:
            self._add_head(hidden, targets, by_logprob, by_entropy)
        slope = found.logprob_slopes.astype(mx.float32) * by_logprob[:, None]  # pyright: ignore[reportOptionalMemberAccess]
        if by_entropy is not None and found.entropy_slopes is not None:
            slope = slope + found.entropy_slopes.astype(mx.float32) * by_entropy[:, None]
        return slope

    def _differentiate(
        self, found: TokenScores, row_index: np.ndarray, flat: mx.array
    ) -> tuple[mx.array, mx.array | None]:
        """The loss of one micro-batch; returns its derivative by each scored token's logprob and entropy (M,)."""
        shape = (len(row_index), self.rows.length)

        def spread(values: mx.array) -> mx.array:
            return mx.zeros(shape[0] * shape[1]).at[flat].add(values).reshape(shape)

        def of_tokens(values: list[mx.array]) -> tuple[mx.array, dict[str, mx.array]]:
            return self.loss(row_index, values[0], values[1] if self.with_entropy else None)

        inputs = [spread(found.logprobs)]
        if self.with_entropy and found.entropies is not None:
            inputs.append(spread(found.entropies))
        (value, report), slopes = mx.value_and_grad(of_tokens)(inputs)
        mx.eval(value, report, slopes)
        self.total += value.item()
        self.reports.append(report)
        picked = [slope.reshape(-1)[flat] for slope in slopes]
        return picked[0], picked[1] if self.with_entropy else None

    def _add_head(
        self, hidden: mx.array, targets: mx.array, by_logprob: mx.array, by_entropy: mx.array | None
    ) -> None:
        """The gradient of what is trained outside the layers, through the head, in chunks."""
        indices, chunk = self._head_parts, self.plan.head_tokens

        def weighted(parts: list[mx.array], states: mx.array, span: slice) -> mx.array:
            arrays = list(self.trainables.arrays)
            for index, part in zip(indices, parts, strict=True):
                arrays[index] = part
            logits = self.trainables.call(arrays, lambda: self.head(states))
            total = (token_logprobs(logits, targets[span], self.temperature) * by_logprob[span]).sum()
            if by_entropy is not None:
                total = total + (token_entropies(logits, self.temperature) * by_entropy[span]).sum()
            return total

        for start in range(0, hidden.shape[0], chunk):
            span = slice(start, start + chunk)
            parts = [self.trainables.arrays[index] for index in indices]
            slopes = mx.grad(weighted)(parts, hidden[span], span)
            for index, slope in zip(indices, slopes, strict=True):
                self.gradients[index] = self.gradients[index] + slope
            mx.eval([self.gradients[index] for index in indices])

    def _add(self, pulled: list[mx.array]) -> list[mx.array]:
        """Accumulate the trainables' gradient; the rest, by the leaves, is handed back evaluated."""
        count = len(self.gradients)
        self.gradients = [a + b for a, b in zip(self.gradients, pulled[:count], strict=True)]
        rest = pulled[count:]
        mx.eval(self.gradients, rest)
        return rest


def _hidden_states(
    policy: Policy, rows: ScoringRows, plan: Plan
) -> Iterator[tuple[np.ndarray, np.ndarray, mx.array, np.ndarray]]:
    """Micro-batch by micro-batch: row indices, flat positions in (n, T), states (M, D), target tokens (M,)."""
    if not two_stage(policy, rows, plan):
        for batch in whole_rows(rows, plan.train_rows):
            hidden = batch.hidden(policy.model, policy.architecture)
            mx.eval(hidden)
            yield batch.row_index, batch.scored, hidden, batch.targets
        return
    for prompt, batches in rows.micro_batches(plan.train_rows):
        stage = PromptPass(policy.model, policy.architecture, rows.prompts[prompt])
        leaves = stage()
        mx.eval(leaves)
        for micro in batches:
            hidden = stage.completions(leaves, mx.array(micro.tokens))
            picked = hidden.reshape(-1, hidden.shape[-1])[mx.array(micro.scored)]
            mx.eval(picked)
            yield micro.row_index, micro.spread(rows.length), picked, micro.tokens.reshape(-1)[micro.scored]


def _place(target: FloatArray, row_index: np.ndarray, flat: np.ndarray, values: mx.array) -> None:
    row, column = np.divmod(flat, target.shape[1])
    target[row_index[row], column] = np.asarray(values)


@contextmanager
def _mode(policy: Policy, *, train: bool) -> Iterator[None]:
    policy.model.train(train)
    try:
        yield
    finally:
        policy.model.eval()


@contextmanager
def _unchanged() -> Iterator[None]:
    yield
