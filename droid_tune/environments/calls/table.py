"""Which format of calls a chat template teaches, told by the marks in its source (as mlx-lm 0.32.2 does, and more)."""

from __future__ import annotations

import re
from collections.abc import Callable

from droid_tune.environments.calls.bare import LLAMA_JSON, PYTHONIC, PYTHONIC_TAGGED
from droid_tune.environments.calls.base import CallFormat
from droid_tune.environments.calls.deepseek_calls import DEEPSEEK, DEEPSEEK_V31
from droid_tune.environments.calls.gemma_calls import GEMMA, GEMMA4
from droid_tune.environments.calls.mistral_calls import MISTRAL, MISTRAL_ARGS
from droid_tune.environments.calls.pair_calls import GLM, LONGCAT, MINIMAX, QWEN3_CODER
from droid_tune.environments.calls.tagged import HERMES, KIMI

_TAG = re.compile(r"\{[%{].*?[%}]\}", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NAMED = re.compile(r"(?<![.\w])tools\b")


def has(*marks: str) -> Callable[[str], bool]:
    """Whether a template holds all marks; a line feed may be written as one or as two characters."""
    return lambda source: all(mark in source or mark.replace("\n", "\\n") in source for mark in marks)


#: the first that fits counts: those with marks of their own before those whose marks others use too
_TOLD_BY: tuple[tuple[Callable[[str], bool], CallFormat], ...] = (
    (has("<minimax:tool_call>"), MINIMAX),
    (has("<|tool_call>", "<tool_call|>"), GEMMA4),
    (has("<start_function_call>"), GEMMA),
    (has("<longcat_tool_call>"), LONGCAT),
    (has("<arg_key>"), GLM),
    (has("<|tool_call_start|>"), PYTHONIC_TAGGED),
    (has("<|tool_list_start|>"), PYTHONIC_TAGGED),
    (has("<tool_call>\n<function="), QWEN3_CODER),
    (has("<|tool_calls_section_begin|>"), KIMI),
    (has("[TOOL_CALLS]", "[ARGS]"), MISTRAL_ARGS),
    (has("[TOOL_CALLS]"), MISTRAL),
    (has("<｜tool▁call▁begin｜>", "```json"), DEEPSEEK),
    (has("<｜tool▁call▁begin｜>"), DEEPSEEK_V31),
    (has("<tool_call>"), HERMES),
    (has("func_name1(params_name1"), PYTHONIC),
    (has('"parameters"', "tool_call"), LLAMA_JSON),
    (has('\\"parameters\\"', "tool_call"), LLAMA_JSON),
    (has("<|python_tag|>"), LLAMA_JSON),
)


def format_of(template: str) -> CallFormat | None:
    """The format in which a template (its source) writes calls; None where it writes none that is known."""
    return next((one for told, one in _TOLD_BY if told(template)), None)


def shows_tools(template: str) -> bool:
    """Whether a template writes the tools that it is given; one that only writes calls does not."""
    return any(_NAMED.search(_QUOTED.sub("", tag)) for tag in _TAG.findall(template))
