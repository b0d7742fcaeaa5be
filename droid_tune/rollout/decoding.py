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


def ends_in_stop_string(policy: Policy, sampling: SamplingConfig, tokens: Sequence[int]) -> bool:
    """Whether a stop string has just appeared; only the tail that can hold it is decoded."""
    if not sampling.stop_strings:
        return False
    tail = max(len(stop.encode()) for stop in sampling.stop_strings) + 8  # a token is a byte at least
    text = policy.tokenizer.decode(list(tokens[-tail:]))
    return any(stop in text for stop in sampling.stop_strings)


def _is_end(policy: Policy, token: int) -> bool:
    if token in policy.stop_tokens:
        return True
    tokenizer: Any = policy.tokenizer
    if token not in getattr(tokenizer, "all_special_ids", ()):
        return False
    return not str(tokenizer.decode([token])).startswith("</")


class TextStream:
    """A completion's text piece by piece, as `completion_text` has it whole: its first space included.

    mlx-lm's own stream trims it. Only a window of tokens is decoded each time; what may still change (half of a
    character) is held back.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._tokens: list[int] = []
        self._begin = self._said = 0  # the window's first token, and the tokens that were told already

    def add(self, token: int) -> str:
        """The text that `token` completes; often empty. The token that ends a completion has none."""
        if _is_end(self._policy, token):
            return ""
        self._tokens.append(token)
        decode = self._policy.tokenizer.decode
        told = decode(self._tokens[self._begin : self._said]) if self._said else ""
        text = decode(self._tokens[self._begin :])
        if text.endswith("\ufffd") or not text.startswith(told):
            return ""
        if self._said:
            self._begin = self._said
        self._said = len(self._tokens)
        return text[len(told) :]
