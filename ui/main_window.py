"""The window: a sidebar of panes, a unified toolbar with the run's progress, menus, banners, drops."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, Qt, Slot
from PySide6.QtGui import QCloseEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QMainWindow

from ui.frame.beat import Beat
from ui.frame.drops import DropCatcher, DropZone
from ui.frame.menu_bar.edit_menu import EditMenu
from ui.frame.menu_bar.file_menu import FileMenu
from ui.frame.menu_bar.help_menu import HelpMenu
from ui.frame.menu_bar.run_menu import RunMenu
from ui.frame.menu_bar.view_menu import ViewMenu, WindowMenu
from ui.frame.orders.path_opening import Opening
from ui.frame.orders.run_orders import RunOrders
from ui.frame.orders.run_results import RunResults
from ui.frame.platform_manners import Wakefulness, show_badge
from ui.frame.power_watch import PowerWatch
from ui.frame.questions.closing import Closing
from ui.frame.questions.consent_questions import ConsentQuestions
from ui.frame.questions.held_notice import HeldNotice
from ui.frame.questions.queue_notice import QueueNotice
from ui.frame.questions.resume_offers import ResumeOffers
from ui.frame.result_turn import ResultTurn
from ui.frame.runs_watch import RunsWatch
from ui.frame.spoken import Spoken
from ui.frame.toolbar import RunToolbar
from ui.frame.window_body import WindowBody
from ui.panes.base import Pane
from ui.panes.table import PANES, PANES_BY_KEY
from ui.session import Session
from ui.settings import save_settings
from ui.widgets.notice import Level


class MainWindow(QMainWindow):
    """Shows the session. It puts the parts together; each part is a small object of its own in `ui.frame`."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._wakefulness = Wakefulness()
        self._power = PowerWatch(session, self)
        self._spoken = Spoken(session, self)
        RunsWatch(session, self)
        self.setWindowTitle("Droid Tune[*]")
        self.setMinimumSize(860, 560)
        self.resize(1180, 780)
        self.setUnifiedTitleAndToolBarOnMac(True)
        self._toolbar = RunToolbar(session, self)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, self._toolbar)
        self._make_body()
        self._make_orders()
        self._make_menus()
        self._make_questions()
        self._make_drops()
        self._beat = Beat(session, self._toolbar, self._panes, self)
        session.life_changed.connect(self._life_changed)
        session.told.connect(self._tell)
        self._restore()
        self._life_changed()
        self._beat.start()

    # --- parts --------------------------------------------------------------------------------------------------

    def _make_body(self) -> None:
        body = WindowBody(self.session, self)
        self._sidebar, self._find_bar = body.sidebar, body.find_bar
        self._banners, self._panes = body.banners, body.panes
        self._panes.turned.connect(self._turned)
        self.setCentralWidget(body)

    def _make_orders(self) -> None:
        self._opening = Opening(self.session, self._panes, self._banners, self)
        self._results = RunResults(self.session, self._panes, self._banners, self)
        self._orders = RunOrders(self.session, self._panes, self._banners, self)
        self._orders.drafted.connect(self._save)
        ResultTurn(self.session, self._panes, self)
        self._toolbar.train_asked.connect(self._orders.train)
        self._toolbar.queue_asked.connect(self._orders.enqueue)
        self._toolbar.resume_asked.connect(self._orders.resume_shown)
        self._toolbar.monitor_asked.connect(self._orders.watch)

    def _make_menus(self) -> None:
        """From left to right, as they stand in the menu bar."""
        FileMenu(self.session.settings, self._opening, self._results, self)
        EditMenu(self.session, self._panes, self._find_bar, self)
        RunMenu(self.session, self._orders, self._results, self)
        ViewMenu(PANES, self._panes, self)
        WindowMenu(self)
        HelpMenu(self._panes, self)

    def _make_questions(self) -> None:
        self._closing = Closing(self.session, self)
        offers = ResumeOffers(self.session, self._banners, self)
        offers.accepted.connect(self._orders.resume)
        consent = ConsentQuestions(self.session, self._banners, self)
        consent.imported.connect(self._to_setup)
        HeldNotice(self.session, self._banners, self)
        QueueNotice(self.session, self._banners, self)

    def _make_drops(self) -> None:
        self.setAcceptDrops(True)
        self._zone = DropZone(self)
        self._catcher = DropCatcher(self._zone, self)
        self._catcher.dropped.connect(self._opening.open_paths)

    def _restore(self) -> None:
        raw = self.session.settings.geometry_bytes()
        if raw:
            self.restoreGeometry(QByteArray(raw))
        self._panes.turn_back()
        self._sidebar.setFocus()  # else the first button of the toolbar would wear the ring

    # --- what others may ask of the window ----------------------------------------------------------------------

    def pane(self, key: str) -> Pane:
        """The pane, made on first use."""
        return self._panes.pane(key)

    def has_pane(self, key: str) -> bool:
        """Whether the pane is made."""
        return key in self._panes.made

    @Slot(str)
    def show_pane(self, key: str) -> None:
        """Turn to a pane, here and in the sidebar."""
        self._panes.turn_to(key)

    def current_key(self) -> str:
        """The key of the pane that is seen."""
        return self._panes.current_key()

    @Slot()
    def train(self) -> None:
        """Start the run of the Setup pane, or say what keeps it from starting."""
        self._orders.train()

    @Slot()
    def enqueue(self) -> None:
        """Let the run of the Setup pane wait for its turn, or say what keeps it from that."""
        self._orders.enqueue()

    @Slot()
    def resume_last(self) -> None:
        """Go on with the newest run that can go on, or say that there is none."""
        self._orders.resume_last()

    def resume(self, folder: Path) -> None:
        """Go on with this run and watch it, or say why it cannot."""
        self._orders.resume(folder)

    def import_config(self, file: Path) -> None:
        """Take the settings of a config for the next run, and show them; or say why it cannot be."""
        self._opening.import_config(file)

    def open_data(self, path: Path) -> None:
        """Take a folder or file as the data, and show what is in it."""
        self._opening.open_data(path)

    @Slot(str)
    def open_path(self, path: str) -> None:
        """A file that the Finder or the Dock asks for while the window is open."""
        self._opening.open_paths([Path(path)])

    @Slot()
    def stop_and_close(self) -> None:
        """Close without a question, as soon as a run that trains is saved."""
        self._closing.stop_and_close()

    # --- what happens -------------------------------------------------------------------------------------------

    @Slot(str)
    def _turned(self, key: str) -> None:
        entry = PANES_BY_KEY[key]
        self._toolbar.show_pane(entry.title, shows_run=entry.shows_run, composes=key == "setup")

    @Slot()
    def _to_setup(self) -> None:
        self.show_pane("setup")

    @Slot()
    def _life_changed(self) -> None:
        training = self.session.training
        self._wakefulness.keep(training and self.session.settings.keep_awake)
        self.setWindowModified(training)  # a Mac's dot in the close button: something is not finished
        self._beat.forget()
        if not training:
            show_badge(None)
            self._closing.run_ended()

    @Slot(str, str, str)
    def _tell(self, level: Level, text: str, remedy: str) -> None:
        self._banners.add(level, text, remedy)

    # --- Qt's own -----------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.windowHandle().installEventFilter(self._catcher)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._zone.isVisible():
            self._zone.cover()

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._closing.may_close():
            event.ignore()
            return
        self._beat.stop()
        self._wakefulness.keep(False)
        self._panes.shut()
        self._save()
        event.accept()

    @Slot()
    def _save(self) -> None:
        settings = self.session.settings
        settings.keep_geometry(bytes(self.saveGeometry().data()))
        self._panes.keep_looks()
        self.session.keep_draft()
        save_settings(settings)
