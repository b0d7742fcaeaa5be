"""The loop of a new user at the real window, by mouse and keys alone: `python -m tests.e2e.whole_loop FOLDER`.

Before: a folder is dropped, a row is found, a reward is written and tried. During: the run trains, the charts are read, its
completions are searched, it is steered. After: the result, a second run with changes, both compared, asked side by side, one
exported. Ends with 0 where all of it went as told.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, cast

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from droid_tune.config.rewards import REWARD_CONFIGS
from droid_tune.paths import runs_dir, sample_data_dir
from tests.e2e.window_hand import Answering, Hand
from ui import app
from ui.compare.compare_window import CompareWindow
from ui.form.form import SettingRow
from ui.main_window import MainWindow
from ui.one_run.export_sheet import ExportSheet
from ui.panes.monitor.pane import MonitorPane
from ui.panes.monitor.steer_sheet import SteerSheet
from ui.panes.playground.pane import PlaygroundPane
from ui.panes.rollouts.pane import RolloutsPane
from ui.panes.runs.pane import RunsPane
from ui.panes.setup.workbench.workbench_sheet import WorkbenchSheet

#: the first run is told to stop when all was done that is done while it trains, however fast it is
FIRST_STEPS, SECOND_STEPS = 2_000, 4
#: far enough off that a fast run has not passed it while it is typed
STEPS_TO_STOP = 40
REWARD = """def short_and_right(completion, row):
    return float(completion.strip().rstrip(".").endswith(str(row["answer"])))
"""


class Loop:
    """The story, told by a hand at the window; every step says what it waits for."""

    def __init__(self, hand: Hand, folder: Path) -> None:
        self.hand, self.folder = hand, folder

    @property
    def session(self) -> Any:
        return self.hand.window.session

    def pane(self, key: str) -> Any:
        return self.hand.ask(lambda: self.hand.window.pane(key))

    def child(self, kind: type[QWidget]) -> Any:
        """The one of its kind that is seen."""

        def found() -> QWidget | None:
            return next((one for one in self.hand.window.findChildren(kind) if one.isVisible()), None)

        return self.hand.until(found, f"a {kind.__name__}")

    def field(self, path: str) -> QWidget:
        """The field of a setting of the form."""

        pane = self.pane("setup")

        def found() -> QWidget | None:
            rows = pane.findChildren(SettingRow)
            return next((one.editor.focusProxy() for one in rows if one.spec.path == path), None)

        return self.hand.until(found, f"the field of {path}")

    # --- before -------------------------------------------------------------------------------------------------

    def before(self) -> None:
        self._drop_data()
        self._find_a_row()
        self._write_a_reward()
        self._set_steps(FIRST_STEPS)

    def _drop_data(self) -> None:
        data = self.folder / "my sums"
        shutil.copytree(sample_data_dir(), data)
        self.hand.drop(data, self.hand.window)
        self.hand.until(lambda: self.session.draft.data == str(data), "the dropped folder is the data")
        self.hand.says("400 accepted")

    def _find_a_row(self) -> None:
        self.hand.key("ctrl+f")
        self.hand.write("ninety-one")
        self.hand.until(lambda: " of " in self.hand.window._find_bar.said.text(), "a row is found")
        self.hand.key("Escape")

    def _write_a_reward(self) -> None:
        self.hand.turn("Setup")
        self.hand.press("Add Reward")
        self.hand.key(*["Down"] * self._own_file(), "Return")
        self.hand.press("Edit and Try…")
        sheet = cast("WorkbenchSheet", self.child(WorkbenchSheet))
        self.hand.click(sheet.editor.code)
        self.hand.key("ctrl+a")
        self.hand.key("Delete")
        for line in REWARD.splitlines():
            self.hand.write(line.strip())
            self.hand.key("Return")
        self.hand.until(lambda: sheet.editor.ready, "what was typed can be a reward")
        self.hand.key("ctrl+s")
        self.hand.name_file(self.folder / "short_and_right.py")
        self.hand.until(lambda: (self.folder / "short_and_right.py").exists(), "the reward is on the disk")
        self.hand.press("Try")
        self.hand.says("It can tell right from wrong")
        self.hand.press("Close")
        self.hand.until(lambda: len(self.session.draft.rewards) == 3, "the reward is one of the run's")

    def _own_file(self) -> int:
        """How far down the menu of rewards the Python file stands."""
        return list(REWARD_CONFIGS).index("user_file") + 1

    def _set_steps(self, steps: int) -> None:
        self.hand.turn("Setup")
        self.hand.rewrite(self.field("training.iterations"), str(steps))
        self.hand.until(lambda: self.session.draft.value("training.iterations") == steps, "the steps are set")

    # --- during -------------------------------------------------------------------------------------------------

    def during(self) -> None:
        self._train()
        self._read_a_chart()
        self._search_completions()
        self._steer()
        self.hand.until(lambda: not self.session.training, "the run has ended")

    def _train(self) -> None:
        self.hand.press("Train")
        self.hand.until(lambda: self.session.live is not None and self.session.live.step >= 4, "four steps")
        assert self.hand.ask(lambda: self.hand.window.current_key()) == "monitor"

    def _read_a_chart(self) -> None:
        pane = cast("MonitorPane", self.pane("monitor"))
        chart = self.hand.until(lambda: pane.board.charts[0] if pane.board.charts else None, "a chart")
        plot = chart._plot

        def at_step() -> QPoint:
            box = plot.box
            return plot.mapFromScene(box.mapViewToScene(box.viewRect().center()))

        # A notice that comes meanwhile moves the charts: a person follows with the mouse.
        while not self.hand.ask(lambda: chart._head.value.text().startswith("step ")):
            self.hand.hover(plot, at_step)
        self.hand.click(plot, at_step)
        self.hand.until(lambda: self.session.cursor.step is not None, "all charts are turned to a step")
        self.hand.key("Return")
        self.hand.says("lines")
        self.hand.key("Escape")

    def _search_completions(self) -> None:
        self.hand.turn("Rollouts")
        self.hand.press("Completions")
        view = cast("RolloutsPane", self.pane("rollouts")).completions
        step = self.hand.ask(lambda: self.session.cursor.step)
        self.hand.until(lambda: view.model.rowCount() > 0, "completions are listed")
        assert {self.hand.ask(lambda: view.model.index(0, 0).data())} == {f"{step:,}"}
        self.hand.click(view._range)
        self.hand.key("ctrl+f")
        self.hand.write("answer")
        # the completion that was chosen stays so, wherever it stands among those that are found
        self.hand.until(lambda: " of " in view._count.text(), "what was found is counted")
        place = self.hand.ask(lambda: view.table.currentIndex().row())
        self.hand.key("Return", "Return")
        self.hand.until(lambda: view._count.text().startswith(f"{place + 3:,} of "), "the second behind it")
        self.hand.key("Escape", "Escape", "j")

    def _steer(self) -> None:
        self.hand.turn("Monitor")
        self._wish("learning_rate", "0.0002")
        self._wish("stop_at", str(self.hand.ask(lambda: self.session.live.step) + STEPS_TO_STOP))

    def _wish(self, name: str, value: str) -> None:
        self.hand.press("Steer…")
        sheet = cast("SteerSheet", self.child(SteerSheet))
        self.hand.rewrite(sheet._fields[name], value)
        self.hand.press("Change")
        steered = lambda: [one for made in self.session.live.steered for one in made.settings]  # noqa: E731
        self.hand.until(lambda: name in steered(), f"the run follows a wish for {name}")

    # --- after --------------------------------------------------------------------------------------------------

    def after(self) -> None:
        self.hand.turn("Result")
        self.hand.says("Held-out accuracy came")
        self._run_again()
        self._compare()
        self._ask_both()
        self._export()

    def _run_again(self) -> None:
        self.hand.press("Run Again with Changes")
        self._set_steps(SECOND_STEPS)
        self.hand.press("Train")
        self.hand.until(lambda: len(list(runs_dir().iterdir())) == 2, "a second run")
        self.hand.until(lambda: not self.session.training, "it has ended")
        self.hand.until(lambda: self.hand.window.current_key() == "result", "its result is shown")

    def _compare(self) -> None:
        self.hand.turn("Runs")
        table = cast("RunsPane", self.pane("runs"))._list
        self.hand.until(lambda: table.model.rowCount() == 2, "both runs are listed")
        self.hand.line(table.view, 0)
        self.hand.line(table.view, 1, holding="ctrl")
        self.hand.press("Compare…")
        shown = cast("CompareWindow", self.child(CompareWindow))
        self.hand.until(lambda: shown._said.isHidden(), "the runs are read")
        self.hand.press("Settings")
        self.hand.until(lambda: shown.settings.model().rowCount() > 0, "the settings that differ")
        assert "Training, Steps" in self.hand.ask(
            lambda: [
                shown.settings.model().index(n, 0).data() for n in range(shown.settings.model().rowCount())
            ]
        )
        self.hand.key("ctrl+w")
        self.hand.until(
            lambda: not any(one.isVisible() for one in self.hand.window.findChildren(CompareWindow)), "closed"
        )

    def _ask_both(self) -> None:
        self.hand.turn("Playground")
        pane = cast("PlaygroundPane", self.pane("playground"))
        self.hand.press("Add Column")
        self.hand.click(pane._prompt)
        self.hand.write("What is two plus three?")
        self.hand.key("Return")
        self.hand.until(
            lambda: len(pane._answers) == 3 and pane._ask.isEnabled(), "three models have answered"
        )
        said = self.hand.ask(lambda: [one.parts[0]._said for one in pane._answers])
        assert all(said), (
            f"one said nothing: {said}; {self.hand.ask(lambda: [b.text for b in pane._notices.bars()])}"
        )

    def _export(self) -> None:
        self.hand.turn("Result")
        self.hand.press("Export…")
        sheet = cast("ExportSheet", self.child(ExportSheet))
        self.hand.rewrite(sheet._folder, str(self.folder / "exported"))
        self.hand.press("Export")
        self.hand.says("Written to")
        self.hand.press("Close")


class DrivenWindow(MainWindow):
    """The application's own window; once it is seen, the hand begins."""

    hand: threading.Thread | None = None
    folder = Path()
    fault = ""

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.hand is None:
            self.move(0, 0)
            self.answering = Answering()
            self.hand = threading.Thread(target=self._live, daemon=True)
            QTimer.singleShot(3_000, self.hand.start)

    def _live(self) -> None:
        hand = Hand(self, self.answering)
        loop = Loop(hand, self.folder)
        try:
            for part in (loop.before, loop.during, loop.after):
                part()
                print(json.dumps({"done": part.__name__}), flush=True)
        except BaseException:
            DrivenWindow.fault = traceback.format_exc()
            hand.ask(lambda: self.screen().grabWindow(0).save(str(self.folder / "fault.png")))
        hand.ask(self.stop_and_close)


def main() -> int:
    DrivenWindow.folder = Path(sys.argv[1])
    app.MainWindow = DrivenWindow
    code = app.main()
    print(DrivenWindow.fault, file=sys.stderr)
    return 1 if DrivenWindow.fault else code


if __name__ == "__main__":
    sys.exit(main())
