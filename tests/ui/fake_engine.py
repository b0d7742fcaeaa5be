"""An engine that tells recorded steps: it stops, pauses, saves and resumes as the real one does, without a model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from droid_tune.config import RunConfig, dump_yaml
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.rendering.shapes import TemplateOptions
from droid_tune.data.rendering.shown import ShownRow
from droid_tune.errors import UserError
from droid_tune.estimate.signal import Answer, CheckReport, Group, Measured, report_of
from droid_tune.events import CheckpointSaved, Event, Phase, RunFinished
from droid_tune.paths import RunPaths, runs_dir
from droid_tune.playground.seen_openings import SeenOpenings
from droid_tune.runs.folder import RunSummary, list_runs, read_config
from droid_tune.runs.log import EventLog
from droid_tune.trial_report import (
    Agreement,
    AnswerVerdict,
    BenchQuestion,
    LookedAt,
    Rescored,
    RescoredCompletion,
    RescoredStep,
    Trial,
    Try,
    Verdict,
)
from tests.ui.recording import episode, keep_checkpoint, keep_identity, started, step_events
from ui.engine_worker import Resumption

Emit = Callable[[Event], None]


class FakeControl:
    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.ended_at_once = False
        self.attended = False
        self.running = threading.Event()
        self.running.set()

    def request_stop(self) -> None:
        self.stopped.set()
        self.running.set()

    def stop_now(self) -> None:
        self.ended_at_once = True
        self.request_stop()

    def request_pause(self) -> None:
        self.running.clear()

    def resume(self) -> None:
        self.running.set()


class FakeEngine:
    """`hold_at`: the step before which it waits for a stop, so that a test need not race. `cut_off_at`: the step after which
    its process is ended `cuts` times, so that it says nothing more."""

    def __init__(self, hold_at: int | None = None, failure: Exception | None = None) -> None:
        self.hold_at = hold_at
        self.failure = failure
        self.cut_off_at: int | None = None
        self.cuts = 1
        self.folders: list[Path] = []
        self.threads: list[str] = []
        self.renamed: list[tuple[Path, str]] = []
        self.resumed: list[Resumption] = []
        self.asked: list[tuple[Path, str]] = []  # by the playground
        self.answerers: list[FakeAnswerer] = []
        self.benched: list[BenchQuestion] = []
        self.looked: list[tuple[str, str]] = []
        self.openings = SeenOpenings()

    def control(self) -> FakeControl:
        return FakeControl()

    def create(self, config: RunConfig) -> Path:
        folder = runs_dir() / f"run-{len(self.folders) + 1}"
        folder.mkdir(parents=True)
        RunPaths(folder).config.write_text(dump_yaml(config), encoding="utf-8")
        self.folders.append(folder)
        return folder

    def train(self, config: RunConfig, folder: Path, control: Any, emit: Emit) -> object:
        return self._go(folder, config.training.iterations, 0, control, emit)

    def resume(self, resumption: Resumption, control: Any, emit: Emit) -> object:
        folder, further_steps = resumption.folder, resumption.further_steps
        self.resumed.append(resumption)
        status = folder / "status.json"
        saved = json.loads(status.read_text())["saved"] if status.exists() else 0
        planned = read_config(folder).training.iterations
        return self._go(folder, saved + further_steps if further_steps else planned, saved, control, emit)

    def runs(self) -> list[RunSummary]:
        return list_runs()

    def rename(self, folder: Path, name: str) -> None:
        self.renamed.append((folder, name))

    def playground(self, folder: Path, checkpoint: str) -> FakeAnswerer:
        self.asked.append((folder, checkpoint))
        if not folder.exists():
            raise UserError(f"There is no run {folder}.")
        self.answerers.append(FakeAnswerer(checkpoint))
        return self.answerers[-1]

    def check(self, config: RunConfig, prompts: int, control: Any, on_progress: Any) -> CheckReport:
        """A group of a right and a wrong answer, and one where all are wrong."""
        if self.failure is not None:
            raise self.failure
        on_progress(Phase(phase="rollout", step=0, done=1, total=2, unit="completions"))
        right, wrong = Answer("Four.", 1.0, {}, 2, False, True), Answer("Five.", 0.0, {}, 2, False, False)
        groups = (Group(0, "2 + 2?", "4", (right, wrong)), Group(1, "2 + 3?", "5", (wrong, wrong)))
        if config.environment is not None:
            played = [episode(kind) for kind in ("right", "guess", "cut", "failed")]
            told = [
                Answer(
                    one.text, one.reward, {}, one.length, False, bool(one.reward), tuple(one.turns), one.cut
                )
                for one in played
            ]
            groups = (Group(3, "What do seven pears cost?", "266", tuple(told)),)
        return report_of(
            Measured(groups, 0.1, 1.0, True, 5_000_000, 10_000_000, 6_000_000, 2.0, 120.0), config
        )

    def try_rewards(self, question: BenchQuestion, watch: Watch) -> Trial:
        """A reward whose text has `1` in it gives that to everything."""
        self.benched.append(question)
        if self.failure is not None:
            raise self.failure
        text = next(iter(question.unsaved.values()), "")
        level, said = ("bad", "It cannot tell.") if "1" in text else ("good", "It can tell.")
        tries = [Try(0, "own answer", "2 + 2?", "4", 1.0, right=True), Try(0, "empty", "2 + 2?", "", None)]
        return Trial(tries, [], {}, Verdict(level, [said]), Agreement(1, 0, 0))

    def rescore(self, question: BenchQuestion, watch: Watch, on_step: Callable[[Any], object]) -> Rescored:
        """Three steps, each a completion that was 0 and would be its step; then it waits for a stop where asked to."""
        self.benched.append(question)
        steps: list[RescoredStep] = []
        for step in (1, 2, 3):
            watch.tell(step, 3, f"step {step}")
            one = RescoredCompletion(step, 0, 0, False, "2 + 2?", f"it is {step}", 0.0, float(step), True)
            steps.append(RescoredStep(step, False, [one], 0.0, float(step), 1, 1, 0))
            on_step(steps[-1])
        while self.hold_at is not None:
            watch.pause_point()
            time.sleep(0.01)
        return Rescored(Path(question.run).name, steps)

    def look_at_reward(self, path: str, text: str, function: str) -> LookedAt:
        """A text that ends in a bracket is never closed."""
        self.looked.append((path, text))
        if text.rstrip().endswith("("):
            return LookedAt("Line 2: it was never closed.", False, 2)
        return LookedAt("`f` is called once for each completion.", True)

    def sampling_command(self, folder: Path) -> str:
        if self.failure is not None:
            raise self.failure
        return f"mlx_lm.generate --adapter-path {folder}"

    def tools(self, config: RunConfig) -> list[str]:
        if self.failure is not None:
            raise self.failure
        return ["price(item): The price of an item in cents.", "multiply(a, b): The product of two numbers."]

    def row_options(self, config: RunConfig, tokenizer: Any, watch: Watch) -> TemplateOptions:
        return self.openings.options(config, tokenizer, watch)

    def opening(self, config: RunConfig, tokenizer: Any, row: Any, number: int, watch: Watch) -> ShownRow:
        return self.openings.opening(config, tokenizer, row, number, watch)

    def end_openings(self) -> None:
        self.openings.close()

    def release(self, *, going_on: bool = False) -> None:
        pass

    def _go(self, folder: Path, steps: int, start: int, control: FakeControl, emit: Emit) -> RunFinished:
        self.threads.append(threading.current_thread().name)
        if self.failure is not None:
            raise self.failure
        log = EventLog(RunPaths(folder).events, RunPaths(folder).rollouts, folder.name)
        if not RunPaths(folder).identity.exists():
            keep_identity(folder, read_config(folder))

        def tell(event: Event) -> None:
            keep_checkpoint(folder, event)
            emit(log.write(event))

        tell(started(steps, start))
        step = start
        while step < steps and not control.stopped.is_set():
            control.running.wait(5)
            if self.hold_at is not None and step >= self.hold_at:
                control.stopped.wait(5)
                break
            step += 1
            for event in step_events(step, steps):
                tell(event)
            if step == self.cut_off_at and self.cuts:
                self.cuts -= 1
                log.close()
                return self._cut_off(folder, step, steps, emit)
        tell(CheckpointSaved(step=step, path=f"checkpoints/step-{step:06d}"))
        outcome = "completed" if step == steps else "stopped"
        finished = RunFinished(outcome=outcome, step=step)
        tell(finished)
        log.close()
        status = {"state": outcome, "step": step, "saved": step, "total_steps": steps, "created": time.time()}
        (folder / "status.json").write_text(json.dumps(status))
        return finished

    def _cut_off(self, folder: Path, step: int, steps: int, emit: Emit) -> RunFinished:
        """As whoever started the engine's process tells it: nothing of the end stands in the run's files."""
        status = {
            "state": "running",
            "step": step,
            "saved": 0,
            "total_steps": steps,
            "created": time.time(),
        }
        (folder / "status.json").write_text(json.dumps(status))
        finished = RunFinished(
            outcome="interrupted", step=step, why="The engine's process was ended by SIGKILL."
        )
        emit(finished)
        return finished


class FakeAnswerer:
    """`turned` are the checkpoints that it was asked to turn to; seed 1 is unlucky."""

    def __init__(self, checkpoint: str) -> None:
        self.turned = [checkpoint]

    def reply(
        self,
        prompt: Any,
        sampling: Any,
        *,
        with_adapter: bool = True,
        on_text: Callable[[str], None] | None = None,
        watch: Watch = UNWATCHED,
        seed: int = 0,
    ) -> Any:
        words = ("a ", "better answer") if with_adapter else ("an ", "answer")
        if self.turned[-1] not in ("last", "best"):
            words = (*words, f" of step {self.turned[-1]}")
        if seed:
            words = (*words, f" with seed {seed}")
        for word in words:
            if on_text is not None:
                on_text(word)
        played = episode("right" if with_adapter else "guess").turns if "pears" in str(prompt) else []
        aside = "Answered without the environment." if "puzzle" in str(prompt) else ""
        return SimpleNamespace(text="".join(words), turns=tuple(played), aside=aside)

    def turn_to(self, checkpoint: str) -> None:
        self.turned.append(checkpoint)

    def verdicts(self, row: Any, answers: Any, watch: Watch = UNWATCHED) -> list[AnswerVerdict]:
        """Better answers are right, where the row has an answer."""
        known = row.get("answer") is not None
        good = ["better" in one.text for one in answers]
        return [
            AnswerVerdict(
                0.2 + 0.8 * one, {"accuracy": float(one), "format": 1.0}, one if known else None, "read: 4"
            )
            for one in good
        ]
