"""Child: renders chat templates, which are programs that came with a model, within limits of time and size.

The templates see what transformers 5 gives them (`transformers.utils.chat_template_utils`): the same sandbox of Jinja's,
the same filters and globals. It is built here because importing that library takes a second, and this process none.
A line of JSON in, a line of JSON out. The kernel ends a template that computes too long (SIGPROF).
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, cast

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

Message = dict[str, Any]

#: characters of one text
MOST_CHARACTERS = 64 * 1024 * 1024
MOST_BYTES = 1024 * 1024 * 1024
#: names of a turn's thoughts, the standard one first
_THOUGHTS = ("reasoning_content", "thinking", "reasoning")


class TooMuchTextError(Exception):
    """A template wrote more than it may."""


class GenerationBlock(Extension):
    """`{% generation %}` marks what the model wrote; here the text inside it counts alone, and what is set inside it ends
    with it, as with transformers."""

    tags = {"generation"}  # noqa: RUF012 - jinja's own form

    def parse(self, parser: Parser) -> nodes.Node:
        """The statements between the marks."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class PlainDict:
    """`dict` without its attributes, which lead out of the sandbox."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        """`dict.fromkeys`."""
        return dict.fromkeys(*args)


class PlainNamespace(Namespace):
    """Jinja's namespace without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, args = args[0], args[1:]
        values = dict(*args, **kwargs)
        for name in values:
            _check_name(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        Namespace.__setitem__(self, name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace of a chat template cannot hold {name!r}")


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: Any = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _on_its_day(switches: Message) -> Message:
    """A day, where one is told, becomes the function that templates ask for it."""
    day = switches.get("strftime_now")
    return switches if day is None else {**switches, "strftime_now": datetime.fromisoformat(day).strftime}


def environment() -> ImmutableSandboxedEnvironment:
    """What every chat template runs in."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )
    made.filters["tojson"] = _as_json
    known = cast("dict[str, Any]", made.globals)
    known |= {
        "raise_exception": _refuse,
        "strftime_now": _now,
        "dict": PlainDict(),
        "namespace": PlainNamespace,
    }
    return made


class Renderer:
    """Keeps the templates that it was sent, by the numbers that the parent gave them."""

    def __init__(self) -> None:
        self._environment = environment()
        self._sources: dict[int, str] = {}
        self._templates: dict[int, Template] = {}

    def render(self, request: Message) -> list[Message]:
        """`{"text"}` or `{"refused"}` in the template's words for each of the `asked` beginnings of one conversation.

        Raises TooMuchTextError.
        """
        if "source" in request:
            self._sources[request["template"]] = request["source"]
        turns = [_with_thoughts(turn) for turn in request["turns"]]
        switches = _on_its_day(request["switches"])
        return [
            self._text(
                request["template"],
                turns[:count],
                {"add_generation_prompt": answer_next, **switches},
            )
            for count, answer_next in request["asked"]
        ]

    def _text(self, number: int, turns: list[Mapping[str, Any]], switches: Message) -> Message:
        if not turns:
            return {"refused": "there is no turn"}
        try:
            return {"text": _joined(self._template(number).generate(messages=turns, **switches))}
        except (TooMuchTextError, MemoryError):
            raise
        except Exception as error:  # whatever a template raises is its refusal of these turns
            return {"refused": str(error) or type(error).__name__}

    def _template(self, number: int) -> Template:
        if number not in self._templates:
            self._templates[number] = self._environment.from_string(self._sources[number])
        return self._templates[number]


def _joined(pieces: Iterable[str]) -> str:
    kept: list[str] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length > MOST_CHARACTERS:
            raise TooMuchTextError
    return "".join(kept)


def _with_thoughts(turn: Mapping[str, Any]) -> Mapping[str, Any]:
    """A turn's thoughts under the names that templates read them by."""
    thoughts = next((turn[name] for name in _THOUGHTS if turn.get(name) is not None), None)
    return turn if thoughts is None else {"thinking": thoughts, **turn, "reasoning_content": thoughts}


def answer(render: Callable[[Message], list[Message]], seconds: float, request: Message) -> Message:
    """`{"texts"}`, or `{"limit"}` where the template wanted too much. Beyond `seconds` this process ends."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return {"texts": render(request)}
    except TooMuchTextError:
        return {"limit": "text"}
    except MemoryError:
        return {"limit": "memory"}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def main() -> None:
    """Answer until the parent hangs up. The last argument: processor seconds that one conversation may take."""
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, MOST_BYTES)):
        if kind == resource.RLIMIT_CORE or sys.platform == "linux":  # macOS takes it and does not keep it
            resource.setrlimit(kind, (most, most))
    reply = partial(answer, Renderer().render, float(sys.argv[-1]))
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(reply(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
