"""A completion as marked text: its thoughts apart from its answer, and what was read in it as the answer."""

from __future__ import annotations

import html
import re
from itertools import pairwise

from droid_tune import words
from droid_tune.events import TokenTrace
from ui.theme import Tokens, current_theme
from ui.widgets.parted_text import parted

#: where a part begins and ends, and its style
Styled = tuple[int, int, str]
#: how the reward `accuracy` says what it read
_READ = re.compile(r"answer read: (.+?)(?:, expected .*)?\Z", re.DOTALL)


def read_answer(reasons: dict[str, str]) -> str:
    """What a reward says that it read as the answer; empty where none says so."""
    for reason in reasons.values():
        found = _READ.match(reason)
        if found:
            return found.group(1)
    return ""


def marked(text: str, reasons: dict[str, str], tokens: Tokens, sought: str = "") -> str:
    """Rich text of a completion: thoughts in grey, the last place where the read answer stands in colour, and every place of
    what was looked for."""
    whole = parted(text)
    answer = read_answer(reasons)
    place = whole.said.rfind(answer) if answer else -1
    read = [(place, place + len(answer), _read_style(tokens))] if place >= 0 else []
    said = _styled(whole.said, [*read, *_places(whole.said, sought, tokens)])
    if not whole.thoughts:
        return said or "(empty)"
    head = f'<span style="color:{tokens.tertiary}">Thoughts</span><br>'
    shown = _styled(whole.thoughts, _places(whole.thoughts, sought, tokens))
    thoughts = f'<span style="color:{tokens.secondary}">{shown}</span>'
    tail = f'<br><br><span style="color:{tokens.tertiary}">Answer</span><br>{said}' if said else ""
    return f"{head}{thoughts}{tail}"


def with_sought(text: str, sought: str, tokens: Tokens) -> str:
    """Rich text in which every place of what was looked for stands out."""
    return _styled(text, _places(text, sought, tokens))


def _read_style(tokens: Tokens) -> str:
    return f"background-color:{tokens.accent_soft}; color:{tokens.accent}; font-weight:600"


def _places(text: str, sought: str, tokens: Tokens) -> list[Styled]:
    if not sought:
        return []
    found = re.finditer(re.escape(sought), text, re.IGNORECASE)
    return [(*one.span(), f"background-color:{tokens.warning_soft}") for one in found]


def _styled(text: str, styled: list[Styled]) -> str:
    """The text with (start, end, style) of parts, which may lie over each other: the later one's colours are above."""
    cuts = sorted({0, len(text), *(end for start, stop, _ in styled for end in (start, stop))})
    pieces: list[str] = []
    for start, end in pairwise(cuts):
        style = "; ".join(one for first, last, one in styled if first <= start and end <= last)
        shown = _escaped(text[start:end])
        pieces.append(f'<span style="{style}">{shown}</span>' if style else shown)
    return "".join(pieces)


def tinted(trace: TokenTrace, kind: str, advantage: float) -> str:
    """Rich text of a completion with each token on a ground as strong as its number, green above 0 and red below.

    `kind`: change (how much likelier the update made it), weighted (that times the advantage: above 0 it went the way it
    was meant to), entropy (how undecided the model is there, from 0 up).
    """
    factor = {"change": 1.0, "weighted": advantage, "entropy": 1.0}[kind]
    values = [factor * value for value in (trace.entropy if kind == "entropy" else trace.log_ratio)]
    most = max((abs(value) for value in values), default=0.0) or 1.0
    return "".join(
        _ground(_escaped(piece), value / most) for piece, value in zip(trace.pieces, values, strict=True)
    )


def _ground(shown: str, strength: float) -> str:
    theme = current_theme()
    color = theme.color("good" if strength >= 0 else "bad")
    ground = theme.color("surface")
    share = 0.6 * abs(strength)
    ends = zip(
        (color.red(), color.green(), color.blue()), (ground.red(), ground.green(), ground.blue()), strict=True
    )
    mixed = "".join(f"{round(share * of + (1 - share) * below):02x}" for of, below in ends)
    return f'<span style="background-color:#{mixed}">{shown}</span>'


def _escaped(text: str) -> str:
    """The text as it stands, whatever it holds, with its lines and spaces."""
    shown = html.escape(words.literal(text))
    return shown.replace("\n", "<br>").replace("  ", "&nbsp; ")
