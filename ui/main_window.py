"""The window: a sidebar of panes, a unified toolbar with the run's progress, menus, banners, drops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QAction, QCloseEvent, QDesktopServices, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QLineEdit, QMainWindow, QStackedWidget, QWidget

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.config.config_file import is_config
from droid_tune.errors import UserError
from droid_tune.paths import runs_dir
from ui.engine_worker import Resumption
from ui.form.draft_history import DraftHistory
from ui.frame.changes_sheet import ChangesSheet
from ui.frame.drops import DropCatcher, DropZone, is_model_folder, meant_data
from ui.frame.find_bar import FindBar
from ui.frame.help_window import HelpWindow, help_topics
from ui.frame.menus import MenuCommand, add_menu
from ui.frame.platform_manners import Wakefulness, reveal, show_badge
from ui.frame.power_watch import PowerWatch
from ui.frame.restoring import kept_looks, restore_looks
from ui.frame.runs_watch import RunsWatch
from ui.frame.sidebar import Sidebar
from ui.frame.spoken import Spoken
from ui.frame.toolbar import RunToolbar
from ui.panes.base import Pane, PaneRequest
from ui.panes.table import PANES, PANES_BY_KEY
from ui.session import Session
from ui.settings import save_settings
from ui.widgets.basics import column, row
from ui.widgets.notice import Level, NoticeBar, NoticeStack

#: how often the visible pane looks whether something changed
BEAT_MS = 100
STOP_AND_SAVE, KEEP_TRAINING = "Stop and Save", "Keep Training"
CONTINUE = "Continue"


class MainWindow(QMainWindow):
    """Shows the session. Panes are made when they are first looked at."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._panes: dict[str, Pane] = {}
        self._seen: tuple[object, ...] = ()
        self._closing = False
        self._help: HelpWindow | None = None
        self._close_question: NoticeBar | None = None
        self._held_bar: NoticeBar | None = None  # what the run waits for
        self._offered: set[str] = set()
        self._offers: dict[Path, NoticeBar] = {}  # to go on with a run, as long as they stand there
        self._wakefulness = Wakefulness()
        self._power = PowerWatch(session, self)
        self._spoken = Spoken(session, self)
        RunsWatch(session, self)
        self.setWindowTitle("Droid Tune[*]")
        self.setMinimumSize(860, 560)
        self.resize(1180, 780)
        self.setUnifiedTitleAndToolBarOnMac(True)
        self.setAcceptDrops(True)
        self._make_toolbar()
        self._make_body()
        self._make_menus()
        self._zone = DropZone(self)
        self._catcher = DropCatcher(self._zone, self)
        self._catcher.dropped.connect(self._dropped)
        session.life_changed.connect(self._life_changed)
        session.told.connect(self._tell)
        session.doubtful.connect(self._ask_about_changes)
        session.runs_changed.connect(self._offer_resume)
        session.consent_wanted.connect(self._ask_consent)
        session.import_consent_wanted.connect(self._ask_import_consent)
        self._restore()
        self._life_changed()
        self._beat = QTimer(self)
        self._beat.setInterval(BEAT_MS)
        self._beat.timeout.connect(self._on_beat)
        self._beat.start()

    # --- parts --------------------------------------------------------------------------------------------------

    def _make_toolbar(self) -> None:
        self._toolbar = RunToolbar(self.session, self)
        self._toolbar.train_asked.connect(self.train)
        self._toolbar.queue_asked.connect(self.enqueue)
        self._toolbar.resume_asked.connect(self._resume_shown)
        self._toolbar.monitor_asked.connect(self._to_monitor)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, self._toolbar)

    def _make_body(self) -> None:
        body = QWidget(self)
        sides = row(body, spacing=0)
        self._sidebar = Sidebar(PANES, body)
        self._sidebar.chosen.connect(self.show_pane)
        sides.addWidget(self._sidebar)
        main = QWidget(body)
        stack = column(main, spacing=0)
        self._banners = NoticeStack(main)
        self._banners.setContentsMargins(20, 12, 20, 0)
        stack.addWidget(self._banners)
        self._pages = QStackedWidget(main)
        self._find_bar = FindBar(main)
        stack.addWidget(self._find_bar)
        stack.addWidget(self._pages, 1)
        sides.addWidget(main, 1)
        self.setCentralWidget(body)

    def _make_menus(self) -> None:
        role = QAction.MenuRole
        standard = QKeySequence.StandardKey
        self._actions: dict[str, QAction] = {}
        menu, made = add_menu(
            self,
            "File",
            [
                MenuCommand("open", "Open Folder…", self._open_folder, standard.Open),
                MenuCommand("sample", "Use Sample Data", self._use_sample),
                None,
                MenuCommand("import", "Import Settings…", self._import_settings, "Ctrl+Shift+O"),
                None,
                MenuCommand("export", "Export…", self._export, "Ctrl+E"),
                MenuCommand("reveal", "Reveal Run in Finder", self._reveal_run, "Ctrl+Shift+F"),
                MenuCommand("runs", "Show Runs Folder", self._show_runs_folder),
                None,
                MenuCommand("close", "Close Window", self.close, standard.Close),
                MenuCommand("quit", "Quit Droid Tune", self.close, standard.Quit, role.QuitRole),
            ],
        )
        self._recent = menu.addMenu("Open Recent")
        menu.insertMenu(made["sample"], self._recent)
        self._recent.aboutToShow.connect(self._fill_recent)
        self._actions |= made
        self._make_edit_menu()
        _, made = add_menu(
            self,
            "Run",
            [
                MenuCommand("train", "Train", self.train, "Ctrl+R"),
                MenuCommand("enqueue", "Add to Queue", self.enqueue, "Ctrl+Shift+T"),
                MenuCommand("pause", "Pause", self.session.toggle_pause, "Ctrl+Shift+P"),
                MenuCommand("stop", "Stop and Save", self.session.stop, "Ctrl+."),
                None,
                MenuCommand("resume", "Resume Last Run", self.resume_last, "Ctrl+Shift+R"),
            ],
        )
        self._actions |= made
        panes = [
            MenuCommand(pane.key, pane.title, partial(self.show_pane, pane.key), f"Ctrl+{number}")
            for number, pane in enumerate((pane for pane in PANES if pane.key != "settings"), start=1)
        ]
        settings = MenuCommand("settings", "Settings…", self._to_settings, "Ctrl+,", role.PreferencesRole)
        full = MenuCommand("full_screen", "Enter Full Screen", self._full_screen, standard.FullScreen)
        _, made = add_menu(self, "View", [*panes, None, full, None, settings])
        self._actions |= made
        window = [
            MenuCommand("minimise", "Minimize", self.showMinimized, "Ctrl+M"),
            MenuCommand("zoom", "Zoom", self._zoom),
        ]
        add_menu(self, "Window", [*window])
        about = MenuCommand("about", "About Droid Tune", self._to_settings, role=role.AboutRole)
        search = MenuCommand("help", "Search the Help…", partial(self._open_help, ""), standard.HelpContents)
        topics = [
            MenuCommand(f"help {key}", title, partial(self._open_help, key))
            for key, title in help_topics().items()
        ]
        add_menu(self, "Help", [search, None, *topics, None, about])

    def _make_edit_menu(self) -> None:
        """Text fields answer the keys themselves; the menu shows that they do. Undo takes back changes of the form."""
        standard = QKeySequence.StandardKey
        self._history = DraftHistory(self.session, self)
        commands: list[MenuCommand | None] = [
            MenuCommand(name, text, partial(self._edit, name), key)
            for name, text, key in (
                ("cut", "Cut", standard.Cut),
                ("copy", "Copy", standard.Copy),
                ("paste", "Paste", standard.Paste),
                ("selectAll", "Select All", standard.SelectAll),
            )
        ]
        find: list[MenuCommand | None] = [None, MenuCommand("find", "Find…", self._find, standard.Find)]
        undo: list[MenuCommand | None] = [
            MenuCommand("undo", "Undo", partial(self._take_back, "undo"), standard.Undo),
            MenuCommand("redo", "Redo", partial(self._take_back, "redo"), standard.Redo),
            None,
        ]
        menu, made = add_menu(self, "Edit", [*undo, *commands, *find])
        self._actions |= made
        menu.aboutToShow.connect(self._show_what_can_be_undone)
        menu.aboutToHide.connect(self._allow_undo)

    def _restore(self) -> None:
        settings = self.session.settings
        raw = settings.geometry_bytes()
        if raw:
            self.restoreGeometry(QByteArray(raw))
        self.show_pane(settings.pane if settings.pane in PANES_BY_KEY else "setup")

    # --- panes --------------------------------------------------------------------------------------------------

    def pane(self, key: str) -> Pane:
        """The pane, made on first use: plots and tables take a moment that the first paint should not wait for."""
        if key not in self._panes:
            made = PANES_BY_KEY[key].make(self.session, self._pages)
            made.asked.connect(self._fulfil)
            self._panes[key] = made
            self._pages.addWidget(made)
            restore_looks(made, self.session.settings.looks_of(key))
        return self._panes[key]

    @Slot(str)
    def show_pane(self, key: str) -> None:
        """Turn to a pane, here and in the sidebar."""
        self._pages.setCurrentWidget(self.pane(key))
        self._sidebar.choose(key)
        entry = PANES_BY_KEY[key]
        self._toolbar.show_pane(entry.title, shows_run=entry.shows_run, composes=key == "setup")
        self.session.settings.pane = key
        self._find_bar.hide()

    def current_key(self) -> str:
        """The key of the pane that is seen."""
        return self.session.settings.pane

    @Slot(object)
    def _fulfil(self, request: PaneRequest) -> None:
        """What one pane asks of another."""
        self.show_pane(request.key)
        if request.paths:
            self.pane(request.key).take(request.paths)
        if request.text:
            self.pane(request.key).take_text(request.text)

    # --- what a person asks for ---------------------------------------------------------------------------------

    @Slot()
    def train(self) -> None:
        """Start the run of the Setup pane, or say what keeps it from starting."""
        if not self.session.training and self._handed_over(self.session.train):
            self.show_pane("monitor")

    @Slot()
    def enqueue(self) -> None:
        """Let the run of the Setup pane wait for its turn, or say what keeps it from that."""
        self._handed_over(self.session.enqueue)

    def _handed_over(self, take: Callable[[RunConfig], None]) -> bool:
        """Whether the draft could be taken; else its fault is said, in the form's own words as long as it is there."""
        try:
            take(self.session.draft.config())
        except UserError as error:
            self.show_pane("setup")
            if not self.pane("setup").point_out():
                self._tell("error", str(error), "")
            return False
        self._save()
        return True

    @Slot()
    def _export(self) -> None:
        """Of the run that is shown, else of the newest that has something to export."""
        able = [run for run in self.session.runs if run.saved_step or run.state == "completed"]
        shown = [run for run in able if run.folder == self.session.shown_folder]
        if not able or self.session.training:
            why = "A run is training; stop it first." if able else "A run has one once it has saved."
            self._tell("info", "There is no result to export now.", why)
            return
        from ui.panes.runs.export_sheet import ExportSheet  # reads what the first paint does not wait for

        ExportSheet(self.session, (shown or able)[0], self).open()

    @Slot()
    def resume_last(self) -> None:
        """Go on with the newest run that can go on, or say that there is none."""
        run = next((run for run in self.session.runs if run.resumable), None)
        if run is None:
            self._tell(
                "info", "There is no run to go on with.", "Stopped and interrupted runs can be resumed."
            )
            return
        self.resume(run.folder)

    def resume(self, folder: Path) -> None:
        """Go on with this run and watch it, or say why it cannot."""
        try:
            self.session.resume(folder)
        except UserError as error:
            self._tell("error", str(error), "")
            return
        if not PANES_BY_KEY[self.current_key()].shows_run:
            self.show_pane("monitor")

    @Slot(object, list)
    def _ask_about_changes(self, resumption: Resumption, changes: list[str]) -> None:
        sheet = ChangesSheet(resumption.folder.name, changes, self)
        accepted = replace(resumption, accepted=True)
        sheet.go_on.connect(partial(self.session.go_on, accepted))
        sheet.branch_off.connect(partial(self.session.branch_off, resumption))
        sheet.open()

    @Slot()
    def _resume_shown(self) -> None:
        if self.session.resumable is not None:
            self.resume(self.session.resumable)

    def import_config(self, file: Path) -> None:
        """Take the settings of a config for the next run, and show them; or say why it cannot be."""
        try:
            self.session.import_config(file)
        except UserError as error:
            self._tell("error", str(error), "The settings stay as they were.")
            return
        self.show_pane("setup")

    @Slot()
    def _import_settings(self) -> None:
        file, _ = QFileDialog.getOpenFileName(
            self, "Import the settings of a run", str(Path.home()), "Settings (*.yaml *.yml *.json)"
        )
        if file:
            self.import_config(Path(file))

    def open_data(self, path: Path) -> None:
        """Take a folder or file as the data, and show what is in it."""
        self.session.set_data(str(path))
        self.show_pane("data")

    @Slot(str)
    def open_path(self, path: str) -> None:
        """A file that the Finder or the Dock asks for while the window is open."""
        self._dropped([Path(path)])

    @Slot(list)
    def _dropped(self, paths: list[Path]) -> None:
        self.activateWindow()
        if len(paths) == 1 and is_model_folder(paths[0]):
            self.session.draft.set_model(str(paths[0]))
            self.session.draft_changed.emit()
            self.show_pane("setup")
            return
        if len(paths) == 1 and is_config(paths[0]):
            self.import_config(paths[0])
            return
        if len(paths) > 1 and all(path.is_file() for path in paths):
            self._fulfil(PaneRequest("data", tuple(paths)))
            return
        meant = meant_data(paths)
        if meant is None:
            said = f"{words.count(len(paths), 'thing')} were dropped that do not belong together."
            self._tell("warning", said, "Drop one folder, one file, or several files of one folder.")
            return
        self.open_data(meant)

    @Slot()
    def _open_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Choose a folder with training data", str(Path.home())
        )
        if folder:
            self.open_data(Path(folder))

    @Slot()
    def _use_sample(self) -> None:
        self.session.set_data("sample")
        self.show_pane("data")

    @Slot()
    def _fill_recent(self) -> None:
        self._recent.clear()
        for path in self.session.settings.recent_data:
            action = self._recent.addAction(path)
            action.triggered.connect(partial(self.open_data, Path(path)))
        if not self.session.settings.recent_data:
            self._recent.addAction("Nothing yet").setEnabled(False)

    @Slot()
    def _show_runs_folder(self) -> None:
        runs_dir().mkdir(parents=True, exist_ok=True)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(runs_dir())))

    @Slot()
    def _to_monitor(self) -> None:
        if self.session.training:
            self.session.show_live()
        self.show_pane("monitor")

    @Slot()
    def _to_settings(self) -> None:
        self.show_pane("settings")

    @Slot()
    def _zoom(self) -> None:
        if self.isMaximized():
            self.showNormal()
        else:
            self.showMaximized()

    def _take_back(self, name: str) -> None:
        """In the text field that is written in, where it has something; else in the form."""
        field = self.focusWidget()
        available = f"is{name.capitalize()}Available"
        document = getattr(field, "document", lambda: field)()
        if getattr(document, available, bool)():
            self._edit(name)
        elif name == "undo":
            self._history.undo()
        else:
            self._history.redo()

    @Slot()
    def _show_what_can_be_undone(self) -> None:
        self._actions["undo"].setEnabled(self._history.can_undo or isinstance(self.focusWidget(), QLineEdit))
        self._actions["redo"].setEnabled(self._history.can_redo or isinstance(self.focusWidget(), QLineEdit))

    @Slot()
    def _allow_undo(self) -> None:
        """A disabled action would swallow its key."""
        for name in ("undo", "redo"):
            self._actions[name].setEnabled(True)

    @Slot()
    def _find(self) -> None:
        """In the pane's own search field where it has one, else in all that it shows."""
        current = self._pages.currentWidget()
        if isinstance(current, Pane) and not current.find_here():
            self._find_bar.open_for(current)

    @Slot()
    def _reveal_run(self) -> None:
        folder = self.session.shown_folder
        if folder is None or not folder.exists():
            self._tell("info", "No run is shown, so there is none to reveal.", "Choose one in Runs.")
        else:
            reveal(folder)

    @Slot()
    def _full_screen(self) -> None:
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()
        wording = "Exit Full Screen" if self.isFullScreen() else "Enter Full Screen"
        self._actions["full_screen"].setText(wording)

    def _open_help(self, topic: str) -> None:
        if self._help is None:
            self._help = HelpWindow(self)
        self._help.open_topic(topic)

    def _edit(self, name: str) -> None:
        handler = getattr(self.focusWidget(), name, None)
        if handler is not None:
            handler()

    # --- what happens -------------------------------------------------------------------------------------------

    @Slot()
    def _on_beat(self) -> None:
        session = self.session
        live = session.live.revision if session.live is not None else -1
        mark = (id(session.shown), session.shown.revision, live, session.stopping, session.training)
        if mark == self._seen:
            return
        self._seen = mark
        self._toolbar.show_activity()
        if session.live is not None and session.training:
            show_badge(round(100 * session.live.fraction))
        current = self._pages.currentWidget()
        if isinstance(current, Pane) and self.isVisible() and not self.isMinimized():
            current.refresh()

    @Slot()
    def _life_changed(self) -> None:
        session = self.session
        training = session.training
        self._actions["train"].setEnabled(not training)
        self._actions["stop"].setEnabled(training and not session.stopping_now)
        self._actions["pause"].setEnabled(training and not session.stopping)
        self._actions["pause"].setText("Continue" if session.paused else "Pause")
        self._actions["resume"].setEnabled(not training)
        self._wakefulness.keep(training and session.settings.keep_awake)
        self.setWindowModified(training)  # a Mac's dot in the close button: something is not finished
        self._withdraw_offers()
        self._show_held()
        self._seen = ()
        if not training:
            show_badge(None)
            if self._closing:
                self.close()

    @Slot(str, str, str)
    def _tell(self, level: Level, text: str, remedy: str) -> None:
        self._banners.add(level, text, remedy)

    def _show_held(self) -> None:
        """What the run waits for to be mended stands in the window until it goes on or stops."""
        live = self.session.live
        held = live.held if live is not None and self.session.training else None
        if self._held_bar is not None:
            self._banners.remove(self._held_bar)
            self._held_bar = None
        if held is not None:
            self._held_bar = self._banners.add(
                "error", f"Paused: {held.text}", held.remedy, actions=(CONTINUE, STOP_AND_SAVE)
            )
            self._held_bar.chosen.connect(self._answer_held)

    @Slot(str)
    def _answer_held(self, action: str) -> None:
        if action == CONTINUE:
            self.session.toggle_pause()
        else:
            self.session.stop()

    @Slot()
    def _offer_resume(self) -> None:
        """A run that a crash ended is offered once, inline."""
        self._withdraw_offers()
        for run in self.session.interrupted():
            if run.id in self._offered or self.session.training:
                continue
            self._offered.add(run.id)
            saved = f"It was saved last at step {run.saved_step:,} of {run.total_steps:,}."
            bar = self._offers[run.folder] = self._banners.add(
                "warning", f"“{words.literal(run.name)}” was interrupted.", saved, actions=("Resume",)
            )
            bar.chosen.connect(partial(self._accept_resume, run.folder))
            bar.closed.connect(partial(self._dismiss_run, run.folder))
            return

    @Slot(object, list)
    def _ask_consent(self, resumption: Resumption, found: list[str]) -> None:
        """A run from elsewhere that reaches for code, a judge or a key: shown, and asked about once."""
        clauses = words.literal("; ".join(found))
        text = f"“{words.literal(resumption.folder.name)}” was not made here, and it {clauses}."
        bar = self._banners.add(
            "warning", text, "Look at it before you allow it.", actions=("Allow and Resume",)
        )
        bar.chosen.connect(partial(self._consented, resumption))

    @Slot(Path, list)
    def _ask_import_consent(self, file: Path, found: list[str]) -> None:
        """Settings from a file that reach for code, a judge or a key: shown, and asked about once."""
        text = f"{words.literal(file.name)} reaches for more than model and data: it {words.literal('; '.join(found))}."
        bar = self._banners.add(
            "warning", text, "Look at it before you allow it.", actions=("Allow and Import",)
        )
        bar.chosen.connect(partial(self._import_allowed, file))

    def _import_allowed(self, file: Path, action: str) -> None:
        try:
            self.session.allow_import(file)
        except UserError as error:
            self._tell("error", str(error), "The settings stay as they were.")
            return
        self.show_pane("setup")

    def _consented(self, resumption: Resumption, action: str) -> None:
        try:
            from droid_tune.runs.foreign import allow_run

            allow_run(resumption.folder)
            self.session.resume(resumption.folder, resumption.further_steps, resumption.checkpoint)
        except UserError as error:
            self._tell("error", str(error), "")

    def _accept_resume(self, folder: Path, action: str) -> None:
        self.resume(folder)

    def _dismiss_run(self, folder: Path) -> None:
        self._offers.pop(folder, None)
        self.session.settings.dismissed_runs.append(folder.name)

    def _withdraw_offers(self) -> None:
        """Offers that nobody can take any more: the run goes on, went on, or is gone."""
        standing = {run.folder for run in self.session.interrupted()}
        for folder in [one for one in self._offers if one not in standing or one == self.session.live_folder]:
            self._banners.remove(self._offers.pop(folder))

    # --- Qt's own -----------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.windowHandle().installEventFilter(self._catcher)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._zone.isVisible():
            self._zone.cover()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.session.training:
            event.ignore()
            if self.session.stopping:
                self._closing = True  # as soon as the run is saved
            else:
                self._ask_to_close()
            return
        self._beat.stop()
        self._wakefulness.keep(False)
        for pane in self._panes.values():
            pane.shut()
        self._save()
        event.accept()

    @Slot()
    def stop_and_close(self) -> None:
        """Close without a question, as soon as a run that trains is saved."""
        self.session.queue.leave()
        self.session.stop()
        self.close()

    def _ask_to_close(self) -> None:
        if self._close_question is not None:
            return
        asked = self._banners.add(
            "warning",
            "A run is training.",
            "Stop and save: the window closes as soon as the run is saved, and it can go on later.",
            actions=(STOP_AND_SAVE, KEEP_TRAINING),
        )
        self._close_question = asked
        asked.chosen.connect(self._answer_close)
        asked.closed.connect(self._forget_question)

    @Slot(str)
    def _answer_close(self, action: str) -> None:
        self._forget_question()
        self._banners.clear()
        if action == STOP_AND_SAVE:
            self._closing = True
            self.session.queue.leave()
            self.session.stop()
            if not self.session.training:
                self.close()

    @Slot()
    def _forget_question(self) -> None:
        self._close_question = None

    def _save(self) -> None:
        settings = self.session.settings
        settings.keep_geometry(bytes(self.saveGeometry().data()))
        settings.looks |= {key: dict(kept_looks(pane)) for key, pane in self._panes.items()}
        self.session.keep_draft()
        save_settings(settings)
