"""What the user can mend pauses a run that somebody attends to; after Continue it is as if nothing had happened."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config import RunConfig
from droid_tune.control import Control
from droid_tune.errors import DiskError
from droid_tune.events import ROLLOUTS, TRANSIENT, Continued, Event, Paused, RunFinished, Step
from droid_tune.paths import sample_data_dir
from droid_tune.runs.folder import create_run
from droid_tune.runs.log import LineFile, read_events
from droid_tune.runs.origin.identity import changes_since, kept_reward
from droid_tune.runs.state import RunState
from droid_tune.train.engine import resume_training, run_training
from droid_tune.train.saving.checkpoint import CheckpointStore
from tests.engine.train.conftest import Training, digest, tiny

GOOD = "def f(completion, row):\n    return len(completion) % 7\n"
#: right for the first rollout, then broken
BREAKS = (
    "calls = 0\ndef f(completion, row):\n    global calls\n    calls += 1\n"
    "    assert calls <= 8, 'broken'\n    return len(completion) % 7\n"
)

Answer = Callable[[Paused, Control], None]


def attended(
    config: RunConfig,
    folder: Path,
    answer: Answer,
    hear: Callable[[Event], None] = lambda _: None,
    training: Training = resume_training,
) -> tuple[RunFinished, list[Event]]:
    """A run at which somebody sits, who answers each pause."""
    control = Control(attended=True)
    record: list[Event] = []

    def emit(event: Event) -> None:
        record.append(event)
        hear(event)
        if isinstance(event, Paused):
            assert len(of(record, Paused)) < 5, event.text
            answer(event, control)

    create_run(config, folder)
    return training(folder, control, emit), record


def of(record: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in record if isinstance(event, kind)]


def judged_by(file: Path, **changes: Any) -> RunConfig:
    return tiny(
        rewards=[{"type": "user_file", "path": str(file)}],
        training={"iterations": 3, "batch_size": 2},
        **changes,
    )


def nobody_is_asked(paused: Paused, control: Control) -> None:
    raise AssertionError(paused.text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the run that met nothing."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "mine.py").write_text(GOOD)
    attended(judged_by(folder / "mine.py"), folder / "run", nobody_is_asked)
    return digest(folder / "run")


def test_a_reward_that_was_mended_is_read_again_and_no_step_is_lost(
    training: Training, tmp_path: Path, whole: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BREAKS)

    def mend(paused: Paused, control: Control) -> None:
        file.write_text(GOOD)
        control.resume()

    finished, record = attended(judged_by(file), tmp_path / "run", mend, training=training)
    assert finished.outcome == "completed", finished.why
    (paused,) = of(record, Paused)
    assert (paused.step, paused.reason) == (1, "reward")
    assert "AssertionError: broken" in paused.text
    assert paused.remedy.startswith("Mend the reward")
    assert len(of(record, Continued)) == 1
    assert [step.step for step in of(record, Step)] == [1, 2, 3]
    assert digest(tmp_path / "run") == whole
    assert kept_reward(tmp_path / "run", "user_file").read_text() == GOOD
    assert changes_since(tmp_path / "run") == []


@pytest.mark.slow
def test_a_file_that_does_not_load_after_continue_pauses_again(
    training: Training, tmp_path: Path, whole: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BREAKS)
    texts = iter(["def f(:\n", GOOD])

    def mend(paused: Paused, control: Control) -> None:
        file.write_text(next(texts))
        control.resume()

    finished, record = attended(judged_by(file), tmp_path / "run", mend, training=training)
    assert finished.outcome == "completed"
    assert ["SyntaxError" in paused.text for paused in of(record, Paused)] == [False, True]
    assert digest(tmp_path / "run") == whole


@pytest.mark.slow
def test_a_stop_in_the_pause_leaves_a_saved_and_stopped_run(training: Training, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BREAKS)
    finished, _ = attended(
        judged_by(tmp_path / "mine.py"),
        tmp_path / "run",
        lambda _, control: control.request_stop(),
        training=training,
    )
    assert (finished.outcome, finished.step) == ("stopped", 1)
    assert [one.name for one in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000001"]


def test_nobody_waits_where_nobody_attends(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BREAKS)
    config = judged_by(tmp_path / "mine.py")
    create_run(config, tmp_path / "run")
    finished = run_training(config, tmp_path / "run", Control(), lambda _: None)
    assert finished.outcome == "failed"
    assert finished.why.endswith("The steps up to 1 are saved: mend it, then resume.")


def test_a_full_disk_pauses_and_the_save_is_tried_again(
    tmp_path: Path, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    left = [2]

    def save(self: CheckpointStore, *args: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise DiskError("No space is left on the disk", remedy="free some")
        return kept(self, *args)

    kept = CheckpointStore.save
    monkeypatch.setattr(CheckpointStore, "save", save)
    config = judged_by(tmp_path / "mine.py", checkpoint={"save_every": 2})
    finished, record = attended(config, tmp_path / "run", lambda _, control: control.resume())
    assert finished.outcome == "completed"
    assert [(paused.step, paused.reason) for paused in of(record, Paused)] == [(2, "disk"), (2, "disk")]
    assert digest(tmp_path / "run") == whole


@pytest.mark.slow
def test_a_data_file_that_changed_can_be_put_back(training: Training, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    source = (sample_data_dir() / "train.jsonl").read_bytes().splitlines(keepends=True)[:4]
    (data / "train.jsonl").write_bytes(b"".join(source))
    (tmp_path / "mine.py").write_text(GOOD)

    def spoil(event: Event) -> None:
        if isinstance(event, Step) and event.step == 1:
            (data / "train.jsonl").write_bytes(b"x" * len(b"".join(source)))

    def put_back(paused: Paused, control: Control) -> None:
        (data / "train.jsonl").write_bytes(b"".join(source))
        control.resume()

    config = judged_by(tmp_path / "mine.py", data={"path": str(data)})
    finished, record = attended(config, tmp_path / "run", put_back, spoil, training)
    assert finished.outcome == "completed", finished.why
    (paused,) = of(record, Paused)
    assert paused.reason == "data"
    assert "train.jsonl:" in paused.text


@pytest.mark.slow
def test_events_that_a_full_disk_does_not_take_are_written_later_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: str
) -> None:
    (tmp_path / "mine.py").write_text(GOOD)
    refusing = [False]
    flush = LineFile.flush

    def sometimes(self: LineFile) -> None:
        if refusing[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(self)

    monkeypatch.setattr(LineFile, "flush", sometimes)
    control = Control(attended=True)
    record: list[Event] = []

    def emit(event: Event) -> None:
        record.append(event)
        if isinstance(event, Step) and event.step == 2:
            refusing[0] = True
            control_at_pause.append(event)
        if isinstance(event, Paused):
            refusing[0] = False
            control.resume()

    control_at_pause: list[Event] = []
    config = judged_by(tmp_path / "mine.py", evaluation={"rows": 2, "steps_per_eval": 2})
    create_run(config, tmp_path / "run")
    assert run_training(config, tmp_path / "run", control, emit).outcome == "completed"
    kept = [event.seq for event in read_events(tmp_path / "run" / "events.jsonl")]
    told = [event.seq for event in record if not isinstance(event, TRANSIENT + ROLLOUTS)]
    assert [paused.reason for paused in of(record, Paused)] == ["disk"]
    assert kept == told
    assert digest(tmp_path / "run") == whole


def test_a_line_that_was_taken_in_part_is_finished_and_not_repeated(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "events.jsonl")
    real: Any = vars(file)["_file"]

    class Narrow:
        """Takes three bytes, then none."""

        room = 3

        def write(self, data: bytearray) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room, taken = 0, real.write(data[: self.room])
            return taken

    vars(file)["_file"] = Narrow()
    file.write("one\n")
    file.write("two\n")
    assert (tmp_path / "events.jsonl").read_text() == "one"
    vars(file)["_file"] = real
    file.sync()
    file.close()
    assert (tmp_path / "events.jsonl").read_text() == "one\ntwo\n"


def test_a_paused_run_is_paused_until_it_goes_on_or_ends() -> None:
    state = RunState()
    state.apply(Paused(step=3, reason="disk", text="No space.", remedy="Free some."))
    assert (state.life, state.running, state.why) == ("paused", True, "No space.")
    state.apply(Continued(step=3))
    assert (state.life, state.held, state.why) == ("running", None, "")
    state.apply(Paused(step=3, reason="disk", text="No space."))
    state.mark_interrupted()
    assert (state.life, state.held) == ("interrupted", None)
