"""One row behind its model's template: the prompt at any turn, and what the model would write behind it.

All texts here hold private characters where the row's own text holds control tokens (`Guard`); `Guard.show` gives the
text as it stands.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

from droid_tune.data.formats.base import Row
from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.rendering import thinking
from droid_tune.data.rendering.fitting import fitted, is_learnt, switches_of
from droid_tune.data.rendering.guarding import Guard
from droid_tune.data.rendering.shapes import Note, TemplateOptions
from droid_tune.data.rendering.templates.chat_template import PROBE, Asked, ChatTemplate, given
from droid_tune.data.rendering.turns import RowTurns
from droid_tune.errors import UserError


class Conversation:
    """The turns of a row as its template reads them. Raises `UserError` where the template cannot show the row."""

    def __init__(self, template: ChatTemplate, row: Row, turns: RowTurns, options: TemplateOptions) -> None:
        self.template = template
        self.notes: dict[str, Note] = {}
        switches = switches_of(row, options, template, self.tell)
        fit = fitted(turns.turns, template, self.tell)
        self.guard = Guard.over(template, fit, switches.get("tools"))
        self.turns: list[Message] = self.guard.hide(fit)
        self.switches: dict[str, Any] = {**switches, **self._hidden_tools(switches)}
        self.read, self.begun = turns.read, self.guard.hide(turns.begun)
        self._texts: dict[Asked, str | UserError] = {}
        self._learnt = [turn["role"] == "assistant" and is_learnt(turn) for turn in turns.turns]

    def _hidden_tools(self, switches: dict[str, Any]) -> dict[str, Any]:
        return {"tools": self.guard.hide(switches["tools"])} if "tools" in switches else {}

    def tell(self, note: Note) -> None:
        self.notes.setdefault(note.code, note)

    # -- which turns ------------------------------------------------------------------------------

    def to_learn(self) -> list[int]:
        """The places of the turns to imitate. Raises `UserError` where there is none."""
        answers = [place for place, turn in enumerate(self.turns) if turn["role"] == "assistant"]
        places = [place for place in answers if place >= self.read and self._learnt[place]]
        if any(not self._learnt[place] for place in answers):
            self.tell(
                Note("turn_not_learnt", "Turns marked `weight` 0 or `train` false are read, not learnt.")
            )
        if places and places[0] == 0 and not self.begun:
            self.tell(
                Note(
                    "begins_with_answer",
                    "The conversation begins with the model's turn: it is read, not learnt.",
                )
            )
            places = places[1:]
        if not places:
            raise UserError(
                "The row has no answer to learn", remedy="add an assistant's turn, or remove the row"
            )
        if places[-1] < len(self.turns) - 1:
            self.tell(Note("turns_after_answer", "Turns behind the last answer that is learnt are not used."))
        return places

    # -- texts ------------------------------------------------------------------------------------

    def _rendered(self, count: int, *, answer_next: bool, last: Message | None = None) -> str:
        if last is not None and last is not self.turns[count - 1]:
            turns = [*self.turns[: count - 1], last]
            return self.template.render(turns, answer_next=answer_next, switches=self.switches)
        if (count, answer_next) not in self._texts:
            asked = self._foreseen(count, answer_next)
            self._texts |= zip(asked, self.template.render_all(self.turns, asked, self.switches), strict=True)
        return given(self._texts[count, answer_next])

    def _foreseen(self, count: int, answer_next: bool) -> list[Asked]:
        """One text, and where it asks for an answer what will be asked for next: one way to the template, not many."""
        later = range(count, len(self.turns)) if answer_next else ()
        answers = [place for place in later if self._learnt[place]]
        pairs = [one for place in answers for one in ((place, True), (place + 1, False))]
        return list(dict.fromkeys([(count, answer_next), *pairs]))

    def prompt(self, count: int, begun: str = "") -> str:
        """What the model reads before it answers the first `count` turns; `begun` is its answer's beginning."""
        text = self._rendered(count, answer_next=True)
        self._check_tools(text)
        open_thought = thinking.opens_thought(text)
        if begun and open_thought and begun.lstrip().startswith(open_thought.group(1)):
            begun = begun.lstrip().removeprefix(open_thought.group(1)).lstrip("\n")
        if not text + begun:
            raise UserError(
                "The model's chat template writes nothing of the row, so the model would read nothing",
                remedy="choose another model, or mend its chat template",
            )
        return text + begun

    def answer(self, place: int) -> tuple[str, str]:
        """`(prompt, what the model would write behind it, up to its end token)` for the turn at `place`."""
        if self.begun and place == self.read:
            return self._begun_answer(place)
        prompt, turn = self.prompt(place), self.turns[place]
        thought, said = thinking.split_thoughts(turn)
        self._check_thoughts(turn, thought, said)
        if thought is not None and thinking.closes_thought(prompt):
            self.tell(
                Note("thoughts_left_out", "Thinking is switched off: thoughts of answers are not learnt.")
            )
            thought, turn = None, thinking.without_thoughts(turn)
        whole = self._rendered(place + 1, answer_next=False, last=turn)
        behind = _behind(prompt, whole, thought, thinking.opener_of(self.template.source))
        behind = behind or self._behind_moved(prompt, whole, place, thought)
        prompt, behind = self._behind_header(prompt, behind, place)
        written = self._ended(behind)
        self._check_said(written, turn, said)
        return prompt, written

    def _behind_moved(self, prompt: str, whole: str, place: int, thought: str | None) -> str:
        """The answer where the template renders the turns before it otherwise once it is there (Mistral's moves the
        system text): what stands behind the last thing read and the same words as the prompt ends with."""
        probe = {"role": "assistant", "content": PROBE}
        other = self._rendered(place + 1, answer_next=False, last=probe)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(whole, other, strict=False)))
        unanswered = whole[:same]
        last_read = str(self.turns[place - 1]["content"]).strip()
        key = prompt[prompt.rfind(last_read) :] if last_read and last_read in prompt else ""
        end = unanswered.rfind(key) if key else -1
        opener = thinking.opener_of(self.template.source)
        found = _behind(key, whole[end:], thought, opener) if end >= 0 else None
        if found is None and self._asks_in(unanswered, place) and self._ends_once(whole[same:]):
            found = whole[same:]
        if found is None:
            raise UserError(
                "The chat template renders this answer otherwise than it asks for it, so the model would never write "
                "it",
                remedy="choose another thinking setting or model, or remove the row",
            )
        return found

    def _asks_in(self, unanswered: str, place: int) -> bool:
        """Whether that text ends as the template asks for an answer behind the turns before `place`: Hermes writes a
        line feed behind a tool's result once another turn follows."""
        asked, read = (self._rendered(place, answer_next=one) for one in (True, False))
        header = asked.removeprefix(read) if asked.startswith(read) else ""
        return bool(header) and unanswered.endswith(header)

    def _ends_once(self, written: str) -> bool:
        """Whether nothing but the end of its turn stands behind an answer: Command R+ writes its instructions there."""
        end = self.template.end or self.template.eos
        return bool(end) and written.count(end) == 1 and written.rstrip().endswith(end)

    def _behind_header(self, prompt: str, behind: str, place: int) -> tuple[str, str]:
        """Of two answers in a row the second one's header is read, where the template asks for none behind an answer."""
        header = self.template.header if place and self.turns[place - 1]["role"] == "assistant" else ""
        before, found, rest = behind.partition(header) if header else (behind, "", "")
        return (prompt + before + found, rest) if found else (prompt, behind)

    def _begun_answer(self, place: int) -> tuple[str, str]:
        """The rest of an answer whose beginning stands in the prompt already."""
        prompt, turn = self.prompt(place, self.begun), self.turns[place]
        whole = self._rendered(place + 1, answer_next=False)
        if whole.startswith(prompt):
            return prompt, self._ended(whole.removeprefix(prompt))
        rest = str(turn["content"]).removeprefix(self.begun)
        return prompt, rest + (self.template.end or self.template.eos)

    def _ended(self, written: str) -> str:
        """Up to and with the token that ends the turn; the end of all text where the template has none."""
        template = self.template
        known = template.end_in(written)
        if known is not None:
            return written[: known[1]]
        if template.end and template.end in written:
            return written[: written.rindex(template.end) + len(template.end)]
        bare = written.rstrip()
        if any(bare.endswith(control) for control in template.controls if not _CLOSES_A_PART.match(control)):
            return bare
        return written.removesuffix(template.closing) + template.eos

    # -- checks -----------------------------------------------------------------------------------

    def _check_tools(self, text: str) -> None:
        names = [tool["function"].get("name") for tool in self.switches.get("tools") or []]
        if names:
            text = _without(text, [str(turn.get("content") or "") for turn in self.turns])
        _all_stand(names, text, "leaves out the tool", "choose a model that knows tools, or remove `tools`")

    def _check_thoughts(self, turn: Message, thought: str | None, said: str) -> None:
        """Tell of answers that teach to stop before anything is answered."""
        if thinking.never_ends(said):
            self.tell(
                Note(
                    "thoughts_never_end",
                    "The thoughts of an answer never end: the model learns to stop in the midst of them. Remove such rows.",
                )
            )
        elif thought is not None and not thinking.knows_thoughts(self.template.source):
            self.tell(
                Note(
                    "thoughts_in_marks",
                    "The chat template knows no thoughts: those of answers are learnt between `<think>` and `</think>`.",
                )
            )
        if thought is not None and not said.strip() and not turn.get("tool_calls"):
            self.tell(
                Note(
                    "only_thoughts",
                    "An answer holds thoughts alone: the model learns to end without an answer.",
                )
            )

    def _check_said(self, written: str, turn: Message, said: str) -> None:
        """Raise `UserError` where the template leaves out an answer or one of its calls."""
        calls = turn.get("tool_calls") or []
        names = [call["function"].get("name") for call in calls]
        beside = _without(written, [said]) if calls else written
        _all_stand(
            names, beside, "leaves out the call of", "choose a model that knows tools, or remove the row"
        )
        if said.strip() in written:
            return
        if not calls:
            shown = self.guard.show(said.strip(), [])[0]
            raise UserError(
                "The chat template leaves out an answer of this conversation",
                value=shown if len(shown) <= 60 else f"{shown[:57]}...",
                remedy="choose another model, or take its marks out of the answer",
            )
        self.tell(Note("text_left_out", "The template leaves out what an answer says beside its tool call."))

    def check_read(self, text: str, count: int) -> None:
        """Tell of turns whose words the template leaves out of what is read."""
        for turn in self.turns[:count]:
            _, said = thinking.split_thoughts(turn)
            if turn["role"] != "tool" and said.strip() not in text:
                self.tell(
                    Note("turn_left_out", f"The template leaves out the text of a turn ({turn['role']}).")
                )


#: what closes a call or a thought ends no turn
_CLOSES_A_PART = re.compile(r"</(?!s>)")


def _behind(prompt: str, whole: str, thought: str | None, opener: str) -> str | None:
    """What the template adds behind its own prompt, None where the whole is no extension of it.

    Where the prompt opens a thought (or closes one) that the template does not write again, the thoughts are written
    as a model goes on behind such a prompt.
    """
    opened = thinking.opens_thought(prompt)
    if whole.startswith(prompt):
        written = whole.removeprefix(prompt)
        lost = thought is not None and thought.strip() and thought.strip() not in written
        if opened and (lost or not thinking.goes_on(written)):
            return thinking.behind_opened(thought or "", written, opened.group(1))
        return thinking.filled(thought or "", written, opener) if lost else written
    mark = opened or thinking.closes_thought(prompt)
    if mark is None or not whole.startswith(prompt[: mark.start()]):
        return None
    written = whole[mark.start() :]
    if opened:
        return thinking.behind_opened(thought or "", written, mark.group(1))
    return thinking.behind_block(written)


def _without(text: str, said: list[str]) -> str:
    """A text without what turns say, each once: a tool that somebody speaks of is not shown by that."""
    for one in filter(None, map(str.strip, said)):
        text = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", lambda _: " ", text, count=1)
    return text


def _all_stand(names: list[Any], text: str, what: str, remedy: str) -> None:
    """Each name stands in the text as a word of its own; a tool may be called `f`."""
    for name in names:
        if not isinstance(name, str) or not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            raise UserError(f"The chat template {what} `{name}`", remedy=remedy)
