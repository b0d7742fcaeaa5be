"""Marks of other models' templates in a row's text: data that were rendered for one model and are read by another."""

from __future__ import annotations

import re

#: what ends a turn or a text in the templates of the known families
END_TOKENS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|return|>"),
    *("</s>", "<end_of_turn>", "<turn|>", "<eos>", "<｜end▁of▁sentence｜>"),
)
_HEADERS = (
    *("<|im_start|>", "<|start_header_id|>", "<|begin_of_text|>", "<start_of_turn>", "<|start_of_role|>"),
    *("<|user|>", "<|assistant|>", "<｜User｜>", "<｜Assistant｜>", "[INST]", "[/INST]"),
)
_END = re.compile(rf"(?:\s*({'|'.join(map(re.escape, END_TOKENS))}))+\s*\Z")
_HEADER = re.compile("|".join(map(re.escape, _HEADERS)))


def ending_token(answer: str) -> re.Match[str] | None:
    """The end tokens in which an answer ends, the last in group 1; the `</s>` of an HTML element is none."""
    found = _END.search(answer)
    return None if found is not None and found[1] == "</s>" and "<s>" in answer else found


def header_in(text: str) -> str:
    """The first mark with which some template begins a turn, empty where there is none."""
    found = _HEADER.search(text)
    return found.group() if found else ""
