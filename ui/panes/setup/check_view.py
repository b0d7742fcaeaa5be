"""The signal check: a minute with the starting model before hours are committed. A sheet over the window."""

from __future__ import annotations

from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDialog, QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.estimate.finding import Finding, Remedy
from droid_tune.estimate.signal import Answer, CheckReport, Group
from droid_tune.events import Phase
from droid_tune.metrics import rank
from ui.session import Session
from ui.widgets.basics import Page, button, clear, column, frame, label, prose, row, scrolling, selectable
from ui.widgets.calm_bar import CalmBar
from ui.widgets.episode_view import EpisodeView, calls_of, cut_chip, episode_in_words
from ui.widgets.notice import NoticeBar
from ui.widgets.state_chip import Chip, reward_tone
from ui.work.check_thread import CheckThread

PROMPTS = 8
SHOWN_GROUPS, SHOWN_ANSWERS, SHOWN_CHARACTERS = 6, 4, 220
VERDICTS = {
    "good": ("Ready to train", "good", "good_soft"),
    "weak": ("It may learn little", "warning", "warning_soft"),
    "bad": ("Do not start yet", "bad", "bad_soft"),
}
#: no step is made from it
BACKWARD = "one backward pass"


class CheckView(QDialog):
    """Runs the check as soon as it opens; `applied` tells the settings of a remedy, by path."""

    applied = Signal(dict)

    def __init__(self, session: Session, config: RunConfig, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Signal Check")
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(720, 620)
        outer = column(self, spacing=0)
        page = Page(self)
        outer.addWidget(scrolling(page, self), 1)
        self._page = column(page, spacing=10, margins=20)
        self._wait(page)
        outer.addWidget(self._footer())
        self._thread = CheckThread(session.engine, config, PROMPTS, session.engine.control(), self)
        self._thread.progressed.connect(self._progress)
        self._thread.done.connect(self.show_report)
        self._thread.failed.connect(self._fail)
        self._thread.start()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing stops the check; its thread ends within a token or so."""
        self._end()
        super().closeEvent(event)

    def reject(self) -> None:
        self._end()
        super().reject()

    def _end(self) -> None:
        self._thread.let_go()

    def _wait(self, page: QWidget) -> None:
        self._page.addWidget(label("Asking the starting model", "heading", parent=page))
        said = (
            f"{PROMPTS} prompts are sampled and scored as the run would, one backward pass is tried, and memory is "
            "measured with the longest prompt. Nothing is changed."
        )
        self._page.addWidget(prose(said, "small", parent=page))
        self._bar = CalmBar(page)
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._page.addWidget(self._bar)
        self._doing = label(words.capitalised(words.phase("load")), "small", parent=page)
        self._page.addWidget(self._doing)
        self._page.addStretch(1)

    def _footer(self) -> QWidget:
        foot = frame("footer", self)
        bar = row(foot, spacing=10)
        bar.setContentsMargins(20, 10, 20, 10)
        bar.addStretch(1)
        self._close = button("Stop", parent=foot)
        self._close.clicked.connect(self.reject)
        bar.addWidget(self._close)
        return foot

    # --- what comes ---------------------------------------------------------------------------------------------

    @Slot(object)
    def _progress(self, phase: Phase) -> None:
        done, total = progress_of(phase)
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        counted = f" {phase.done} of {phase.total} {phase.unit}" if phase.total else ""
        token = f", token {phase.tokens:,} of at most {phase.most_tokens:,}" if phase.most_tokens else ""
        doing = BACKWARD if phase.phase == "update" else words.phase(phase.phase)
        self._doing.setText(words.capitalised(doing) + counted + token)

    @Slot(str)
    def _fail(self, sentence: str) -> None:
        page = self._emptied()
        self._page.addWidget(NoticeBar("error", sentence, closable=False, parent=page))
        self._page.addStretch(1)

    @Slot(object)
    def show_report(self, report: CheckReport) -> None:
        """The verdict, what was found, the figures and what was sampled, in the place of the wait."""
        page = self._emptied()
        head = row(spacing=10)
        chip = Chip(page)
        chip.show_chip(*VERDICTS[report.verdict])
        head.addWidget(chip)
        head.addWidget(label(time_words(report), "small", parent=page))
        head.addStretch(1)
        self._page.addLayout(head)
        for finding in report.findings:
            self._show_finding(finding, page)
        self._show_figures(report, page)
        for group in report.measured.groups[:SHOWN_GROUPS]:
            self._show_group(group, page)
        self._page.addStretch(1)

    def _emptied(self) -> QWidget:
        page = self._bar.parentWidget()
        assert page is not None
        clear(self._page)
        self._close.setText("Close")
        return page

    def _show_finding(self, finding: Finding, page: QWidget) -> None:
        level = finding.level
        clickable = [remedy for remedy in finding.remedies if remedy.values]
        words = " ".join(f"{remedy.text}." for remedy in finding.remedies if not remedy.values).replace(
            "..", "."
        )
        bar = NoticeBar(level, finding.text, words, closable=False, parent=page)
        bar.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._page.addWidget(bar)
        if not clickable:
            return
        line = row(spacing=8)
        for remedy in clickable:
            made = button(remedy.text, parent=page, help=_set(remedy))
            made.clicked.connect(partial(self._apply, remedy.values))
            line.addWidget(made)
        line.addStretch(1)
        self._page.addLayout(line)

    def _show_figures(self, report: CheckReport, page: QWidget) -> None:
        card = frame("card", page)
        grid = QGridLayout(card)
        grid.setContentsMargins(14, 10, 14, 10)
        grid.setHorizontalSpacing(24)
        for place, (name, value) in enumerate(figures(report)):
            grid.addWidget(label(name, "small", parent=card), place % 4, 2 * (place // 4))
            grid.addWidget(label(value, "strong", parent=card), place % 4, 2 * (place // 4) + 1)
        self._page.addWidget(card)

    def _show_group(self, group: Group, page: QWidget) -> None:
        card = frame("card", page)
        box = column(card, spacing=4)
        box.setContentsMargins(14, 10, 14, 10)
        asked = shown(group.prompt)
        box.addWidget(selectable(label(asked, "strong", parent=card, wrap=True)))
        if group.answer:
            box.addWidget(label(f"Answer: {shown(group.answer)}", "small", parent=card, wrap=True))
        best_first = sorted(group.completions, key=lambda one: -rank(one.reward))
        for one in best_first[:SHOWN_ANSWERS]:
            if one.turns:
                self._show_episode(one, card, box)
                continue
            cut = "  (cut off)" if one.cut else ""
            text = f"{words.metric('reward', one.reward)}   {shown(one.text)}{cut}"
            box.addWidget(selectable(label(text, parent=card, wrap=True)))
        self._page.addWidget(card)

    def _show_episode(self, one: Answer, card: QWidget, box: QVBoxLayout) -> None:
        """What it earned and came to, then turn by turn."""
        head = row(spacing=6)
        head.addWidget(Chip(card, f"Reward {words.metric('reward', one.reward)}", *reward_tone(one.reward)))
        if one.ended:
            head.addWidget(cut_chip(one.ended, card))
        head.addWidget(label(episode_in_words(one.turns), "small", parent=card))
        head.addStretch(1)
        box.addSpacing(6)
        box.addLayout(head)
        box.addWidget(EpisodeView(one.turns, card))

    def _apply(self, values: dict[str, Any], *_: object) -> None:
        self.applied.emit(values)
        self.accept()


def progress_of(phase: Phase) -> tuple[int, int]:
    """How far the phase is, of how much: in tokens where it tells them, since completions all end at nearly one time."""
    if not phase.most_tokens:
        return phase.done, phase.total
    growing = (phase.total - phase.done) * phase.tokens
    return phase.done * phase.most_tokens + growing, phase.total * phase.most_tokens


def figures(report: CheckReport) -> list[tuple[str, str]]:
    """Names and values, in the order in which they are asked for."""
    measured = report.measured
    shown: list[tuple[str, str]] = []
    if report.pass_rate is not None:
        shown.append(("Right answers", words.share(report.pass_rate)))
    if report.pass_at_group is not None:
        shown.append(("Prompts right at least once", words.share(report.pass_at_group)))
    if report.flat_share is not None:
        shown.append(("Groups with equal rewards", words.share(report.flat_share)))
    if report.cut_share is not None:
        shown.append(("Cut off at the limit", words.share(report.cut_share)))
    played = [one.turns for group in measured.groups for one in group.completions if one.turns]
    if played:
        made, failed = calls_of(turn for turns in played for turn in turns)
        shown.append(("Calls of tools", f"{made:,}, {failed:,} failed"))
    for name, one in list(report.rewards.items())[:4]:
        title = "Reward" if name == "total" else f"Reward {name}"
        shown.append((title, f"{one['mean']:.2f} ± {one['std']:.2f}"))
    shown.append(("Peak memory", words.size(measured.peak_bytes)))
    shown.append(("Estimated before", words.size(measured.estimated_peak_bytes)))
    return shown


def time_words(report: CheckReport) -> str:
    """`14 s per step, about 2 h 10 min in all.`"""
    measured = report.measured
    step = words.pace(measured.seconds_per_step)
    return f"{step} per step, about {words.duration(measured.total_seconds)} in all."


def shown(text: str) -> str:
    """On one line, at most `SHOWN_CHARACTERS` of it, invisible characters told."""
    return words.literal(words.shortened(text, SHOWN_CHARACTERS, "…"))


def _set(remedy: Remedy) -> str:
    return ", ".join(f"{path} = {value}" for path, value in remedy.values.items())
