"""What a person should know of the data and the model before the first step, though a run can do with it."""

from __future__ import annotations

from typing import Protocol

from droid_tune.data.report import Report


class Notify(Protocol):
    """`Engine.notice`: a code, a sentence, a remedy."""

    def __call__(self, code: str, text: str, remedy: str = "", *, level: str = "warning") -> None: ...


def remark_on_rows(report: Report, notify: Notify) -> None:
    """Rows that are not trained on because something is wrong with them; the first one is named."""
    if not report.rejected:
        return
    first = next((issue for issue in report.issues if issue.severity == "error"), None)
    example = f" The first: {first.file}:{first.place}: {first.message}" if first is not None else ""
    notify(
        "rows_rejected",
        f"{report.rejected:,} of {report.rejected + report.accepted:,} rows are left out.{example}",
        "The Data pane and `droid-tune validate` list them all.",
    )


def remark_on_template(has_chat_template: bool, notify: Notify) -> None:
    """Without a template nothing tells the model where a question ends and the answer begins."""
    if not has_chat_template:
        notify(
            "no_chat_template",
            "The model has no chat template, so it gets each prompt as it is, without any frame.",
            "For questions and answers choose an instruct version of the model.",
            level="info",
        )
