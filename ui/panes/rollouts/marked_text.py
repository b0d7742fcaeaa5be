"""A completion as marked text: its thoughts apart from its answer, and what was read in it as the answer."""

from __future__ import annotations

import re

from droid_tune.events import TokenTrace
from ui.theme import Tokens, current_theme
from ui.widgets.texts.parted_text import parted
from ui.widgets.texts.styled_text import escaped, sought_places, styled

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
    said = styled(whole.said, [*read, *sought_places(whole.said, sought, tokens)])
    if not whole.thoughts:
        return said or "(empty)"
    head = f'<span style="color:{tokens.tertiary}">Thoughts</span><br>'
    shown = styled(whole.thoughts, sought_places(whole.thoughts, sought, tokens))
    thoughts = f'<span style="color:{tokens.secondary}">{shown}</span>'
    tail = f'<br><br><span style="color:{tokens.tertiary}">Answer</span><br>{said}' if said else ""
    return f"{head}{thoughts}{tail}"


def _read_style(tokens: Tokens) -> str:
    return f"background-color:{tokens.accent_soft}; color:{tokens.accent}; font-weight:600"


def tinted(trace: TokenTrace, kind: str, advantage: float) -> str:
    """Rich text of a completion with each token on a ground as strong as its number, green above 0 and red below.

    `kind`: change (how much likelier the update made it), weighted (that times the advantage: above 0 it went the way it
    was meant to), entropy (how undecided the model is there, from 0 up).
    """
    factor = {"change": 1.0, "weighted": advantage, "entropy": 1.0}[kind]
    values = [factor * value for value in (trace.entropy if kind == "entropy" else trace.log_ratio)]
    most = max((abs(value) for value in values), default=0.0) or 1.0
    return "".join(
        _ground(escaped(piece), value / most) for piece, value in zip(trace.pieces, values, strict=True)
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
