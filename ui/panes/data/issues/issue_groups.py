"""Findings that say the same of many rows, as one with its count: a hundred equal lines hide the one that differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from droid_tune.data.issues import LEAST_GROUPED, Issue, alike


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
    """Those that say the same, as groups that are folded."""
    return [IssueGroup(issues) for issues in alike(issues)]


def lines_of(groups: Sequence[IssueGroup]) -> list[IssueLine]:
    """What is seen: of a folded group its head alone."""
    lines: list[IssueLine] = []
    for group in groups:
        first, *others = group.issues
        lines.append(IssueLine(first, group if group.many else None))
        if not (group.many and group.folded):
            lines += [IssueLine(issue) for issue in others]
    return lines
