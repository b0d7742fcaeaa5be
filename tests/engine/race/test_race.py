"""A race between settings: its rungs, who climbs, and that nothing is trained twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from droid_tune.cli import main
from droid_tune.cli.commands.race_command import described_race, print_race
from droid_tune.config import RunConfig, resolve
from droid_tune.control import Control
from droid_tune.errors import Stopped, UserError
from droid_tune.events import Evaluation, RunFinished, RunStarted, Step
from droid_tune.paths import RunPaths
from droid_tune.race.course import Raced, run_race, standing_of
from droid_tune.race.ladder import best_first, ladder_of
from droid_tune.race.race_file import Race, Runner, create_race, read_race, variants
from droid_tune.runs.log import EventLog
from droid_tune.train.engine import resume_training
from tests.engine.train.conftest import digest, tiny, train


@pytest.mark.parametrize(
    ("steps", "rungs", "every", "ends", "spacing"),
    [
        (90, 3, 50, (10, 30, 90), 10),
        (2000, 3, 50, (220, 660, 2000), 44),  # 2000 / 9 = 222: five looks of 44
        (200, 3, 0, (22, 66, 200), 22),
        (60, 3, 50, (7, 21, 60), 7),
        (60, 1, 50, (60,), 30),
    ],
)
def test_a_rung_is_three_times_the_one_before_and_ends_at_an_evaluation(
    steps: int, rungs: int, every: int, ends: tuple[int, ...], spacing: int
) -> None:
    ladder = ladder_of(steps, rungs, every)
    assert (ladder.ends, ladder.every) == (ends, spacing)
    assert all(end % ladder.every == 0 for end in ladder.ends[:-1])


def test_three_rungs_of_four_runs_take_39_percent_of_the_grid() -> None:
    """4 x 10 + 2 x 20 + 1 x 60 = 140 of 360."""
    ladder = ladder_of(90, 3, 0)
    assert ladder.climbing(4) == (4, 2, 1)
    assert ladder.steps(4) == 140


def test_more_rungs_than_steps_are_refused() -> None:
    with pytest.raises(UserError, match="4 rungs do not fit into 10 steps"):
        ladder_of(10, 4, 0)


def test_accuracy_decides_then_the_rewards_and_what_failed_is_last() -> None:
    standings = {
        "low": (0.25, 0.9, 0.9, None),
        "failed": None,
        "high": (0.5, 0.1, 0.1, None),
        "tied": (0.5, 0.1, 0.2, None),
        "unseen": (None, 0.9, 0.9, None),
    }
    assert best_first(standings) == ["tied", "high", "low", "unseen", "failed"]


def test_every_combination_runs_under_what_is_special_about_it() -> None:
    found = variants(resolve({"name": "night"}), ["learning_rate=1e-5,3e-4", "beta=0,0.04"])
    assert list(found) == [
        "learning_rate 1e-5, beta 0",
        "learning_rate 1e-5, beta 0.04",
        "learning_rate 3e-4, beta 0",
        "learning_rate 3e-4, beta 0.04",
    ]
    last = list(found.values())[-1]
    assert (last.optimizer.learning_rate, last.name) == (3e-4, "night · learning_rate 3e-4, beta 0.04")


@pytest.mark.parametrize(
    ("varied", "said"),
    [
        ([], "needs 2 to 64 different settings, and these are 1"),
        (["learning_rate=1e-5"], "and these are 1"),
        (["learning_rate=1e-5,1e-5"], "and these are 1"),
        (["learning_rate"], "`learning_rate` needs the form"),
        (["learning_rte=1,2"], "--vary learning_rte: unknown setting .* did you mean `learning_rate`"),
        (["learning_rate=1e-5,fast"], "learning_rate fast"),
        (["iterations=10,20"], "`training.iterations` cannot vary"),
        (["evaluation.rows=10,20"], "`evaluation.rows` cannot vary"),
        (["patience=1,2"], "`evaluation.patience` cannot vary"),
        (["seed=" + ",".join(map(str, range(65)))], "and these are 65"),
    ],
)
def test_what_cannot_race_is_one_sentence(varied: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        variants(resolve({}), varied)


# --- a race without a model ------------------------------------------------------------------------------------------


class Track:
    """Trains nothing: writes what a run would, and remembers who was asked for how many steps."""

    def __init__(self, worth: dict[str, float], halt_at: int = -1, full_at: int = -1) -> None:
        self.worth, self.halt_at, self.full_at = worth, halt_at, full_at
        self.asked: list[tuple[str, int, int]] = []

    def __call__(self, runner: Runner, rung: int, further_steps: int) -> RunFinished:
        if len(self.asked) == self.halt_at:
            raise Stopped
        if len(self.asked) == self.full_at:
            return RunFinished(outcome="failed", step=0, why="No space is left; free some.", outside=True)
        self.asked.append((runner.label[-1], rung, further_steps))
        paths = RunPaths(runner.folder)
        start = max(paths.checkpoint_folders(), default=0)
        end, worth = start + further_steps, self.worth[runner.label[-1]]
        if worth < 0:
            return RunFinished(outcome="failed", step=start, why="It diverged.")
        log = EventLog(paths.events, paths.rollouts, paths.id)
        log.write(RunStarted(config={}, total_steps=9, start_step=start))
        for step in range(start + 1, end + 1):
            log.write(Step(step=step, metrics={"reward": worth}))
        log.write(Evaluation(step=end, metrics={"eval/accuracy": worth, "eval/reward": worth}, rows=8))
        log.close()
        (paths.checkpoints / f"step-{end:06d}").mkdir(parents=True)
        return RunFinished(outcome="completed" if end == 9 else "stopped", step=end)


@pytest.fixture
def race() -> Race:
    """Four seeds over 1, 3 and 9 steps."""
    config = resolve({"training": {"iterations": 9}})
    return create_race(config, variants(config, ["seed=1,2,3,4"]), ladder_of(9, 3, 0))


def order(raced: Raced) -> str:
    return "".join(one.runner.label[-1] for one in raced.placed)


def test_the_better_half_goes_on_from_where_it_stands(race: Race) -> None:
    track = Track({"1": 0.1, "2": 0.7, "3": 0.5, "4": 0.6})
    raced = run_race(race, track)
    assert track.asked == [
        ("1", 0, 1), ("2", 0, 1), ("3", 0, 1), ("4", 0, 1),
        ("2", 1, 2), ("4", 1, 2),
        ("2", 2, 6),
    ]  # fmt: skip
    assert order(raced) == "2431"
    assert raced.steps == 4 * 1 + 2 * 2 + 1 * 6


def test_a_race_that_was_halted_trains_nothing_twice(race: Race) -> None:
    worth = {"1": 0.1, "2": 0.7, "3": 0.5, "4": 0.6}
    first = Track(worth, halt_at=5)
    with pytest.raises(Stopped):
        run_race(race, first)
    second = Track(worth)
    raced = run_race(read_race(race.id), second)
    assert second.asked == [("4", 1, 2), ("2", 2, 6)]
    assert order(raced) == "2431"


def test_what_fails_is_out_and_the_others_go_on(race: Race, capsys: pytest.CaptureFixture[str]) -> None:
    raced = run_race(race, Track({"1": -1, "2": 0.2, "3": -1, "4": -1}))
    assert raced.winner.label == "seed 2"
    assert [one.why for one in raced.placed] == ["", "It diverged.", "It diverged.", "It diverged."]
    print_race(race, raced)
    assert "\nseed 3 failed: It diverged.\n" in capsys.readouterr().err


def test_a_full_disk_halts_a_race_and_lets_nobody_win(race: Race) -> None:
    worth = {"1": 0.1, "2": 0.7, "3": 0.5, "4": 0.6}
    said = f"^The race halts at seed 4: No space is left; free some; then go on with `droid-tune race --resume {race.id}`"
    with pytest.raises(UserError, match=said):
        run_race(race, Track(worth, full_at=3))
    again = Track(worth)
    assert order(run_race(read_race(race.id), again)) == "2431"
    assert again.asked[0] == ("4", 0, 1)


def test_a_tie_names_no_best(race: Race, capsys: pytest.CaptureFixture[str]) -> None:
    raced = run_race(race, Track(dict.fromkeys("1234", 0.5)))
    assert [one.label for one in raced.equals] == ["seed 1", "seed 3", "seed 4", "seed 2"]
    print_race(race, raced)
    said = capsys.readouterr().err
    assert "no best: seed 1 and seed 3 and seed 4 and seed 2 came out equal" in said
    assert "\nbest:" not in said
    assert described_race(race, raced)["equals"] == ["seed 1", "seed 3", "seed 4", "seed 2"]


def test_who_is_ahead_anywhere_is_the_best(race: Race, capsys: pytest.CaptureFixture[str]) -> None:
    raced = run_race(race, Track({"1": 0.1, "2": 0.7, "3": 0.5, "4": 0.6}))
    assert [one.label for one in raced.equals] == ["seed 2"]
    print_race(race, raced)
    assert "\nbest: seed 2 (" in capsys.readouterr().err


def test_nothing_but_the_race_ends_its_runs() -> None:
    config = resolve({"training": {"iterations": 9, "stop_at": 2}, "evaluation": {"patience": 1}})
    made = create_race(config, variants(config, ["seed=1,2"]), ladder_of(9, 2, 0))
    settings = made.runners[0].settings
    assert (settings["training"]["stop_at"], settings["evaluation"]["patience"]) == (0, 0)
    assert settings["evaluation"]["steps_per_eval"] == made.every


def test_a_race_in_which_all_fail_says_why(race: Race) -> None:
    with pytest.raises(UserError, match="Every run of the race failed; the first: It diverged"):
        run_race(race, Track(dict.fromkeys("1234", -1.0)))


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"eval/preference_accuracy": 0.8, "eval/loss": 0.5}, (0.8, None, 3.0, -0.5)),
        ({"eval/loss": 0.5}, (None, None, 3.0, -0.5)),
        ({"eval/perplexity": 2.0}, None),
    ],
)
def test_every_kind_of_method_has_a_standing(
    metrics: dict[str, float | None], expected: tuple[float | None, ...] | None, tmp_path: Path
) -> None:
    """The reward is the mean of the rung's own steps 2 and 3: (2 + 4) / 2."""
    log = EventLog(tmp_path / "events.jsonl", tmp_path / "rollouts.jsonl", "run")
    for step, reward in ((1, 9.0), (2, 2.0), (3, 4.0)):
        log.write(Step(step=step, metrics={"reward": reward}))
    log.write(Evaluation(step=3, metrics=metrics, rows=4))
    log.close()
    assert standing_of(tmp_path, 1, 3) == expected
    assert standing_of(tmp_path, 3, 9) is None


def test_a_race_that_is_not_there_or_damaged_is_one_sentence(race: Race, data_home: Path) -> None:
    with pytest.raises(UserError, match="`other` fits 0 races"):
        read_race("other")
    plan = data_home / "races" / race.id / "race.json"
    values = json.loads(plan.read_text())
    for odd in ({"id": 7}, {**values, "ends": []}, {**values, "ends": [0]}, {**values, "runners": []}):
        plan.write_text(json.dumps(odd))
        with pytest.raises(UserError, match="The plan of a race cannot be read"):
            read_race(race.id)


def test_a_plan_that_somebody_else_changed_is_asked_about(
    race: Race, data_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = data_home / "races" / race.id / "race.json"
    values = json.loads(plan.read_text())
    values["runners"][0]["settings"]["rewards"] = [{"type": "user_file", "path": "/a/theirs.py"}]
    plan.write_text(json.dumps(values))
    assert main(["race", "--resume", race.id]) == 1
    assert (
        "runs the Python file /a/theirs.py; look at it, then allow it with --trust" in capsys.readouterr().err
    )
    assert not (data_home / "runs").exists()


# --- with a model ----------------------------------------------------------------------------------------------------


def racing(name: str) -> RunConfig:
    return tiny(name=name, training={"iterations": 3}, evaluation={"rows": 2, "at_start": False})


@pytest.mark.slow
def test_the_winner_is_the_run_that_trains_alone_byte_by_byte(tmp_path: Path) -> None:
    config = racing("night")
    found = variants(config, ["learning_rate=1e-3,2e-3"])
    made = create_race(config, found, ladder_of(3, 2, 0))

    def go_on(runner: Runner, _rung: int, steps: int) -> RunFinished:
        return resume_training(runner.folder, Control(), lambda _event: None, steps)

    raced = run_race(made, go_on)
    assert raced.steps == 1 + 3
    alone = tmp_path / "alone"
    train(found[raced.winner.label], alone)
    assert digest(alone) == digest(raced.winner.folder)


def test_a_dry_run_says_the_price_and_makes_nothing(
    data_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["race", "--set", "iterations=90", "--vary", "learning_rate=1e-5,3e-5,1e-4,3e-4", "--dry-run"]
    assert main(words) == 0
    assert "4 -> 2 -> 1 runs to step 10, 30, 90: 39% of the grid's steps" in capsys.readouterr().err
    assert not (data_home / "races").exists()


def test_data_without_held_out_rows_cannot_race(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    (rows / "train.jsonl").write_text(json.dumps({"prompt": "1 + 1?", "answer": "2"}) + "\n")
    assert main(["race", "--data", str(rows), "--vary", "seed=1,2"]) == 2
    assert "the data has no rows for validation" in capsys.readouterr().err
