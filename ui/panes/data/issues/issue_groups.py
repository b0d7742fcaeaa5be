"""Findings that say the same of many rows, as one with its count: a hundred equal lines hide the one that differs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune.data.issues import Issue

#: fewer stand for themselves
LEAST_GROUPED = 3
#: what differs between findings of one kind: numbers, and what is quoted
_OWN = re.compile(r"`[^`]*`|“[^”]*”|\d[\d,.]*")


@dataclass
class IssueGroup:
    """Findings of one kind in one file; `folded`: the first stands for all of them."""

    issues: list[Issue]
    folded: bool = True

    @property
    def many(self) -> bool:
        """Whether there is something to fold."""
        return len(self.issues) >= LEAST_GROUPED


@dataclass(frozen=True)
class IssueLine:
    """A line of the table: a finding, and its group where it is the group's head."""

    issue: Issue
    head: IssueGroup | None = None


def grouped(issues: Sequence[Issue]) -> list[IssueGroup]:
    """By file, severity, field and what is said, numbers and quotes aside; in the order of their firsts."""
    found: dict[tuple[str, str, str, str], IssueGroup] = {}
    for issue in issues:
        key = (issue.file, issue.severity, issue.field or "", _OWN.sub("#", issue.message))
        found.setdefault(key, IssueGroup([])).issues.append(issue)
    return list(found.values())


def lines_of(groups: Sequence[IssueGroup]) -> list[IssueLine]:
    """What is seen: of a folded group its head alone."""
    lines: list[IssueLine] = []
    for group in groups:
        first, *others = group.issues
        lines.append(IssueLine(first, group if group.many else None))
        if not (group.many and group.folded):
            lines += [IssueLine(issue) for issue in others]
    return lines
