"""Expressions for computer algebra: plain text becomes LaTeX, and what no expression can be is told apart.

`pi/2` read as LaTeX is p times i over 2, `x^10` is x^1 times 0, and `even` is a product of letters that equals `neve`.
"""

from __future__ import annotations

import re

from droid_tune.rewards.answers.solution_sets import as_set
from droid_tune.rewards.answers.typesetting import untypeset

#: beyond this an answer is a text, and no computer algebra is asked about it
LONGEST_EXPRESSION = 300
_MOST_DIGITS = 60

_FUNCTION_NAMES = (
    "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan ln log lg exp min max gcd lcm det"
)
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_GREEK_NAMES = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi chi psi omega pi
    Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
"""
_GREEK = frozenset(_GREEK_NAMES.split())
_SYMBOLS = {
    "π": "pi",
    "∞": "infty",
    "≤": "leq",
    "≥": "geq",
    "≠": "neq",
    "×": "times",
    "÷": "div",
    "·": "cdot",
    "⋅": "cdot",
    "±": "pm",
    "∪": "cup",
    "∩": "cap",
    "∈": "in",
    "∅": "emptyset",
    "θ": "theta",
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "λ": "lambda",
    "μ": "mu",
    "φ": "phi",
    "ω": "omega",
    "σ": "sigma",
    "Δ": "Delta",
    "ℝ": "mathbb{R}",
}
_OTHER_NAMES = {
    "infinity": "infty",
    "inf": "infty",
    "oo": "infty",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
}
_NAMES = frozenset([*_FUNCTIONS, *_GREEK, *_OTHER_NAMES, "sqrt", "cbrt", "abs", "mod", "and", "or"])
_OPERATORS = {"**": "^", "<=": "\\leq ", ">=": "\\geq ", "!=": "\\neq ", "<>": "\\neq "}
_COMMAND = re.compile(r"\\(?:begin|end)\s*\{[a-z]?matrix\}|\\[a-zA-Z]+")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_MATHEMATICAL = re.compile(
    r"[\d\\^+*/=<>√∞∅ℝ|]|[a-z]\(|(?<![A-Za-z])[a-zA-Z]\s*-|^[a-zA-Zπθαβγλμφωσ]$|[π]|^-?(?:pi|oo)$"
)
_NAME = re.compile(r"(?<![A-Za-z\\])([A-Za-z]{2,})")
_POWER = re.compile(r"\^\s*([-+]?\d+(?:\.\d+)?|[-+][a-zA-Z])(?![\d}])")
_MIXED = re.compile(r"(?<![\d.^/_])(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d.])")
_ROOT_SIGN = re.compile(r"√\s*(?:\(([^()]*)\)|(\d+(?:\.\d+)?|[a-zA-Z]))")
_AND_OR = re.compile(r",?\s*(?:\b(?:and|or)\b|;)\s*")
_MATRIX = re.compile(r"\[\s*(\[[^\[\]]+\](?:\s*,\s*\[[^\[\]]+\])+)\s*\]")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*°")
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])")


def is_mathematical(text: str) -> bool:
    """Whether a text could be an expression at all: a sentence is none, nor is what holds 400 digits."""
    text = as_set(untypeset(text).strip(" $"))
    if len(text) > LONGEST_EXPRESSION or re.search(rf"\d{{{_MOST_DIGITS + 1}}}", text):
        return False
    words = _LONG_WORD.findall(_COMMAND.sub(" ", text))
    known = all(word in _NAMES or word.lower() in _OTHER_NAMES for word in words)
    return known and (bool(words) or _MATHEMATICAL.search(text) is not None)


def as_latex(text: str) -> str:
    """An expression as LaTeX for computer algebra, whether it was written in LaTeX or as plain text."""
    text = untypeset(text).strip(" $").rstrip(".")
    text = _MATRIX.sub(_matrix, text.replace("{bmatrix}", "{pmatrix}"))
    text = as_set(text.replace("\\varnothing", "\\emptyset"))
    for sign, command in _SYMBOLS.items():
        text = text.replace(sign, f"\\{command} ")
    text = _ROOT_SIGN.sub(lambda found: f"\\sqrt{{{found[1] or found[2]}}}", text)
    text = _AND_OR.sub(",", text if "matrix" in text else text.replace(" & ", " and "))
    for operator, latex in _OPERATORS.items():
        text = text.replace(operator, latex)
    text = _MIXED.sub(r"\1\\frac{\2}{\3}", text)
    text = _functions(_NAME.sub(_command, text))
    text = _POWER.sub(r"^{\1}", _grouped_powers(text))
    text = _degrees(text).replace("*", "\\cdot ")
    if text.startswith("{") and text.endswith("}") and "\\{" not in text:
        text = f"\\{{{text[1:-1]}\\}}"
    return text


def _matrix(found: re.Match[str]) -> str:
    """`[[1, 2], [3, 4]]` as LaTeX's matrix."""
    rows = [row.replace(",", "&") for row in re.findall(r"\[([^\[\]]*)\]", found[1])]
    return "\\begin{pmatrix}" + "\\\\".join(rows) + "\\end{pmatrix}"


def _command(found: re.Match[str]) -> str:
    """`pi` and `sin` as commands; other names stay products of letters."""
    name = found[1]
    name = _OTHER_NAMES.get(name, _OTHER_NAMES.get(name.lower(), name))
    known = name == "infty" or name in _FUNCTIONS or name in _GREEK or name.startswith("arc")
    return f"\\{name} " if known else name


def _functions(text: str) -> str:
    """`sqrt(x)`, `cbrt(x)`, `exp(x)`, `abs(x)` and `log2(x)` with their brackets as LaTeX's braces."""
    forms = {
        "sqrt": ("\\sqrt{", "}"),
        "cbrt": ("\\sqrt[3]{", "}"),
        "\\exp ": ("e^{", "}"),
        "abs": ("|", "|"),
    }
    for name, (opening, closing) in forms.items():
        text = _unbracketed(text, name, opening, closing)
    text = re.sub(r"(?<![\\a-zA-Z])sqrt\s*(\d+|[a-zA-Z])", r"\\sqrt{\1}", text)
    return re.sub(r"\\log\s+_?(\d+)\s*\(", r"\\log_{\1}(", text)


def _unbracketed(text: str, name: str, opening: str, closing: str) -> str:
    """Each `name(...)` as `opening...closing`, brackets balanced."""
    start = 0
    while (found := re.search(rf"(?<!\\){re.escape(name)}\s*\(", text[start:])) is not None:
        bracket = start + found.end() - 1
        end = _closing_bracket(text, bracket)
        if end is None:
            return text
        text = text[: start + found.start()] + opening + text[bracket + 1 : end] + closing + text[end + 1 :]
        start += found.start() + len(opening)
    return text


def _grouped_powers(text: str) -> str:
    """`x^(n+1)` as `x^{n+1}`."""
    return _unbracketed(text, "^", "^{", "}")


def _closing_bracket(text: str, start: int) -> int | None:
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position
    return None


def _degrees(text: str) -> str:
    """Degrees are a number, but the argument of a sine is in radians."""
    if _TRIGONOMETRY.search(text):
        return _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    return text.replace("°", "")
