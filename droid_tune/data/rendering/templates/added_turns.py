"""What a chat template adds behind an answer that the model has written: the turns of an environment, as text and tokens.

Nothing that was sampled is rendered again. The template shows the conversation up to the answer, and the same with the
turns that follow; what the second has behind the first is added. The token with which the model ended its turn stands in
the place of the template's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.rendering.encoding import encode
from droid_tune.data.rendering.fitting import fitted, switches_of
from droid_tune.data.rendering.guarding import Guard
from droid_tune.data.rendering.shapes import Note, TemplateOptions
from droid_tune.data.rendering.templates.chat_template import (
    PROBE,
    Asked,
    ChatTemplate,
    given,
    has_chat_template,
)
from droid_tune.data.rendering.thinking import TAGS, split_thoughts
from droid_tune.errors import UserError
from droid_tune.names import RewrittenHistory

#: what stands before tokens that are looked up alone, where the template ends no answer with a token
_ANCHOR = "\n"
_QUESTION: Message = {"role": "user", "content": "Yv3kj"}

REWRITTEN = Note(
    "history_rewritten",
    "The template shows earlier turns otherwise once others follow; the model goes on behind what it has written.",
)
RESTATED = Note(
    "calls_restated",
    "The template cannot show the model's turn as it was; what follows it is added as behind a plainer one.",
)

ENDLESS = Note(
    "turn_end_not_shown",
    "The template ends no turn with a token; the model's own stays where it wrote it.",
)
ENDED_OTHERWISE = Note(
    "turn_end_otherwise",
    "The template ends earlier turns by another token than the last one; the model's own stays where it wrote it.",
)


@dataclass(frozen=True)
class AddedTurns:
    """What follows an answer up to where the model answers again: `text` as rendered, its `tokens`; `note` says where the
    template showed the conversation otherwise than it went."""

    text: str
    tokens: list[int]
    note: Note | None = None


@dataclass(frozen=True)
class _Rendered:
    """Behind an answer: the control token that ended it as the template writes it ("" without one), and what follows."""

    end: str
    behind: str
    guard: Guard
    note: Note | None = None


class TurnAdder:
    """Renders the turns that an environment adds to a conversation, for one tokenizer and its template.

    `history`: what is done where a template rewrites earlier turns once others follow. Raises `UserError` where there is
    no chat template.
    """

    def __init__(
        self, tokenizer: Any, row: Row, options: TemplateOptions, history: RewrittenHistory = "keep"
    ) -> None:
        if not has_chat_template(tokenizer):
            raise UserError(
                "The model has no chat template, and without one it cannot be answered in turns",
                remedy="choose a model with a template, such as Qwen3",
            )
        self._tokenizer, self._history = tokenizer, history
        self._template = ChatTemplate.of(tokenizer)
        self._switches = switches_of(row, options, self._template, lambda _: None)

    def added(self, turns: Sequence[Message], answered: int, *, ended: bool) -> AddedTurns:
        """What is added behind the answer `turns[answered - 1]` for the turns after it; the model answers next.

        `ended`: the model wrote the token that ends its turn, else the template's is added too. Raises `UserError` where
        the template cannot show the turns, or rewrites what came before and that is not to be.
        """
        found, note = self._found(list(turns), answered)
        if note == REWRITTEN and self._history == "refuse":
            raise UserError(
                "The chat template shows earlier turns otherwise once others follow, so the model would later be shown "
                "something else than it has written",
                place="environment.rewritten_history",
                remedy="set `rewritten_history` to keep (the model goes on behind what it wrote), or choose another model",
            )
        shown, marks, literal = found.guard.show(found.end + found.behind, [len(found.end)])
        start = marks[0] if ended else 0
        note = note or (ENDLESS if ended and not found.end else None)
        return AddedTurns(shown[start:], self._tokens(shown, start, literal), note)

    def _found(self, turns: list[Message], answered: int) -> tuple[_Rendered, Note | None]:
        """By the conversation itself; where it is no extension of its beginning, by what stands behind a stand-in."""
        found, note, refused = self._difference(turns, answered)
        if found is not None:
            return found, note
        for plainer in _plainer(turns[answered - 1]):
            for history in (turns[: answered - 1], [_QUESTION]):
                behind = self._behind_either([*history, plainer, *turns[answered:]], len(history) + 1)
                if behind is not None:
                    return behind, note or behind.note
        raise refused or UserError(
            "The chat template does not add the environment's turns behind the model's",
            remedy="choose another model",
        )

    def _difference(
        self, turns: list[Message], answered: int
    ) -> tuple[_Rendered | None, Note | None, UserError | None]:
        """What the conversation has behind its beginning, whether it is shown as it went, and a refusal."""
        guard, texts = self._rendered(
            turns, [(answered - 1, True), (answered, False), (len(turns), True)], self._switches
        )
        refused = next((one for one in texts if isinstance(one, UserError)), None)
        if refused is not None:
            return None, RESTATED, refused
        prompt, before, after = map(given, texts)
        kept = after.startswith(prompt) and _keeps_thoughts(after[len(prompt) :], turns[answered - 1], guard)
        note = None if kept else REWRITTEN
        if not after.startswith(before):
            return None, note, None
        start, cut = self._ending(before)
        return _Rendered(before[start:cut], after[cut:], guard), note, None

    def _rendered(
        self, turns: list[Message], asked: Sequence[Asked], switches: dict[str, Any]
    ) -> tuple[Guard, list[str | UserError]]:
        fit = fitted(turns, self._template, lambda _: None)
        guard = Guard.over(self._template, fit, switches.get("tools"))
        hidden = {key: guard.hide(one) if key == "tools" else one for key, one in switches.items()}
        return guard, self._template.render_all(guard.hide(fit), asked, hidden)

    def _behind_either(self, turns: list[Message], answered: int) -> _Rendered | None:
        """What two conversations have in common behind two answers that differ in a letter; None where one is refused.

        The answer's end is found in what both have: the token with which the template ends it where it comes last.
        """
        (guard, found), (_, others) = (
            self._rendered(
                [*turns[: answered - 1], _with_letter(turns[answered - 1], letter), *turns[answered:]],
                [(answered, False), (len(turns), True)],
                self._switches,
            )
            for letter in "kq"
        )
        if any(isinstance(one, UserError) for one in (*found, *others)):
            return None
        before, one, other = given(found[0]), given(found[1]), given(others[1])
        same = sum(
            1
            for _ in takewhile(
                lambda pair: pair[0] == pair[1], zip(reversed(one), reversed(other), strict=False)
            )
        )
        common = one[len(one) - same :]
        start, cut = self._ending(before)
        end = before[start:cut]
        at = common.find(end or before[cut:]) if end or before[cut:] else 0
        if at < 0 and (other_end := self._template.control_pattern.match(common)):  # gpt-oss
            return _Rendered(other_end.group(), common[other_end.end() :], guard, ENDED_OTHERWISE)
        if at < 0 or not same:
            return None
        return _Rendered(end, common[at + len(end) :], guard)

    def _ending(self, rendered: str) -> tuple[int, int]:
        """Where the token that ends the last answer begins and ends; twice the same place where there is none.

        A template may write more behind it: Llama 3's first one always asks for the next answer.
        """
        known = self._template.end_in(rendered)
        if known is not None:
            return known
        found = list(self._template.control_pattern.finditer(rendered))
        if found and not rendered[found[-1].end() :].strip():
            return found[-1].span()
        cut = len(rendered.removesuffix(self._template.closing))
        return cut, cut

    def _tokens(self, text: str, start: int, literal: list[tuple[int, int]]) -> list[int]:
        """The tokens of `text[start:]` as they stand behind what comes before."""
        if not start:
            text, start = _ANCHOR + text, len(_ANCHOR)
            literal = [(first + start, last + start) for first, last in literal]
        found = encode(self._tokenizer, text, [start], literal=literal, controls=self._template.mark_ids)
        return [token for token, (first, _) in zip(found.tokens, found.spans, strict=True) if first >= start]


def _keeps_thoughts(shown: str, answer: Message, guard: Guard) -> bool:
    """Whether the thoughts of an answer, empty ones too, stand in what is shown of it."""
    thought, _ = split_thoughts(answer)
    if thought is None:
        return True
    return guard.hide(thought.strip()) in shown and any(mark in shown for mark in TAGS.values())


def _plainer(answer: Message) -> Iterator[Message]:
    """The answer as more and more templates can show it: without its words, with one call, without calls."""
    calls = list(answer.get("tool_calls") or [])
    if calls:
        yield {"role": "assistant", "content": "", "tool_calls": calls}
        yield {"role": "assistant", "content": "", "tool_calls": calls[:1]}
    yield {"role": "assistant", "content": PROBE}


def _with_letter(answer: Message, letter: str) -> Message:
    """The answer ended by `letter`, in its last call where it has one."""
    calls = list(answer.get("tool_calls") or [])
    if not calls:
        return {**answer, "content": PROBE + letter}
    function = {**calls[-1]["function"], "arguments": {"x": PROBE + letter}}
    return {**answer, "tool_calls": [*calls[:-1], {**calls[-1], "function": function}]}


def require_turns(tokenizer: Any, row: Row, options: TemplateOptions, *, tools: bool) -> None:
    """Refuse a model that cannot be shown what an environment answers. Raises `UserError`.

    `tools`: the answers are results of calls, else turns of a user.
    """
    call = {"type": "function", "function": {"name": "look", "arguments": {"at": "Qx8rv"}}}
    answer: Message = {"role": "assistant", "content": PROBE}
    if tools:
        answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    said: Message = {"role": "tool" if tools else "user", "content": "Wk5hz"}
    if tools:
        said["name"] = "look"
    try:
        found = TurnAdder(tokenizer, row, options).added([_QUESTION, answer, said], 2, ended=True)
        missing = "Wk5hz" not in found.text
    except UserError as error:
        raise UserError(
            f"The model's chat template cannot show what an environment answers: {error.message}",
            place="model.path",
            remedy="choose a model whose template knows tools, such as Qwen3",
        ) from None
    if missing:
        raise UserError(
            f"The model's chat template leaves out what {'a tool' if tools else 'an environment'} answers",
            place="model.path",
            remedy="choose a model whose template knows tools, such as Qwen3",
        )
