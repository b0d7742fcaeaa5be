"""Take a run's result along: as what, where to, how far it is, and how it compares with the run's own model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLayout,
    QLineEdit,
    QMessageBox,
    QWidget,
)

from droid_tune import words
from droid_tune.config.exporting import (
    CHECK_ROWS,
    REQUANTISED,
    TARGETS,
    TYPE_LABELS,
    ExportRequest,
    usual_place,
)
from droid_tune.control import Watch
from droid_tune.errors import UserError
from droid_tune.model_files.hub import is_hub_id
from droid_tune.model_files.ready_folder import files_to_upload
from droid_tune.names import ExportTarget
from droid_tune.paths import user_path
from droid_tune.runs.folder import slug
from ui.one_run.export_job import ExportThread
from ui.session import Session
from ui.widgets.basics import button, column, label, prose, row, selectable
from ui.widgets.calm_bar import CalmBar
from ui.widgets.checkpoint_picker import CheckpointPicker
from ui.widgets.quiet_combo import QuietCombo
from ui.widgets.switch import Switch

if TYPE_CHECKING:
    from droid_tune.runs.folder import RunSummary

WIDTH, HEIGHT = 560, 430


class ExportSheet(QDialog):
    """A sheet on one run. Closing it ends what is being written; nothing half-written stays."""

    def __init__(self, session: Session, run: RunSummary, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setWindowTitle("Export")
        self._session, self._run = session, run
        self._thread: ExportThread | None = None
        self._exported: Any = None
        self._proposed = ""
        lines = column(self, spacing=12, margins=20)
        lines.addWidget(label(f"Export “{words.literal(run.name)}”", "heading", parent=self, wrap=True))
        self._summary = prose("", "secondary", parent=self)
        lines.addWidget(self._summary)
        lines.addLayout(self._questions())
        self._bar = CalmBar(self)
        self._bar.setAccessibleName("How far the export is")
        self._bar.setTextVisible(False)
        self._bar.hide()
        lines.addWidget(self._bar)
        self._said = selectable(prose("", parent=self))
        lines.addWidget(self._said, 1, Qt.AlignmentFlag.AlignTop)
        lines.addLayout(self._buttons())
        # A fixed minimum would be pushed to the window system at each change of the words.
        lines.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self.resize(WIDTH, HEIGHT)
        self._show_target()

    # --- parts --------------------------------------------------------------------------------------------------

    def _questions(self) -> QFormLayout:
        self._form = QFormLayout()
        self._form.setHorizontalSpacing(16)
        self._form.setVerticalSpacing(8)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._target = QuietCombo(self)
        for name, facts in TARGETS.items():
            self._target.addItem(facts.label, name)
        self._target.currentIndexChanged.connect(self._show_target)
        self._checkpoint = CheckpointPicker(self)
        self._checkpoint.show_run(self._run)
        self._type = QuietCombo(self)
        self._repository = QLineEdit(self)
        self._repository.setPlaceholderText("owner/name")
        self._public = Switch("Everyone may see it", self)
        self._compare = Switch("Compare", self)
        self._compare.setChecked(True)
        compared = f"on up to {CHECK_ROWS} held-out rows, with the run's own model"
        self._rows: dict[str, QWidget | QHBoxLayout] = {
            "For": self._target,
            "Weights of": self._checkpoint,
            "Type": self._type,
            "Folder": self._place(),
            "Repository": self._repository,
            "Public": self._beside(self._public, "everyone may see it"),
            "Compare": self._beside(self._compare, compared),
        }
        for name, widget in self._rows.items():
            self._form.addRow(label(name, "secondary", parent=self), widget)
        self._form.setRowVisible(self._checkpoint, bool(self._checkpoint.count() > 1))
        for widget, name in ((self._target, "What it is for"), (self._type, "Type of the weights")):
            widget.setAccessibleName(name)
        self._repository.setAccessibleName("Repository")
        return self._form

    def _place(self) -> QHBoxLayout:
        place = row(spacing=6)
        self._folder = QLineEdit(self)
        self._folder.setAccessibleName("Folder")
        choose = button("Choose…", parent=self)
        choose.setAutoDefault(False)
        choose.clicked.connect(self._choose)
        place.addWidget(self._folder, 1)
        place.addWidget(choose)
        return place

    def _beside(self, switch: Switch, text: str) -> QHBoxLayout:
        pair = row(spacing=8)
        pair.addWidget(switch)
        pair.addWidget(label(text, "small", parent=self), 1)
        return pair

    def _buttons(self) -> QHBoxLayout:
        bar = row(spacing=8)
        self._show = button("Show Folder", parent=self, icon="folder")
        self._show.clicked.connect(self._show_folder)
        self._upload = button("Upload…", parent=self)
        self._upload.clicked.connect(self._ask_upload)
        self._keep = button("Keep It All the Same", parent=self, help="Export again without refusing it")
        self._keep.clicked.connect(self._force)
        self._close = button("Close", parent=self)
        self._close.clicked.connect(self.reject)
        self._export = button("Export", "primary", parent=self)
        self._export.setDefault(True)
        self._export.clicked.connect(self._begin)
        for made in (self._show, self._upload, self._keep):
            made.hide()
            bar.addWidget(made)
        bar.addStretch(1)
        bar.addWidget(self._close)
        bar.addWidget(self._export)
        return bar

    # --- asking -------------------------------------------------------------------------------------------------

    @property
    def target(self) -> ExportTarget:
        """What it is exported for."""
        return cast(ExportTarget, self._target.currentData())

    @Slot()
    def _show_target(self) -> None:
        facts, name = TARGETS[self.target], slug(self._run.name)
        self._summary.setText(facts.summary)
        self._type.clear()
        for kind in facts.types:
            self._type.addItem(TYPE_LABELS[kind], kind)
        if facts.requantises:
            self._type.insertItem(1, REQUANTISED, REQUANTISED)
        self._form.setRowVisible(self._type, len(facts.types) > 1)
        self._form.setRowVisible(self._repository, self.target == "hub")
        self._form.setRowVisible(self._rows["Public"], self.target == "hub")  # pyright: ignore[reportArgumentType, reportCallIssue]
        if self._folder.text() == self._proposed:  # a person's own words stay
            self._proposed = str(usual_place(self.target, name))
            self._folder.setText(self._proposed)

    @Slot()
    def _choose(self) -> None:
        above = QFileDialog.getExistingDirectory(self, "Export Into", str(Path(self._folder.text()).parent))
        if above:
            self._folder.setText(str(Path(above) / f"{slug(self._run.name)}-{self.target}"))

    def request(self, *, force: bool = False) -> ExportRequest:
        """What the sheet asks the engine for."""
        chosen = self._type.currentData()
        return ExportRequest(
            target=self.target,
            out=user_path(self._folder.text()),
            checkpoint=self._checkpoint.choice,
            weights=None if chosen == REQUANTISED else chosen,
            requantise=chosen == REQUANTISED,
            check=CHECK_ROWS if self._compare.isChecked() else 0,
            force=force,
        )

    # --- working ------------------------------------------------------------------------------------------------

    @Slot()
    def _begin(self) -> None:
        self._start_export()

    @Slot()
    def _force(self) -> None:
        self._start_export(force=True)

    def _start_export(self, *, force: bool = False) -> None:
        engine, folder = self._session.engine, self._run.folder
        try:
            request = self.request(force=force)
        except UserError as error:  # no folder can have that name
            self._show_fault(str(error))
            return
        self._exported = None
        self._work(lambda watch: engine.export(folder, request, watch), self._show_exported)

    def _work(self, work: Callable[[Watch], Any], done: Callable[[Any], None]) -> None:
        self._said.setText("")
        for made in (self._show, self._upload, self._keep):
            made.hide()
        self._bar.setRange(0, 0)
        self._set_working(True)
        self._thread = ExportThread(self._session.engine, work, self)
        self._thread.progressed.connect(self._show_progress)
        self._thread.done.connect(done)
        self._thread.failed.connect(self._show_fault)
        self._thread.ended.connect(self._show_ended)
        self._thread.start()

    def _set_working(self, working: bool) -> None:
        self._bar.setVisible(working)
        self._export.setEnabled(not working)
        self._close.setText("Stop" if working else "Close")
        for widget in (self._target, self._checkpoint, self._type, self._folder, self._repository):
            widget.setEnabled(not working)

    @Slot(int, int, str)
    def _show_progress(self, done: int, total: int, what: str) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        if what:
            self._said.setText(f"{words.capitalised(what)}…")

    @Slot(object)
    def _show_exported(self, exported: Any) -> None:
        self._set_working(False)
        self._exported = exported
        self._said.setText("\n".join([f"Written to {exported.folder}.", *exported.sentences]))
        self._offer_folder()

    def _offer_folder(self) -> None:
        """What can be done with what was written: again, where an upload did not come to its end."""
        self._show.setVisible(self._exported is not None)
        self._upload.setVisible(self._exported is not None and self.target == "hub")

    @Slot(str)
    def _show_fault(self, sentence: str) -> None:
        self._set_working(False)
        self._said.setText(sentence.replace("`--force`", "“Keep It All the Same”"))
        self._keep.setVisible("--force" in sentence)
        self._offer_folder()

    @Slot()
    def _show_ended(self) -> None:
        self._set_working(False)
        self._said.setText(
            "Stopped; nothing was kept." if self._exported is None else "Stopped; the folder is kept."
        )
        self._offer_folder()

    # --- afterwards ---------------------------------------------------------------------------------------------

    @Slot()
    def _show_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._exported.folder)))

    @Slot()
    def _ask_upload(self) -> None:
        """Nothing leaves this machine before a person has seen the list of files and said yes."""
        repository = self._repository.text().strip()
        if not is_hub_id(repository):
            self._said.setText("Name the repository as owner/name: that is how the Hub calls them.")
            return
        files = files_to_upload(self._exported.folder)
        listed = "\n".join(f"{file.name}  {words.size(file.bytes)}" for file in files)
        seen = "everyone may see it" if self._public.isChecked() else "private"
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowModality(Qt.WindowModality.WindowModal)  # a sheet, on a Mac
        box.setText(f"Upload {words.count(len(files), 'file')} to {repository} ({seen})?")
        box.setInformativeText(listed)
        yes = box.addButton("Upload", QMessageBox.ButtonRole.AcceptRole)
        yes.clicked.connect(self.start_upload)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.open()

    @Slot()
    def start_upload(self) -> None:
        """Upload what was written, as the sheet says."""
        engine, folder, repository = (
            self._session.engine,
            self._exported.folder,
            self._repository.text().strip(),
        )
        public = self._public.isChecked()
        self._work(lambda watch: engine.upload(folder, repository, public, watch), self._show_uploaded)

    @Slot(object)
    def _show_uploaded(self, address: str) -> None:
        self._set_working(False)
        self._said.setText(f"Uploaded: {address}")
        self._show.show()

    def reject(self) -> None:
        """The first press ends what is being written, the next closes."""
        if self._thread is not None and self._thread.isRunning():
            self._thread.stop()
            self._said.setText("Stopping…")
            return
        super().reject()

    def done(self, result: int) -> None:
        if self._thread is not None:
            self._thread.let_go()
            self._thread = None
        super().done(result)
