#!/usr/bin/env bash
# math-verify 0.9.0 with repeating decimals.
#
# A good guess: 0.\overline{3} is read as a third, or is refused. Seen: the digits under the bar vanish, so that it is the number
# 0 (and 1.\overline{6} is 1): verify() calls "0" right where the answer is 0.\overline{3}, and 1/3 wrong. So it goes with
# \bar{3}, \dot{3} and 0.(3); without braces, 0.\bar 3 is the number 3. Whoever rewards or grades with it has to turn such numbers into fractions first.
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


def equal(answer, completion):
    return verify(parse(f"${answer}$"), parse(f"${completion}$"))


for written, number in ((r"0.\overline{3}", "0"), (r"0.\bar{3}", "0"), (r"0.\dot{3}", "0"), ("0.(3)", "0"), (r"0.\bar 3", "3")):
    print(f"{written:15} equals 1/3: {equal('1/3', written)}; equals {number}: {equal(number, written)}")
    assert not equal("1/3", written)
    assert equal(number, written)
assert equal("1", r"1.\overline{6}")
PYTHON
echo "as described"
