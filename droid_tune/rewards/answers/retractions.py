"""Answers that a text takes back: "The answer is 35. Wait, that's not right: 6 * 6 = 36"."""

from __future__ import annotations

import re

from droid_tune.rewards.answers.marks import statements, strong_marks

_WRONG = r"(?:not[ ](?:quite[ ])?(?:right|correct)|wrong|incorrect|a[ ]mistake|an[ ]error)"
_TAKEN_BACK = re.compile(
    rf"""
    (?:^|(?<=[.!?…\n)])) [\s*_"'(]{{0,6}}
    (?: (?:but[ ])?(?:wait|oops|hmm|hold[ ]on|sorry|actually|no)\b [,.!…—–\s-]*
        (?: no\b(?![ ]\w) | nope\b | scratch[ ]that | I[ ](?:made|meant|was[ ]wrong|miscalculated|misread)
          | (?:that|this|it)(?:['’]s|[ ]is|[ ]was)[ ]{_WRONG} | (?:that|this|it)[ ](?:isn|wasn)['’]t[ ](?:right|correct) )
      | actually,?[ ](?:(?:it|that)(?:['’]s|[ ](?:is|was|should[ ]be))|make[ ](?:it|that))[ ]
        (?=\W{{0,4}}-?\d[\d.,]{{0,20}}\W{{0,6}}(?:$|\n))
      | scratch[ ]that | correction[ ]?: | I[ ]made[ ](?:a|an)[ ](?:\w+[ ])?(?:mistake|error) | I[ ]meant\b )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def behind_retraction(spoken: str) -> str:
    """What follows where a text takes its last mark or statement back; the whole text where it does not."""
    taken_back = list(_TAKEN_BACK.finditer(spoken))
    marks = [*strong_marks(spoken), *statements(spoken)] if taken_back else []
    if not marks or max(mark.end for mark in marks) > taken_back[-1].start() + 1:
        return spoken
    return spoken[taken_back[-1].end() :]
