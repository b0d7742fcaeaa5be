"""From rendered text to tokens: of the whole text where its boundaries fall between tokens, else cut there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from droid_tune.data.rendering.templates.chat_template import unwrapped

Span = tuple[int, int]


@dataclass(frozen=True)
class Encoded:
    """Tokens, and the part of the text that each is of (`(0, 0)` for one that the tokenizer put before the text)."""

    tokens: list[int]
    spans: list[Span]

    def later(self, by: int) -> Encoded:
        return Encoded(self.tokens, [(start + by, end + by) for start, end in self.spans])

    def __add__(self, other: Encoded) -> Encoded:
        return Encoded(self.tokens + other.tokens, self.spans + other.spans)


def encode(
    tokenizer: Any,
    text: str,
    boundaries: Sequence[int] = (),
    *,
    literal: Sequence[Span] = (),
    controls: Mapping[str, int] | None = None,
    add_start: bool = False,
) -> Encoded:
    """The text's tokens, none of which reaches over a boundary.

    What stands before a boundary has the tokens that it has alone: it is a prompt, and the model answers behind it.
    `literal` are places of control tokens (text to id in `controls`) that are to be text. `add_start`: with the
    tokens that the tokenizer puts before a text, unless the text begins with them already.
    """
    fast = unwrapped(tokenizer)
    if not getattr(fast, "is_fast", False):
        return _apart(tokenizer, text, boundaries, add_start=add_start)
    begin = getattr(fast, "bos_token", None)
    whole = _encoded(fast, text, add_start=add_start and not (begin and text.startswith(begin)))
    if literal:
        whole = _as_text(fast, whole, text, literal, set((controls or {}).values()))
    return _cut(
        fast, whole, text, sorted({place for place in boundaries if 0 < place < len(text)}), literal, controls
    )


def _cut(
    fast: Any,
    whole: Encoded,
    text: str,
    boundaries: list[int],
    literal: Sequence[Span],
    controls: Mapping[str, int] | None,
) -> Encoded:
    torn = next((place for place in boundaries if not _between(whole, place)), None)
    if torn is None:
        return whole
    begins = [token for token, span in zip(whole.tokens, whole.spans, strict=True) if span == (0, 0)]
    own = bool(begins) and whole.tokens[: len(begins)] == begins
    first = [span for span in literal if span[1] <= torn]
    rest = [(start - torn, end - torn) for start, end in literal if start >= torn]
    ids = set((controls or {}).values())
    left = _as_text(fast, _encoded(fast, text[:torn], add_start=own), text[:torn], first, ids)
    right = _as_text(fast, _continued(fast, text[torn:]), text[torn:], rest, ids)
    later = [place - torn for place in boundaries if place > torn]
    return left + _cut(fast, right, text[torn:], later, rest, controls).later(torn)


def _between(encoded: Encoded, place: int) -> bool:
    """Whether a place falls between two tokens, and no part of the text before it is a later token's."""
    before = [span for span in encoded.spans if span[0] < place]
    behind = encoded.spans[len(before) :]
    return (
        all(end <= place for _, end in before)
        and all(start >= place for start, _ in behind)
        and max((end for _, end in before), default=0) == place
    )


def _encoded(fast: Any, text: str, *, add_start: bool = False) -> Encoded:
    found = fast(text, add_special_tokens=add_start, return_offsets_mapping=True, verbose=False)
    tokens, spans = list(found["input_ids"]), [tuple(span) for span in found["offset_mapping"]]
    # Some tokenizers close every text too; a text is closed once, by who renders it.
    while add_start and len(tokens) > 1 and spans[-1] == (0, 0) and tokens[-1] == fast.eos_token_id:
        tokens.pop()
        spans.pop()
    return Encoded(tokens, spans)


def _continued(fast: Any, text: str) -> Encoded:
    """A text that goes on behind another one: without the space that some tokenizers put before every text."""
    for anchor in ("\n", "."):
        alone, both = _encoded(fast, anchor), _encoded(fast, anchor + text)
        count = len(alone.tokens)
        if both.tokens[:count] == alone.tokens and all(
            start >= len(anchor) for start, _ in both.spans[count:]
        ):
            return Encoded(both.tokens[count:], both.spans[count:]).later(-len(anchor))
    return _encoded(fast, text)


def _as_text(fast: Any, whole: Encoded, text: str, literal: Sequence[Span], controls: set[int]) -> Encoded:
    """The tokens with those at `literal` places spelt out."""
    if not literal:
        return whole
    tokens: list[int] = []
    spans: list[Span] = []
    for token, (start, end) in zip(whole.tokens, whole.spans, strict=True):
        inside = token in controls and any(start <= a and b <= end for a, b in literal)
        spelt = _spelt(fast, text[start:end], controls) if inside else [token]
        tokens += spelt
        spans += [(start, end)] * len(spelt)
    return Encoded(tokens, spans)


def _spelt(fast: Any, text: str, controls: set[int]) -> list[int]:
    """A control token's text in ordinary tokens."""
    newline = _encoded(fast, "\n").tokens
    found = list(fast.encode("\n" + text, add_special_tokens=False, split_special_tokens=True))
    found = found[len(newline) :] if found[: len(newline)] == newline else found
    if not controls.intersection(found):
        return found
    # Not special to the tokenizer, but one of its own all the same: no part of it is.
    return [token for letter in text for token in _continued(fast, letter).tokens]


def _apart(tokenizer: Any, text: str, boundaries: Sequence[int], *, add_start: bool) -> Encoded:
    """For tokenizers that do not say where a token lies: the parts between the boundaries, each by itself."""
    places = [0, *sorted({place for place in boundaries if 0 < place < len(text)}), len(text)]
    found = Encoded([], [])
    for start, end in pairwise(places):
        first = add_start and not found.tokens
        tokens = list(tokenizer.encode(text[start:end], add_special_tokens=first))
        if first and tokens[-1:] == [tokenizer.eos_token_id] and end < len(text):
            tokens.pop()
        found += Encoded(tokens, [(start, end)] * len(tokens))
    return found
