#!/usr/bin/env bash
# math-verify 0.9.0 with words, units and dates in the answer.
#
# A good guess: what is no mathematics compares as text or not at all, and units either count or are refused. Seen:
# - words are products of letters, in any order: \boxed{neve} is right where the answer is "even";
# - units are dropped before comparing: 5 km is 5 m, 90 minutes are 90 hours, 1 percent is 1;
# - a date is a subtraction and a time a division: 2024-01-05 is right for 2024-05-01, 1:10 for 3:30;
# - plain text is read as LaTeX inside a box: \boxed{pi/2} is p times i over 2, and wrong where the answer is \frac{\pi}{2}.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q math-verify==0.9.0
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from math_verify import parse, verify

print("math-verify", version("math-verify"))
assert version("math-verify") == "0.9.0"


def right(answer, boxed):
    return verify(parse(f"${answer}$"), parse(f"\\boxed{{{boxed}}}"))


taken_for_right = [
    ("even", "neve"),
    ("5 km", "5 m"),
    ("90 minutes", "90 hours"),
    ("1", "1%"),
    ("2024-05-01", "2024-01-05"),
    ("3:30", "1:10"),
]
for answer, boxed in taken_for_right:
    print(f"answer {answer!r}, boxed {boxed!r}: {right(answer, boxed)}")
    assert right(answer, boxed)
for answer, boxed in [(r"\frac{\pi}{2}", "pi/2"), (r"e^{-x}", "exp(-x)"), (r"x^{10}", "x**10")]:
    print(f"answer {answer!r}, boxed {boxed!r}: {right(answer, boxed)}")
    assert not right(answer, boxed)
PYTHON
echo "as described"
