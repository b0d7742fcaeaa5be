"""Numbers as people read them: durations, sizes, metric values, and text with nothing hidden in it."""

from __future__ import annotations

import re
import time
import unicodedata

#: how a legend says a solid line, one of dashes, of dots, and of both
LINE_SIGNS = ("———", "– –", "···", "–·–", "–··")
YEAR_S, MOST_YEARS = 31_557_600, 1000
#: invisible characters that steer the direction or join of text
_STEERING = {"Cf", "Co", "Cs", "Cn", "Zl", "Zp"}


#: of 61 characters and more, with nowhere to break a line
_LONG_WORD = re.compile(r"([^\s/]{32})[^\s/]{5,}([^\s/]{24})")
_CODE = re.compile(r"`([^`\n]+)`")
_SLOT = re.compile(r"\{(\w+)\}")


def filled(template: str, **values: str) -> str:
    """A template with its `{names}` filled in, all at once: a value may hold braces itself. Names without one stay."""
    return _SLOT.sub(lambda found: values.get(found[1], found[0]), template)


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 10 min`, `3 d 4 h`, `120 d`, `49 years`; the longer, the coarser."""
    if not seconds < MOST_YEARS * YEAR_S:  # NaN too
        return f"more than {MOST_YEARS:,} years"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 10:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    hours = round(whole / 3600)
    if hours < 48:
        return f"{hours} h"
    days, hours = divmod(hours, 24)
    if days < 14:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{days} d" if days < 730 else f"{round(whole / YEAR_S):,} years"


def share(part: float, digits: int = 0) -> str:
    """A share of 1 in percent: `12%`, `under 1%`; `12.5%` where it is told to one of the `digits`, and then `12%` for 0.12."""
    percent, least = 100 * part, 10.0**-digits
    return f"under {least:g}%" if 0 < percent < least else f"{round(percent, digits):g}%"


def pace(seconds: float) -> str:
    """`0.26 s`, `4.2 s`, `4 min 50 s`."""
    return f"{seconds:.2g} s" if seconds < 10 else duration(seconds)


def size(count: float) -> str:
    """Bytes in the units of the Finder (powers of 1000)."""
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit in ("bytes", "KB") or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def energy(joules: float) -> str:
    """`0.4 Wh`, `85 Wh`, `1.3 kWh`."""
    hours = joules / 3600
    return (
        f"{hours / 1000:.1f} kWh"
        if hours >= 999.5
        else f"{hours:.0f} Wh"
        if hours >= 10
        else f"{hours:.1g} Wh"
    )


def number(value: float) -> str:
    """Four significant places at most, without trailing noise: `0.0125`, `3.2e-05`, `12,345`."""
    if value == 0:
        return "0"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    if abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.4g}"


def metric(name: str, value: float | None) -> str:
    """A metric's value with its unit, `-` where there is none."""
    if value is None:
        return "–"
    from droid_tune.metrics import describe  # `droid-tune --help` does without the catalogue

    unit = describe(name).unit
    if unit == "share":
        return share(value, 1)
    if unit == "bytes":
        return size(value)
    if unit == "s":
        return pace(value)
    return f"{number(value)} {unit}".rstrip()


def advantage(value: float | None) -> str:
    """How much better than its group a completion is; None where it was not trained on."""
    return "not trained on" if value is None else f"{value:+.2f}"


#: what a run does in each of its phases
PHASES = {
    "load": "loading the model",
    "prepare": "looking through the rows",
    "rollout": "sampling completions",
    "reward": "scoring completions",
    "update": "learning",
    "evaluate": "answering held-out rows",
    "save": "saving a checkpoint",
}


def phase(name: str) -> str:
    """What a run does in a phase: `sampling completions` for `rollout`."""
    return PHASES.get(name, name)


def capitalised(text: str) -> str:
    """With a large first letter, the rest as it is: `Answering held-out rows`."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """With a full stop at the end, where none is."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def count(amount: int, noun: str, plural: str = "") -> str:
    """`1 row`, `2,000 rows`."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def quoted(text: str) -> str:
    """What stands in marks of code (`beta`) in quotes, for where text is shown as it is."""
    return _CODE.sub("“\\1”", text)


def ends_of_long_words(text: str) -> str:
    """The text with both ends alone of each word, or part of a path, that would not fit on a line of some 60 characters."""
    return _LONG_WORD.sub(r"\1…\2", text)


def without_middle(text: str, most: int) -> str:
    """The text with `…` in place of its middle, of `most` characters at most: the end is what tells like names apart."""
    head = most // 3
    return text if len(text) <= most else f"{text[:head]}…{text[len(text) - most + head + 1 :]}"


def shortened(text: str, most: int, mark: str = "...") -> str:
    """A text on one line of at most `most` characters; one that was cut ends in `mark`."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - len(mark)] + mark


def when(moment: float) -> str:
    """`today 14:05`, `yesterday 09:30`, `12 Mar 2026`."""
    if not moment:
        return ""
    then, now = time.localtime(moment), time.localtime()
    clock = time.strftime("%H:%M", then)
    days = (time.mktime((*now[:3], 0, 0, 0, 0, 0, -1)) - time.mktime((*then[:3], 0, 0, 0, 0, 0, -1))) / 86400
    if round(days) == 0:
        return f"today {clock}"
    if round(days) == 1:
        return f"yesterday {clock}"
    return f"{then.tm_mday} {time.strftime('%b', then)} {then.tm_year}"


def literal(text: str) -> str:
    """Text with control and direction characters made visible, so that what is shown is what is there.

    Line ends and tabs stay; ESC becomes its picture, a bidi override its code point.
    """
    return text.translate(_VISIBLE)


class _Visible(dict[int, str]):
    """What each code point is shown as; worked out when it first comes, so that a megabyte takes milliseconds."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _visible(chr(code))
        return found


_VISIBLE = _Visible()


def _visible(character: str) -> str:
    if character in "\n\t" or " " <= character <= "~":
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    category = unicodedata.category(character)
    if category == "Cc" or (category in _STEERING and code != 0x200D):
        return f"⟨U+{code:04X}⟩"
    return character
