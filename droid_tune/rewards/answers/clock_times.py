"""Times of a day, in digits and in words: `3:30 pm`, `15:30`, `noon`, 9 o'clock, `half past three`, `quarter to four`."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.number_words import SMALL, TENS, WORDED, value_of_words

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap])?\.?\s*(?:m\.?)?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2})\s*([ap])\.?\s*m\.?", re.IGNORECASE)
#: `3.30 pm` and `14h05`
_POINTED = re.compile(r"(\d{1,2})(?:\.(?=\d\d\s*[ap]\.?\s*m)|h)(\d{2})(\s*[ap]\.?\s*m\.?|)$")
_O_CLOCK = re.compile(r"(?<=\d)\s+o'?clock\b")
_NAMED_TIMES = {
    **dict.fromkeys(("noon", "midday", "12 noon", "12:00 noon"), "12:00 pm"),
    **dict.fromkeys(("midnight", "12 midnight", "12:00 midnight"), "12:00 am"),
}
_HOURS = "|".join([name for name, value in SMALL.items() if 1 <= value <= 12])
_HALF_OF_DAY = (
    r"(?:\s+(?:in the (?P<part>morning|afternoon|evening)|at (?P<night>night))|\s*(?P<half>[ap])\.?\s?m\.?)?"
)
#: `half past three`, `a quarter to four`, `ten minutes past 3`; `15 to 4` may be a ratio
_BESIDE_THE_HOUR = re.compile(
    rf"(?:(?P<named>half|(?:a )?quarter)|(?P<minutes>\d{{1,2}}(?=\s(?:past|after|minutes))|{WORDED})(?:\sminutes?)?)[\s-]"
    rf"(?P<side>past|after|to|before|till)\s(?P<hour>\d{{1,2}}|{_HOURS})(?:\s?o'?clock)?{_HALF_OF_DAY}"
)
#: `three thirty`, `three o'clock`
_TENS_OR_TEENS = "|".join([*TENS, *(name for name, value in SMALL.items() if value >= 10)])
_BEHIND_THE_HOUR = re.compile(
    rf"(?P<hour>{_HOURS})(?:\s(?P<minutes>(?:{_TENS_OR_TEENS})(?:[ -](?:{'|'.join(SMALL)}))?)|\so'?clock){_HALF_OF_DAY}"
)


def same_time(left: str, right: str) -> bool | None:
    """Whether two normalised texts are the same moment of a day; where one leaves out am or pm, the same digits are. None where
    they are not both times."""
    one, other = _time(left), _time(right)
    if one is None or other is None or not (_is_clock(one) or _is_clock(other)):
        return None
    return _same_moment(one, other)


def _time(text: str) -> re.Match[str] | None:
    """`3:30 pm`, `15:30:00`, and `9 pm` or 9 o'clock as 9:00."""
    text = _in_digits(_POINTED.sub(r"\1:\2\3", _NAMED_TIMES.get(text, text)))
    text = _O_CLOCK.sub(":00" if ":" not in text else "", text)
    return _TIME.fullmatch(_HOUR.sub(r"\1:00 \2m", text) if _HOUR.fullmatch(text) else text)


def _in_digits(text: str) -> str:
    """`3:45` of "a quarter to four"; every other text comes back as it is."""
    found = _BESIDE_THE_HOUR.fullmatch(text) or _BEHIND_THE_HOUR.fullmatch(text)
    if found is None:
        return text
    said = found.groupdict()
    hour = int(said["hour"]) if said["hour"].isdigit() else SMALL[said["hour"]]
    named = said.get("named")
    minutes = (30 if named == "half" else 15) if named else _minutes(said["minutes"])
    if minutes is None or minutes >= 60 or (named == "half" and said["side"] != "past"):
        return text
    if said.get("side") in ("to", "before", "till"):
        hour, minutes = (hour - 1 or 12), 60 - minutes
    half = said["half"] or (
        "a" if said["part"] == "morning" else "p" if said["part"] or said["night"] else ""
    )
    return f"{hour}:{minutes:02}" + (f" {half}m" if half else "")


def _minutes(said: str | None) -> int | None:
    return 0 if said is None else int(said) if said.isdigit() else value_of_words(said)


def _is_clock(time: re.Match[str]) -> bool:
    """3:30 is a time as well as a ratio; 10:75 and 3:4 are none."""
    return int(time[1]) <= 24 and int(time[2]) < 60


def _same_moment(left: re.Match[str], right: re.Match[str]) -> bool:
    one, other = ((int(time[1]), int(time[2]), int(time[3] or 0)) for time in (left, right))
    if one == other:
        return not (left[4] and right[4] and left[4].lower() != right[4].lower())
    halves = [(time[4] or "").lower() for time in (left, right)]
    return any(halves) and _on_24_hours(one, halves[0]) == _on_24_hours(other, halves[1])


def _on_24_hours(time: tuple[int, int, int], half: str) -> tuple[int, int, int]:
    hour = time[0] % 12 + (12 if half == "p" else 0) if half else time[0]
    return hour, time[1], time[2]
