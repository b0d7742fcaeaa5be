"""The report in the window: the page that `droid-tune report` writes, to be read here, saved or opened in the browser."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QTextBrowser, QWidget

from droid_tune.errors import UserError
from droid_tune.machine.own_process import own_command, own_environment
from ui.background import Task
from ui.session import Session
from ui.theme import current_theme
from ui.widgets.basics import button, closes_by_key, column, prose, row

if TYPE_CHECKING:
    from droid_tune.report.markup import Html
    from droid_tune.report.story import Story

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
#: Qt's own CSS is small: what the page looks like in the window
STYLE = """
h1 {{ font-size: 22px; }} h2 {{ font-size: 17px; margin-top: 26px; }} h3 {{ font-size: 14px; margin-top: 14px; }}
table {{ margin-top: 14px; }} th, td {{ padding: 4px 14px 4px 0; }}
th {{ font-weight: 600; text-align: left; }} pre {{ white-space: pre-wrap; }}
.number {{ text-align: right; }} .quiet {{ color: {secondary}; }} .good {{ color: {good}; }} .bad {{ color: {bad}; }}
.warning {{ color: {warning}; }} a {{ color: {accent}; }}
"""


class ReportWindow(QWidget):
    """A window of its own on some runs; it reads them in the background and forgets itself when it is closed."""

    def __init__(self, session: Session, title: str, folders: Sequence[Path], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        closes_by_key(self)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.setProperty("role", "page")
        self.resize(980, 760)
        self._session, self._title, self._folders = session, title, list(folders)
        self._stories: list[Story] = []
        self._faults: list[str] = []
        lines = column(self, spacing=10, margins=16)
        self._browser = QTextBrowser(self)
        self._browser.setOpenLinks(False)
        self._browser.setAccessibleName(title)
        self._browser.anchorClicked.connect(self._go_to)
        lines.addWidget(self._browser, 1)
        self._word = prose("Reading the runs…", "small", parent=self)
        bar = row(spacing=8)
        bar.addWidget(self._word, 1)
        self._measure = button(
            "Measure General Answers",
            parent=self,
            help="Load each model and see whether it forgot what it was not trained on",
        )
        self._measure.clicked.connect(self._measure_general)
        self._save = button("Save…", parent=self, help="As one file that any browser shows")
        self._save.clicked.connect(self._ask_where)
        self._open = button("Open in Browser", parent=self)
        self._open.clicked.connect(self._open_page)
        for made in (self._measure, self._save, self._open):
            made.setEnabled(False)
            bar.addWidget(made)
        lines.addLayout(bar)
        session.life_changed.connect(self._show_buttons)
        current_theme().changed.connect(self._draw)
        self._read()

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        from droid_tune.report.story import read_stories

        Task(partial(read_stories, self._folders), self, done=self._keep, failed=self._word.setText).start()

    def _keep(self, found: tuple[list[Story], list[str]]) -> None:
        self._stories, self._faults = found
        self._word.setText("")
        self._draw()
        self._show_buttons()

    @Slot()
    def _draw(self) -> None:
        from droid_tune.report.page import page_body

        tokens = current_theme().tokens
        style = STYLE.format(
            secondary=tokens.secondary,
            good=tokens.good,
            bad=tokens.bad,
            warning=tokens.warning,
            accent=tokens.accent,
        )
        self._browser.document().setDefaultStyleSheet(style)
        self._browser.setHtml(page_body(self._title, self._stories, self._faults, in_window))

    @Slot()
    def _show_buttons(self) -> None:
        """The models are loaded beside no run that trains: memory is the machine's, not ours alone."""
        for made in (self._save, self._open):
            made.setEnabled(bool(self._stories))
        unmeasured = any(story.general is None for story in self._stories)
        self._measure.setVisible(unmeasured)
        self._measure.setEnabled(unmeasured and not self._session.training)

    # --- slots --------------------------------------------------------------------------------------------------

    @Slot(QUrl)
    def _go_to(self, link: QUrl) -> None:
        self._browser.scrollToAnchor(link.fragment())

    @Slot()
    def _measure_general(self) -> None:
        self._measure.setEnabled(False)
        self._word.setText("Loading each model and measuring general answers…")
        Task(partial(measure, self._folders), self, done=self._measured, failed=self._word.setText).start()

    def _measured(self, said: str) -> None:
        self._word.setText(said)
        self._read()

    @Slot()
    def _ask_where(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the report", "report.html", "Web page (*.html)")
        if name:
            self.save(Path(name))

    def save(self, file: Path) -> bool:
        """Write the page; whether that went well, else it is said why not."""
        from droid_tune.report.page_file import page_file, write_page

        try:
            write_page(page_file(file), self._title, self._stories, self._faults)
        except UserError as error:
            self._word.setText(str(error))
            return False
        self._word.setText(f"Saved as {file}.")
        return True

    @Slot()
    def _open_page(self) -> None:
        file = Path(tempfile.mkdtemp(prefix="droid-tune-report-")) / "report.html"
        if self.save(file):
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(file)))


def in_window(figure: Html) -> Html:
    """A chart as Qt's text widget shows one: in the theme's colours, its words, and its drawing as a picture."""
    from droid_tune.report.markup import Html
    from droid_tune.report.svg_chart import AXIS_COLOUR, COLOURS

    tokens = current_theme().tokens
    colours = dict(zip(COLOURS, current_theme().curves, strict=False)) | {AXIS_COLOUR: tokens.secondary}
    themed = re.sub("|".join(colours), lambda found: colours[found[0]], figure)

    def picture(found: re.Match[str]) -> str:
        data = base64.b64encode(found.group(0).encode()).decode()
        return f'<p><img width="560" height="220" src="data:image/svg+xml;base64,{data}"></p>'

    return Html(f"<div>{SVG.sub(picture, themed)}</div>")


def measure(folders: Sequence[Path]) -> str:
    """Measure general answers in a process beside the window; what could not be measured, in words."""
    done = subprocess.run(
        own_command("report", "--json", *map(str, folders)),
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join(done.stderr.split())
