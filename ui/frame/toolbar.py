"""The unified toolbar: the pane's title, what the run does, and the buttons that steer it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QToolBar, QWidget

from ui.frame.activity import Activity
from ui.session import Session
from ui.widgets.basics import button, label, row


class RunToolbar(QToolBar):
    """`train_asked`, `queue_asked`, `resume_asked`, `monitor_asked` are for the window; the session hears Pause and Stop."""

    train_asked = Signal()
    queue_asked = Signal()
    resume_asked = Signal()
    monitor_asked = Signal()

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__("Toolbar", parent)
        self._session = session
        self.setObjectName("toolbar")
        self.setMovable(False)
        self.setFloatable(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        inside = QWidget(self)
        layout = row(inside, spacing=10)
        self._title = label("", "title", parent=inside)
        self._title.setMinimumWidth(150)
        self.activity = Activity(inside)
        self.activity.clicked.connect(self.monitor_asked)
        self._pause = button("Pause", parent=inside, icon="pause")
        self._pause.clicked.connect(session.toggle_pause)
        self._stop = button("Stop", parent=inside, icon="stop", help="Save and stop; the run can go on later")
        self._stop.clicked.connect(session.stop)
        self.train = button("Train", "primary", parent=inside, icon="train")
        self.train.clicked.connect(self.train_asked)
        self.resume = button(
            "Resume", "primary", parent=inside, icon="resume", help="Go on with the run that is shown"
        )
        self.resume.clicked.connect(self.resume_asked)
        self.enqueue = button(
            "Add to Queue",
            parent=inside,
            icon="queue",
            help="Let the run of the Setup pane wait for its turn",
        )
        self.enqueue.clicked.connect(self.queue_asked)
        self._shows_run = False
        layout.addWidget(self._title)
        layout.addStretch(1)
        layout.addWidget(self.activity, 4)
        layout.addStretch(1)
        for pressed in (self._pause, self._stop, self.resume, self.enqueue, self.train):
            layout.addWidget(pressed)
        self.addWidget(inside)
        session.life_changed.connect(self.show_life)
        session.shown_changed.connect(self.show_life)
        self.show_life()

    def show_pane(self, title: str, *, shows_run: bool, composes: bool) -> None:
        """The pane that is seen: whether it draws a run (then that one may go on), whether the next run is made there."""
        self._title.setText(title)
        self._shows_run = shows_run
        self.enqueue.setVisible(composes)
        self.show_life()

    @Slot()
    def show_life(self) -> None:
        """Train while nothing trains (Resume beside a run that can go on), else Pause and Stop; while it stops, Stop now."""
        session = self._session
        goes_on = self._shows_run and session.resumable is not None
        self.resume.setVisible(goes_on)
        self.train.setVisible(not session.training and not goes_on)
        for steering in (self._pause, self._stop):
            steering.setVisible(session.training)
        self._pause.setEnabled(not session.stopping)
        self._stop.setEnabled(not session.stopping_now)
        self._stop.setText("Stop now" if session.stopping else "Stop")
        self._pause.wear(*(("Continue", "train") if session.paused else ("Pause", "pause")))
        self.show_activity()

    def show_activity(self) -> None:
        """What the run does that trains, on the window's beat; of one that ended only as long as no other is shown."""
        session = self._session
        told = session.live if session.training or session.live is session.shown else None
        other = told is not None and told is not session.shown
        self.activity.show_run(told, stopping=session.stopping, name=told.name if told and other else "")
