"""Completions as text: what rewards, events and people see of the sampled tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from droid_tune.config.sampling import SamplingConfig
from droid_tune.model.loading import token_id
from droid_tune.model.policy import Policy


def ending_tokens(policy: Policy, sampling: SamplingConfig) -> frozenset[int]:
    """The tokens that end a completion: the model's own and those that the run adds."""
    return policy.stop_tokens | {token_id(policy.tokenizer, name) for name in sampling.extra_stop_tokens}


def completion_text(policy: Policy, tokens: Sequence[int]) -> str:
    """The text of one completion's tokens without the token that ended it.

    Other special tokens stay: tags such as `<think>` are special in many vocabularies, and rewards read them. An end
    that the run added is cut where it is special too, unless it closes a tag (`</answer>`).
    """
    last = len(tokens) - 1
    kept = tokens[:last] if tokens and _is_end(policy, tokens[last]) else tokens
    return policy.tokenizer.decode(list(kept))


def _is_end(policy: Policy, token: int) -> bool:
    if token in policy.stop_tokens:
        return True
    tokenizer: Any = policy.tokenizer
    if token not in getattr(tokenizer, "all_special_ids", ()):
        return False
    return not str(tokenizer.decode([token])).startswith("</")
