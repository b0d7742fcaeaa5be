"""A model's chat template: what it renders, with which token it ends a turn, which tokens are its own to write."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.rendering.templates.template_child import CHILDREN
from droid_tune.data.rendering.thinking import thinking_switches
from droid_tune.errors import UserError

#: how many turns, and whether the model answers next
Asked = tuple[int, bool]
#: An answer that no template holds, to see what a template writes behind an answer.
PROBE = "Zq7xw"
_PROBE_TURNS: list[Message] = [
    {"role": "user", "content": "Yv3kj"},
    {"role": "assistant", "content": PROBE},
]
_PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "f",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "description": "a"}},
            "required": ["a"],
        },
    },
}
#: Marks that are ordinary words of an answer although some tokenizers count them among the special tokens.
_WORDS = re.compile(r"[<\[]/?(think|thinking|answer)[>\]]", re.IGNORECASE)
#: What a row's own settings for the template cannot replace.
RESERVED = frozenset(
    (
        "conversation",
        "messages",
        "tools",
        "documents",
        "tokenize",
        "add_generation_prompt",
        "continue_final_message",
        "chat_template",
        "return_dict",
        "return_tensors",
        "return_assistant_tokens_mask",
        "sanitize_control_tokens",
        "padding",
        "truncation",
        "max_length",
        "tokenizer_kwargs",
        "strftime_now",
    )
)


def given(text: str | UserError) -> str:
    """A text that was rendered. Raises the refusal in its place."""
    if isinstance(text, UserError):
        raise text
    return text


def _refusal(why: object) -> UserError:
    return UserError(
        f"The model's chat template refuses the row: {why}",
        remedy="change the roles or their order, or choose another model",
    )


def is_jinja(tokenizer: Any) -> bool:
    """Whether a tokenizer's template is text that came with the model, which transformers renders."""
    base = getattr(sys.modules.get("transformers.tokenization_utils_base"), "PreTrainedTokenizerBase", None)
    return (
        base is not None and getattr(type(tokenizer), "apply_chat_template", None) is base.apply_chat_template
    )


def has_chat_template(tokenizer: Any) -> bool:
    """Whether messages can be rendered; without a template a prompt is plain text."""
    flag = getattr(tokenizer, "has_chat_template", None)
    return bool(flag) if flag is not None else bool(getattr(tokenizer, "chat_template", None))


def unwrapped(tokenizer: Any) -> Any:
    """The Hugging Face tokenizer inside mlx-lm's wrapper, or the tokenizer itself."""
    inner = getattr(tokenizer, "_tokenizer", None)
    return inner if hasattr(inner, "apply_chat_template") else tokenizer


@dataclass(frozen=True)
class ChatTemplate:
    """The template of one tokenizer, and what is found out about it by rendering."""

    tokenizer: Any
    source: str
    eos: str

    @staticmethod
    def of(tokenizer: Any) -> ChatTemplate:
        """The tokenizer's template as it is now; what was found out is kept with the tokenizer."""
        inner = unwrapped(tokenizer)
        source, eos = _source(inner), str(getattr(inner, "eos_token", None) or "")
        known = _KNOWN.get(inner)
        if known is None or (known.source, known.eos) != (source, eos):
            known = _KNOWN[inner] = ChatTemplate(_renderer(tokenizer), source, eos)
        return known

    def render(self, turns: list[Message], *, answer_next: bool, switches: Mapping[str, Any]) -> str:
        """The conversation as text. Raises `UserError` when the template refuses it."""
        return given(self.render_all(turns, [(len(turns), answer_next)], switches)[0])

    def render_all(
        self, turns: list[Message], asked: Sequence[Asked], switches: Mapping[str, Any]
    ) -> list[str | UserError]:
        """The texts of several beginnings of a conversation, refusals in their places.

        Raises `TemplateLimitError` where the template takes more time or memory than it may.
        """
        if is_jinja(self.tokenizer):
            return self._rendered_apart(turns, asked, switches)
        return [self._rendered_here(turns[:count], answer_next, switches) for count, answer_next in asked]

    def _rendered_here(
        self, turns: list[Message], answer_next: bool, switches: Mapping[str, Any]
    ) -> str | UserError:
        told = {key: value for key, value in switches.items() if key != "strftime_now"}  # of Jinja's alone
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    turns, tokenize=False, add_generation_prompt=answer_next, **told
                )
            )
        except Exception as error:
            # A template is a program of the model's; whatever it raises is its refusal of these turns.
            return _refusal(error)

    def _rendered_apart(
        self, turns: list[Message], asked: Sequence[Asked], switches: Mapping[str, Any]
    ) -> list[str | UserError]:
        """What transformers' `apply_chat_template` gives, from a child process."""
        try:
            source: str = self.tokenizer.get_chat_template(None, switches.get("tools"))
        except ValueError as error:  # several templates and none for this
            return [_refusal(error)] * len(asked)
        told = [{key: value for key, value in turn.items() if value is not None} for turn in turns]
        known = {"documents": None, "tools": None, **self.tokenizer.special_tokens_map, **switches}
        replies = CHILDREN.render(source, {"turns": told, "asked": asked, "switches": known})
        return [one["text"] if "text" in one else _refusal(one["refused"]) for one in replies]

    @cached_property
    def _probed(self) -> str:
        try:
            return self.render(_PROBE_TURNS, answer_next=False, switches={})
        except UserError:
            return ""

    @property
    def end(self) -> str:
        """The token with which the template ends an answer, empty where it writes none: the last of those that close it
        wherever it stands (Kimi K3 closes the text, the message, then the turn), the first where the whole text is closed too.
        """
        return self._end[0]

    def end_in(self, text: str) -> tuple[int, int] | None:
        """Where that token begins and ends in a text that ends as answers of the template do; None of any other text."""
        token, stop = self._end
        if not token or not text.endswith(self.closing):
            return None
        stop += len(text) - len(self.closing)
        return stop - len(token), stop

    @cached_property
    def _end(self) -> tuple[str, int]:
        """The token that ends an answer, and where it ends in `closing`."""
        begin = getattr(self.tokenizer, "bos_token", None)
        texts = [text for text in self._added if text != begin or text == self.eos]
        found = list(_any_of(text for text in texts if not _WORDS.fullmatch(text)).finditer(self.closing))
        if not found:
            return "", 0
        shown = [one for one in found if self._between.startswith(self.closing[: one.end()])] or found[:1]
        # Command closes the text first
        chosen = next((one for one in reversed(shown) if one.group() == self.eos), shown[-1])
        if chosen.group() != self.eos and not self._between.startswith(self.closing.rstrip()):
            chosen = shown[0]
        return chosen.group(), chosen.end()

    @property
    def end_id(self) -> int | None:
        """The id of that token; None where there is none, or where it is spelt in ordinary tokens."""
        return self.ids.get(self.end)

    @cached_property
    def _between(self) -> str:
        """What stands behind an answer that is not the last: Phi closes the whole text behind the last one."""
        try:
            return self.render([*_PROBE_TURNS, _PROBE_TURNS[0]], answer_next=False, switches={}).rpartition(
                PROBE
            )[2]
        except UserError:
            return ""

    @cached_property
    def switches_thinking(self) -> bool:
        """Whether the template asks for an answer in another way where thinking is switched off."""
        try:
            asked = [
                self.render(_PROBE_TURNS[:1], answer_next=True, switches=thinking_switches(one, self.source))
                for one in ("on", "off")
            ]
        except UserError:
            return True
        return asked[0] != asked[1]

    @cached_property
    def wants_text_arguments(self) -> bool:
        """Whether arguments of calls have to be their JSON's text: the template refuses them as an object."""

        def refused(arguments: Any) -> bool:
            call = {"type": "function", "id": "call00001", "function": {"name": "f", "arguments": arguments}}
            turn: Message = {"role": "assistant", "content": "", "tool_calls": [call]}
            try:
                self.render([_PROBE_TURNS[0], turn], answer_next=False, switches={"tools": [_PROBE_TOOL]})
            except UserError:
                return True
            return False

        return refused({"a": 1}) and not refused('{"a": 1}')

    @cached_property
    def header(self) -> str:
        """What the template writes to ask for an answer, empty where it writes nothing or something else altogether."""
        try:
            asked, read = (
                self.render(_PROBE_TURNS[:-1], answer_next=one, switches={}) for one in (True, False)
            )
        except UserError:
            return ""
        return asked.removeprefix(read) if asked.startswith(read) else ""

    @cached_property
    def closing(self) -> str:
        """What the template writes behind a last answer where it is no token (a line feed)."""
        return self._probed.rpartition(PROBE)[2]

    @cached_property
    def _added(self) -> list[str]:
        """Texts of all tokens that stand beside the vocabulary of ordinary text."""
        added = getattr(self.tokenizer, "added_tokens_decoder", None) or {}
        texts = [str(token) for token in added.values()]
        return [text for text in dict.fromkeys([*texts, self.eos]) if text and not text.isspace()]

    @cached_property
    def controls(self) -> list[str]:
        """Texts of the tokens that only the template may write: inside a row's text they are text."""
        added = getattr(self.tokenizer, "added_tokens_decoder", None) or {}
        special = {str(token) for token in added.values() if token.special} | {self.eos, self.end}
        special |= {text for text in self._added if text in self._probed}
        return [text for text in self._added if text in special and not _WORDS.fullmatch(text)]

    @cached_property
    def control_pattern(self) -> re.Pattern[str]:
        return _any_of(self.controls)

    @cached_property
    def marks(self) -> list[str]:
        """The control tokens, and the other tokens of the tokenizer's own that the template writes, such as the marks
        around a tool's answer: inside what a tool said they are text too."""
        known = set(self.controls)
        return [text for text in self._added if text in known or text in self.source]

    @cached_property
    def mark_pattern(self) -> re.Pattern[str]:
        return _any_of(self.marks)

    @cached_property
    def mark_ids(self) -> dict[str, int]:
        """Token ids of the marks."""
        return self._ids_of(self.marks)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token ids of the control tokens."""
        return self._ids_of(self.controls)

    def _ids_of(self, texts: Sequence[str]) -> dict[str, int]:
        added = getattr(self.tokenizer, "added_tokens_decoder", None) or {}
        wanted = set(texts)
        return {str(token): int(number) for number, token in added.items() if str(token) in wanted}


_KNOWN: WeakKeyDictionary[Any, ChatTemplate] = WeakKeyDictionary()


def _any_of(texts: Any) -> re.Pattern[str]:
    """Any of the texts, the longest first; nothing where there is none."""
    ordered = sorted({text for text in texts if text}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)")


def _source(tokenizer: Any) -> str:
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        return "\n".join(map(str, template.values()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(template or "")


def _renderer(tokenizer: Any) -> Any:
    """Who renders: mlx-lm's wrapper only where it has a template of its own, written in Python.

    For templates in Jinja the wrapper sets the thinking switch itself, other programs do not.
    """
    own = getattr(tokenizer, "_chat_template", None)
    return tokenizer if own is not None and unwrapped(tokenizer) is not tokenizer else unwrapped(tokenizer)
