"""Solutions that are a set, in the form that computer algebra compares: intervals and their unions."""

from __future__ import annotations

import re

_LESS = r"(<=|≤|\\leq?(?:slant)?(?![a-zA-Z])|<(?!=))"
_SIGN = r"(<=|>=|≤|≥|≠|!=|\\[lgn]eq?(?:slant)?(?![a-zA-Z])|\\[lg]t(?![a-zA-Z])|[<>])"
_CHAIN = re.compile(rf"^([^<>≤≥=]+?)\s*{_LESS}\s*[a-z]\s*{_LESS}\s*([^<>≤≥=]+)$")
_BOUND = re.compile(rf"^[a-z]\s*{_SIGN}\s*([^<>≤≥=≠,]+)$")
_BOUND_BEFORE = re.compile(rf"^([^<>≤≥=≠,]+?)\s*{_SIGN}\s*[a-z]$")
_EITHER = re.compile(r"\s*(?:,\s*)?(?:\bor\b|\\lor(?![a-zA-Z])|∨)\s*")
_BOTH = re.compile(r"\s*(?:\band\b|\\land(?![a-zA-Z])|∧)\s*")
_BUILT = re.compile(
    r"^\\?\{\s*[a-z]\s*(?:(?:\\in|∈)\s*(?:\\mathbb\s*\{?R\}?|ℝ)\s*)?(?:\\mid|\||:)\s*(.+?)\s*\\?\}$",
    re.DOTALL,
)
_MEMBER = re.compile(r"^[a-z]\s*(?:\\in(?![a-zA-Z])|∈)\s*(?=[\\(\[{])")
_ALL_REALS = re.compile(r"^(?:the set of )?(?:all )?real numbers$|^all reals$", re.IGNORECASE)
_EMPTY = re.compile(
    r"(?:the )?(?:empty|null) set|empty|∅|\\(?:emptyset|varnothing)|\\?\{\s*\\?\}|no solutions?",
    re.IGNORECASE,
)
_MIRRORED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "≠": "≠"}


def is_empty_set(text: str) -> bool:
    """Whether a text without typesetting says that there is nothing: ∅, `{}`, "the empty set", "no solution"."""
    return _EMPTY.fullmatch(text.strip(" $.")) is not None


def as_set(text: str) -> str:
    """`1 < x <= 3` and `x < 1 or x > 2` as intervals, `\\{x : x > 2\\}` as what it says of x, "all real numbers" as ℝ.

    One bound alone stays a relation, which names its variable; every other text comes back as it is.
    """
    if _ALL_REALS.match(text):
        return "\\mathbb{R}"
    built = _BUILT.match(text)
    if built is not None:
        return _union(built[1]) or built[1]
    text = _MEMBER.sub("", text)
    single = _BOUND.match(text) or _BOUND_BEFORE.match(text)
    return text if single and "≠" not in _plain(single.group()) else _union(text) or text


def _union(text: str) -> str:
    """Relations joined by "or" as a union of intervals; empty where one of them is none."""
    parts = [_intervals(part) for part in _EITHER.split(text)]
    return "" if "" in parts else "\\cup".join(parts)


def _intervals(text: str) -> str:
    chain = _CHAIN.match(text)
    if chain is not None:
        opening, closing = ("(" if _plain(sign) == "<" else "[" for sign in (chain[2], chain[3]))
        return f"{opening}{chain[1].strip()},{chain[4].strip()}{')' if closing == '(' else ']'}"
    bounds = [_bound(part) for part in _BOTH.split(text)]
    if len(bounds) == 1 and bounds[0] is not None:
        return _ray(*bounds[0])
    if len(bounds) != 2 or None in bounds:
        return ""
    signs = {bound[0][:1]: bound for bound in bounds if bound is not None}
    low, high = signs.get(">") or signs.get("≥"), signs.get("<") or signs.get("≤")
    if low is None or high is None:
        return ""
    return f"{'(' if low[0] == '>' else '['}{low[1]},{high[1]}{')' if high[0] == '<' else ']'}"


def _bound(text: str) -> tuple[str, str] | None:
    """`(sign, value)` of `x > 2` and `2 < x`."""
    found = _BOUND.match(text)
    if found is not None:
        return _plain(found[1]), found[2].strip()
    found = _BOUND_BEFORE.match(text)
    return (_MIRRORED[_plain(found[2])], found[1].strip()) if found else None


def _plain(text: str) -> str:
    """Signs of order in one character each."""
    text = re.sub(r"\\(?:leq?|leqslant)(?![a-zA-Z])|<=", "≤", text)
    text = re.sub(r"\\(?:geq?|geqslant)(?![a-zA-Z])|>=", "≥", text)
    text = re.sub(r"\\neq?(?![a-zA-Z])|!=", "≠", text)
    return re.sub(r"\\gt(?![a-zA-Z])", ">", re.sub(r"\\lt(?![a-zA-Z])", "<", text))


def _ray(sign: str, value: str) -> str:
    return {
        "<": f"(-\\infty,{value})",
        "≤": f"(-\\infty,{value}]",
        ">": f"({value},\\infty)",
        "≥": f"[{value},\\infty)",
        "≠": f"(-\\infty,{value})\\cup({value},\\infty)",
    }[sign]
