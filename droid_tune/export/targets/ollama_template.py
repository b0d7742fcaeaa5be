"""A chat template in Ollama's own language: found by rendering conversations, and kept only where it renders them alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from droid_tune.data.rendering.templates.chat_template import ChatTemplate
from droid_tune.errors import UserError

_SYSTEM, _USER, _ANSWER, _AGAIN = "Sq8xv", "Uw5kz", "Ay3hq", "Vd7mj"
Turns = list[dict[str, str]]


@dataclass(frozen=True)
class TurnPieces:
    """What stands before and behind each role's text. `opening` comes first where no system text is given, `asking` last:
    it may be less, or more, than what stands before an answer that is there."""

    opening: str
    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    asking: str

    def render(self, turns: Turns) -> str:
        """As Ollama would, with the answer next."""
        wraps = {"system": self.system, "user": self.user, "assistant": self.assistant}
        text = "" if turns[0]["role"] == "system" else self.opening
        for turn in turns:
            before, behind = wraps[turn["role"]]
            text += before + turn["content"] + behind
        return text + self.asking

    def to_ollama(self) -> str:
        """In Go's template language, as a Modelfile has it."""
        roles = {"system": self.system, "user": self.user, "assistant": self.assistant}
        # No `{{-`: it would take the line feeds that stand before it.
        said = "{{ range .Messages }}"
        for number, (role, (before, behind)) in enumerate(roles.items()):
            test = "if" if number == 0 else "else if"
            said += f'{{{{ {test} eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{behind}'
        opening = f"{{{{ if not .System }}}}{self.opening}{{{{ end }}}}" if self.opening else ""
        return f"{opening}{said}{{{{ end }}}}{{{{ end }}}}{self.asking}"


@dataclass(frozen=True)
class _Told:
    """A template with what it is told besides the turns."""

    template: ChatTemplate
    switches: dict[str, Any]

    def rendered(self, turns: Any, *, answer_next: bool = True) -> str:
        return self.template.render(turns, answer_next=answer_next, switches=self.switches)


def ollama_template(
    template: ChatTemplate, beginning: str, switches: Mapping[str, Any] | None = None
) -> str | None:
    """The template in Ollama's language; None where it does not come apart into pieces, or has Go's own signs.

    `beginning` is the text of the token that the program itself puts before everything, `switches` what the template is
    told besides the turns.
    """
    told = _Told(template, dict(switches or {}))
    try:
        pieces = _pieces(told, beginning)
        for turns in _conversations():
            if beginning + pieces.render(turns) != _with_beginning(told.rendered(turns), beginning):
                return None
    except (UserError, ValueError):
        return None
    said = (pieces.opening, *pieces.system, *pieces.user, *pieces.assistant, pieces.asking)
    return None if any("{{" in piece or '"""' in piece for piece in said) else pieces.to_ollama()


def _pieces(template: _Told, beginning: str) -> TurnPieces:
    """Raises ValueError where a text is not found in what was rendered."""
    asked = template.rendered([_turn("user", _USER)]).removeprefix(beginning)
    longer = template.rendered([_turn("user", _USER), _turn("assistant", _ANSWER), _turn("user", _AGAIN)])
    first, behind = _split(asked, _USER)
    told, rest = _split(_split(longer, _USER)[1], _ANSWER)
    between, _ = _split(rest, _AGAIN)
    plain = template.rendered([_turn("user", _USER)], answer_next=False)
    user_end = _split(plain, _USER)[1]
    # An answer mostly ends as a question does; else what both questions begin with is theirs.
    user_before = between.removeprefix(user_end)
    if not first.endswith(user_before):
        user_before = _common_end(first, between)
    answer_end = between[: len(between) - len(user_before)]
    if not (behind.startswith(user_end) and told.startswith(user_end)):
        raise ValueError("the answer does not begin behind the turn")
    with_system = template.rendered([_turn("system", _SYSTEM), _turn("user", _USER)]).removeprefix(beginning)
    before, rest = _split(with_system, _SYSTEM)
    middle = _split(rest, _USER)[0]
    if not middle.endswith(user_before):
        raise ValueError("the system text is no turn of its own")
    return TurnPieces(
        opening=first[: len(first) - len(user_before)],
        system=(before, middle[: len(middle) - len(user_before)]),
        user=(user_before, user_end),
        assistant=(told[len(user_end) :], answer_end),
        asking=behind[len(user_end) :],
    )


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _with_beginning(text: str, beginning: str) -> str:
    return text if text.startswith(beginning) else beginning + text


def _split(text: str, at: str) -> tuple[str, str]:
    before, found, behind = text.partition(at)
    if not found:
        raise ValueError(at)
    return before, behind


def _common_end(one: str, other: str) -> str:
    """The longest text that both end with."""
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return one[len(one) - length :]


def _conversations() -> tuple[Turns, ...]:
    """What the pieces must render as the template does."""
    return (
        [_turn("user", "Hello")],
        [_turn("system", "Be brief."), _turn("user", "Hello")],
        [
            _turn("system", "Be brief."),
            _turn("user", "Hello"),
            _turn("assistant", "Hi"),
            _turn("user", "How are you?"),
            _turn("assistant", "Well."),
            _turn("user", "Good."),
        ],
    )
