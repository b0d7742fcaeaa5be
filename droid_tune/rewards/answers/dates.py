"""Dates as people write them, in English and in the languages whose months have names of their own."""

from __future__ import annotations

import re
from datetime import date

_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})|(\d{4})[年년]\s?(\d{1,2})[月월]\s?(\d{1,2})[日号일]")
_SLASHES = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
#: by month: English, German, French, Spanish, Italian, Portuguese, Dutch; accents as they are written
_MONTH_NAMES = (
    "jan january januar janvier enero gennaio janeiro januari",
    "feb february februar février febrero febbraio fevereiro februari",
    "mar march märz mars marzo março maart",
    "apr april avril abril aprile",
    "may mai mayo maggio maio mei",
    "jun june juni juin junio giugno junho",
    "jul july juli juillet julio luglio julho",
    "aug august août agosto augustus",
    "sep sept september septembre septiembre settembre setembro",
    "oct october oktober octobre octubre ottobre outubro",
    "nov november novembre noviembre novembro",
    "dec december dezember décembre diciembre dicembre dezembro",
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, start=1) for name in names.split()}
_MONTH = rf"({'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th|er|º|\.)?"
_MONTH_FIRST = re.compile(rf"{_MONTH}\s+{_DAY}(?:,?\s+(\d{{4}}))?", re.IGNORECASE)
_DAY_FIRST = re.compile(
    rf"(?:(?:der|den|le|el|il|o)\s+)?{_DAY}\s+(?:(?:of|de|di)\s+)?{_MONTH}(?:,?\s+(?:(?:de|del)\s+)?(\d{{4}}))?",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|never|nor|or|before|after|until|since)\b|n['’]t\b", re.IGNORECASE)
#: the year of a day without one: a leap year, and nobody's
_NO_YEAR = 4


def only_date(text: str) -> str:
    """The date of a text that names one and denies nothing; empty where it names none, or several."""
    found = [
        one.group() for form in (_ISO, _MONTH_FIRST, _DAY_FIRST, _SLASHES) for one in form.finditer(text)
    ]
    return found[0] if len(found) == 1 and not _DENIED.search(text) else ""


def as_date(text: str) -> date | None:
    """`2024-05-01`, `May 1, 2024`, `1. Mai 2024`, `May 1`, `15/01/2024`; 05/01/2024 is nobody's for certain."""
    year_first, month_first, day_first, slashes = (
        form.fullmatch(text) for form in (_ISO, _MONTH_FIRST, _DAY_FIRST, _SLASHES)
    )
    try:
        if year_first:
            year, month, day = (int(part) for part in year_first.groups() if part)
            return date(year, month, day)
        if month_first:
            return date(int(month_first[3] or _NO_YEAR), _MONTHS[month_first[1].lower()], int(month_first[2]))
        if day_first:
            return date(int(day_first[3] or _NO_YEAR), _MONTHS[day_first[2].lower()], int(day_first[1]))
        if slashes and (max(int(slashes[1]), int(slashes[2])) > 12 or int(slashes[1]) == int(slashes[2])):
            day, month = sorted((int(slashes[1]), int(slashes[2])), reverse=True)
            return date(int(slashes[3]), month, day)
    except ValueError:
        pass
    return None
