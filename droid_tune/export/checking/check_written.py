"""The check of one export: the run's model is asked before anything is written, what was written afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from droid_tune.config import RunConfig
from droid_tune.control import Watch
from droid_tune.export.base import ExportSource, Target
from droid_tune.export.checking.comparison import Compared, Judged, compare
from droid_tune.export.checking.exam import Exam, Sitting
from droid_tune.export.checking.questions import AskedRows, accuracy_of, asked_rows, set_exam, sit_here


@dataclass(frozen=True)
class Checking:
    """The questions, and what the run's own model says to them."""

    config: RunConfig
    asked: AskedRows
    exam: Exam
    here: Sitting

    @staticmethod
    def of(source: ExportSource, rows: int, watch: Watch) -> Checking:
        """Ask the run's model on `rows` held-out rows. Raises `Stopped`."""
        asked = asked_rows(source.config, source.policy, rows, watch)
        exam = set_exam(source.config, source.policy, asked, watch)
        return Checking(source.config, asked, exam, sit_here(source.policy, exam, watch))

    def compared(
        self, target: Target, base: Path, folder: Path, watch: Watch, *, same_precision: bool
    ) -> Compared:
        """Open what was written and compare. Raises UserError where it cannot be opened, and `Stopped`."""
        opened_by, there = target.open(base, folder, self.exam, watch)
        accuracy = Judged(
            accuracy_of(self.config, self.asked.rows, self.here),
            accuracy_of(self.config, self.asked.rows, there),
        )
        blank = Compared(
            opened_by,
            len(self.exam.questions),
            self.asked.held_out,
            same_precision,
            tokens=0,
            equal_tokens=0,
            accuracy=accuracy,
            nll_here=None,
            nll_there=None,
        )
        return compare(self.exam, self.here, there, blank)
