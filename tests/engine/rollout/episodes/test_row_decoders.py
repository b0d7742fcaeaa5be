"""Rows that leave the batch and come back go on as if they had been read whole."""

from __future__ import annotations

from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.policy import Policy
from droid_tune.rollout.episodes.joining import Joining, Prompts
from droid_tune.rollout.episodes.own_rows import OwnRows
from droid_tune.rollout.episodes.row_decoders import SharedRows, row_decoder
from tests.engine.model.tiny import CONFIGS, tiny_policy

PROMPTS = [[5, 9, 13], [7, 2, 11, 3, 8, 4, 21, 30, 12]]
#: of each row its prompt
ROWS = [0, 0, 1, 1, 1]


class Walk:
    """Feeds rows tokens of a fixed sequence, and compares all logits with those of whole forward passes."""

    def __init__(self, policy: Policy, kind: type | None = None, chunk: int = 8) -> None:
        prompts = Prompts(policy, 4)
        for number, tokens in enumerate(PROMPTS):
            prompts.use(number, tokens, [row for row, prompt in enumerate(ROWS) if prompt == number])
        self.policy = policy
        self.decoder = row_decoder(policy, prompts, chunk) if kind is None else kind(policy, prompts, chunk)
        self.own: dict[int, list[int]] = {row: [] for row in range(len(ROWS))}

    def join(self, *rows: tuple[int, int]) -> None:
        """Rows, each with so many further tokens."""
        joining = []
        for row, count in rows:
            fresh = [(7 * row + 3 * (len(self.own[row]) + place)) % 61 + 1 for place in range(count)]
            self.own[row] += fresh
            joining.append(Joining(row, ROWS[row], fresh))
        stay = len(self.decoder.rows)
        self.check(self.decoder.join(joining), self.decoder.rows[stay:])

    def step(self, *, ahead: int = 0) -> None:
        """One token more of each row of the batch; `ahead` further ones that are taken back."""
        rows = list(self.decoder.rows)
        fresh = [(5 * row + 2 * len(self.own[row])) % 61 + 1 for row in rows]
        for row, token in zip(rows, fresh, strict=True):
            self.own[row].append(token)
        self.check(self.decoder.step(mx.array(fresh)), rows)
        for _ in range(ahead if self.decoder.looks_ahead else 0):
            self.decoder.step(mx.array([9] * len(rows)))

    def leave(self, *rows: int) -> None:
        self.decoder.leave(rows, [len(self.own[row]) for row in rows])

    def check(self, logits: mx.array, rows: object) -> None:
        for found, row in zip(np.asarray(logits.astype(mx.float32)), list(rows), strict=True):  # type: ignore[call-overload]
            whole = mx.array([PROMPTS[ROWS[row]] + self.own[row]])
            expected = np.asarray(self.policy.model(whole)[0, -1].astype(mx.float32))
            np.testing.assert_allclose(found, expected, atol=2e-4, rtol=2e-4)


def walked(walk: Walk) -> None:
    walk.join((0, 0), (1, 0), (2, 3))
    walk.step()
    walk.step(ahead=1)
    walk.leave(0, 2)  # row 1 has been fed one more, too
    walk.own[1].append(9) if walk.decoder.looks_ahead else None
    walk.step()
    walk.join((2, 11), (3, 0))
    walk.step(ahead=1)
    walk.leave(1, 2, 3)
    walk.join((0, 5))
    walk.join((3, 1), (4, 2), (1, 70))
    walk.step()


@pytest.mark.parametrize("architecture", CONFIGS)
def test_every_architecture_goes_on_as_whole_forward_passes_do(architecture: str):
    policy = tiny_policy(architecture)
    with own_kernels():
        walked(Walk(policy))


@pytest.mark.parametrize("merges", [False, True])
def test_rows_with_caches_of_their_own_are_right_merged_or_not(merges: bool):
    policy = tiny_policy("qwen3")
    policy.architecture = replace(policy.architecture, decodes_shared=False, merges_prompts=merges)
    with own_kernels():
        walked(Walk(policy, OwnRows))


def test_rows_of_a_slot_see_only_their_own_tokens_when_attention_runs_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("droid_tune.model.kernels.shared_attention.block_weights", lambda **_: 64)
    with own_kernels():
        walked(Walk(tiny_policy("llama"), SharedRows))
