"""What a person should know of the data and the model before the first step, though a run can do with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from droid_tune import words
from droid_tune.data.formats.base import Row
from droid_tune.data.report import Report
from droid_tune.data.templates import has_chat_template
from droid_tune.model.loading import require_chat_template
from droid_tune.model.policy import Policy
from droid_tune.model_files.tokenizer import unread_template
from droid_tune.rewards.combine import RewardSet

#: rows whose form is looked at
LOOKED_AT = 100
#: rows whose verdict is looked at
VERDICTS_LOOKED_AT = 1000


class Notify(Protocol):
    """`Engine.notice`: a code, a sentence, a remedy."""

    def __call__(self, code: str, text: str, remedy: str = "", *, level: str = "warning") -> None: ...


def remark_on_rows(report: Report, notify: Notify) -> None:
    """What of the data is not read, and rows that are left out because something is wrong; the first is named."""
    for note in report.notes:
        notify("data_note", note, level="info")
    if not report.rejected:
        return
    first = next((issue for issue in report.issues if issue.severity == "error"), None)
    example = f" The first: {first.file}:{first.place}: {first.message}" if first is not None else ""
    notify(
        "rows_rejected",
        f"{report.rejected:,} of {report.rejected + report.accepted:,} rows are left out.{example}",
        "The Data pane and `droid-tune validate` list them all.",
    )


def remark_on_rewards(rewards: RewardSet, rows: Sequence[Row], notify: Notify) -> None:
    """Rows from which a reward can teach nothing, because the column that it needs is empty there."""
    looked_at = rows[: min(len(rows), LOOKED_AT)]
    for name, column, count in rewards.without_their_column(looked_at):
        notify(
            "rows_without_column",
            f"{count:,} of the first {len(looked_at):,} training rows have no `{column}`: "
            f"they are not usable for the reward `{name}`, which does not apply there.",
            f"Fill `{column}` in these rows, or filter them out under Data.",
        )


def remark_on_verdicts(rows: Sequence[Row], notify: Notify) -> None:
    """Verdicts that are all the same: then there is nothing to tell apart."""
    said = [
        bool(row["label"]) for row in rows[:VERDICTS_LOOKED_AT] if "label" in row and "rejected" not in row
    ]
    if len(said) < 2 or len(set(said)) > 1:
        return
    kind = "good" if said[0] else "bad"
    notify(
        "verdicts_all_equal",
        f"All of the first {len(said):,} answers are marked {kind}: the model cannot learn what makes the difference.",
        "Add answers of the other kind, or use SFT." if said[0] else "Add good answers.",
    )


def remark_on_template(policy: Policy, rows: Sequence[Row], notify: Notify) -> None:
    """Without a template nothing tells the model who speaks. Raises UserError where the rows hold turns of a chat."""
    if has_chat_template(policy.tokenizer):
        return
    if any(holds_turns(row) for row in rows[:LOOKED_AT]):
        require_chat_template(policy.tokenizer, policy.path)
    notify(
        "no_chat_template",
        "The model has no chat template, so it gets each prompt as it is, without any frame.",
        words.sentence(
            words.capitalised(unread_template(policy.path))
            or "For questions and answers choose an instruct version of the model."
        ),
        level="info",
    )


def holds_turns(row: Row) -> bool:
    """Whether who speaks matters in it."""
    return "messages" in row or isinstance(row.get("prompt"), list)
