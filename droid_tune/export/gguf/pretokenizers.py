"""Into which pieces a byte-level tokenizer cuts text before it merges: llama.cpp knows some ways, by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from droid_tune.errors import UserError

Patterns = tuple[str, ...]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
DIGIT = r"\p{N}"
LLAMA3 = _CONTRACTIONS + r"\p{N}{1,3}" + _REST
QWEN2 = _CONTRACTIONS + DIGIT + _REST
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SIGNS = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
DEEPSEEK = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    _SIGNS
    + "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
)


@dataclass(frozen=True)
class PreTokenizer:
    """A way that llama.cpp knows: its name there, and whether a piece that is a token is not taken apart first."""

    name: str
    patterns: Patterns
    whole_first: bool = False


KNOWN = (
    PreTokenizer("llama-bpe", (LLAMA3,), whole_first=True),
    PreTokenizer("dbrx", (LLAMA3,)),
    PreTokenizer("qwen2", (QWEN2,)),
    PreTokenizer("tekken", (TEKKEN,), whole_first=True),
    PreTokenizer("deepseek-v3", DEEPSEEK),
    PreTokenizer("smollm", (DIGIT, GPT2)),
    PreTokenizer("gpt-2", (GPT2,)),
)


def pre_tokenizer_of(tokenizer: dict[str, Any], texts: Sequence[str]) -> tuple[PreTokenizer, str]:
    """The way of a tokenizer.json, and what a person should know of it.

    Where llama.cpp has not the very same way, one that cuts all of `texts` alike serves, and it is said. Raises
    UserError where there is none.
    """
    patterns = patterns_of(tokenizer.get("pre_tokenizer"))
    whole_first = bool(tokenizer["model"].get("ignore_merges"))
    for known in KNOWN:
        if (known.patterns, known.whole_first) == (patterns, whole_first):
            return known, ""
    for known in KNOWN:
        if texts and known.whole_first == whole_first and _same_tokens(tokenizer, known, texts):
            return known, (
                "llama.cpp has not this tokenizer's way of cutting text into pieces; "
                f"`{known.name}`, which is written instead, reads all {len(texts)} held-out prompts alike, and may "
                "read others otherwise."
            )
    raise UserError(
        "llama.cpp has no way to cut text as this tokenizer does",
        value=patterns,
        place="tokenizer.json",
        remedy="`--to fused` writes every tokenizer",
    )


def patterns_of(settings: Any) -> Patterns | None:
    """The regular expressions of a `pre_tokenizer`, one after the other; None where it is no such thing."""
    found: list[str] = []
    for step in (settings or {}).get("pretokenizers", [settings]):
        match step or {}:
            case {
                "type": "Split",
                "pattern": {"Regex": str(pattern)},
                "behavior": "Isolated",
                "invert": False,
            }:
                found.append(pattern)
            case {"type": "Digits", "individual_digits": True}:
                found.append(DIGIT)
            case {"type": "ByteLevel", "add_prefix_space": False, **rest}:
                if rest.get("use_regex", True):
                    found.append(GPT2)
            case _:
                return None
    return tuple(found)


def _same_tokens(tokenizer: dict[str, Any], known: PreTokenizer, texts: Sequence[str]) -> bool:
    from tokenizers import Tokenizer

    own, other = (
        Tokenizer.from_str(json.dumps(tokenizer)),
        Tokenizer.from_str(json.dumps(cut_by(tokenizer, known))),
    )
    return all(
        own.encode(text, add_special_tokens=False).ids == other.encode(text, add_special_tokens=False).ids
        for text in texts
    )


def cut_by(tokenizer: dict[str, Any], known: PreTokenizer) -> dict[str, Any]:
    """The tokenizer with another way of cutting."""
    steps: list[dict[str, Any]] = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in known.patterns
    ]
    bytes_only = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return tokenizer | {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*steps, bytes_only]}}
