"""Calls whose arguments stand between marks, a name and a value each: Qwen3-Coder, GLM, LongCat, MiniMax.

mlx-lm 0.32.2 has readers of these too, which leave out what they cannot read: an argument that is not closed is dropped, and
the call made without it.
"""

from __future__ import annotations

import re

from droid_tune.environments.calls.argument_values import (
    MalformedCall,
    as_typed,
    once_each,
    parameter_schemas,
    require_plain,
)
from droid_tune.environments.calls.base import ReadBody, Tools, tagged
from droid_tune.environments.episode import ToolCall


def in_pairs(head: str, pair: str, shown: tuple[str, str], several: bool = False) -> ReadBody:
    """A reader of calls. `head` finds a call's name and what holds its arguments, `pair` a name and its value; `shown`
    says what either looks like. A value's type is the schema's; `several`: one call may follow the other."""
    heads, pairs = re.compile(head, re.DOTALL), re.compile(rf"\s*{pair}\s*", re.DOTALL)

    def one(name: str, rest: str, tools: Tools) -> ToolCall:
        types, found, at = parameter_schemas(tools, name), list[tuple[str, str]](), 0
        while rest[at:].strip():
            got = pairs.match(rest, at)
            if got is None:
                raise MalformedCall(f"has text that is no {shown[1]}")
            found.append((got[1], got[2]))
            at = got.end()
        arguments = once_each([(key, as_typed(value, types.get(key, {}))) for key, value in found])
        require_plain([name, arguments])
        return ToolCall(name, arguments)

    def read(body: str, tools: Tools) -> list[ToolCall]:
        made: list[ToolCall] = []
        while body.strip():
            got = heads.match(body) if several else heads.fullmatch(body)
            if got is None:
                raise MalformedCall(f"is no {shown[0]}")
            made.append(one(got[1], got[2], tools))
            body = body[got.end() :]
        if not made:
            raise MalformedCall(f"is no {shown[0]}")
        return made

    return read


QWEN3_CODER = tagged(
    "qwen3_coder",
    "<tool_call>",
    "</tool_call>",
    "<tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>\n</tool_call>",
    in_pairs(
        r"\s*<function=([^\s<>]+)>(.*)</function>\s*",
        r"<parameter=([^\s<>]+)>\n?(.*?)\n?</parameter>",
        ("<function=NAME>...</function>", "<parameter=NAME>...</parameter>"),
    ),
)


def _keyed(before: str) -> ReadBody:
    key, value = f"{before}arg_key", f"{before}arg_value"
    return in_pairs(
        r"\s*([^\s<>]+)\s*(.*)",
        rf"<{key}>\s*([^<>]+?)\s*</{key}>\s*<{value}>(.*?)</{value}>",
        (f"NAME and <{key}>", f"<{key}>KEY</{key}><{value}>VALUE</{value}>"),
    )


GLM = tagged(
    "glm47",
    "<tool_call>",
    "</tool_call>",
    "<tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>VALUE</arg_value>\n</tool_call>",
    _keyed(""),
)
LONGCAT = tagged(
    "longcat",
    "<longcat_tool_call>",
    "</longcat_tool_call>",
    "<longcat_tool_call>NAME\n<longcat_arg_key>KEY</longcat_arg_key>\n"
    "<longcat_arg_value>VALUE</longcat_arg_value>\n</longcat_tool_call>",
    _keyed("longcat_"),
)
MINIMAX = tagged(
    "minimax_m2",
    "<minimax:tool_call>",
    "</minimax:tool_call>",
    '<minimax:tool_call>\n<invoke name="NAME">\n<parameter name="KEY">VALUE</parameter>\n</invoke>\n</minimax:tool_call>',
    in_pairs(
        r'\s*<invoke name="([^"<>]+)">(.*?)</invoke>\s*',
        r'<parameter name="([^"<>]+)">(.*?)</parameter>',
        ('<invoke name="NAME">...</invoke>', '<parameter name="KEY">...</parameter>'),
        several=True,
    ),
)
