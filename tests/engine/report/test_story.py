"""What a report makes of a run's files: before and after, what was lost, what to read first, and time."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.config import dump_yaml, resolve
from droid_tune.errors import UserError
from droid_tune.events import (
    Completion,
    Evaluation,
    Event,
    RolloutGroup,
    RunEvent,
    RunStarted,
    Step,
)
from droid_tune.paths import RunPaths
from droid_tune.report.story import Story, read_stories, read_story
from droid_tune.report.suspects import reasons_of

STEPS = 40


def write(folder: Path, *events: Event) -> Path:
    """A run with these events, a second apart."""
    folder.mkdir(parents=True)
    paths = RunPaths(folder)
    paths.config.write_text(dump_yaml(resolve({"name": "night", "training": {"iterations": STEPS}})))
    started = RunStarted(config={}, total_steps=STEPS)
    for number, event in enumerate([started, *events], start=1):
        stamped: RunEvent = event.model_copy(update={"seq": number, "time": 1000.0 + number})
        file = paths.rollouts if isinstance(event, RolloutGroup) else paths.events
        with file.open("a") as handle:
            handle.write(stamped.model_dump_json() + "\n")
    return folder


def looked(step: int, accuracy: float, rows: int = 100) -> Evaluation:
    return Evaluation(step=step, metrics={"eval/accuracy": accuracy}, rows=rows)


def group(step: int, text: str, reward: float | None, length: int = 40, **more: object) -> RolloutGroup:
    said = Completion(text=text, reward=reward, length=length, finish_reason="stop")
    return RolloutGroup.model_validate(
        {"step": step, "group": 0, "prompt": f"What is {step}?", "completions": [said], **more}
    )


def held_out(step: int, row: int, text: str, reward: float) -> RolloutGroup:
    return group(step, text, reward, held_out=True, row=row, answer="4", prompt=f"row {row}")


def test_what_is_right_before_and_now_is_neither_won_nor_lost(tmp_path: Path) -> None:
    """Row 1 is right both times, in a form that earns less now; row 2 became right, row 3 wrong, for more."""

    def said(step: int, row: int, reward: float, accuracy: float) -> RolloutGroup:
        one = Completion(
            text="4", reward=reward, rewards={"accuracy": accuracy}, length=4, finish_reason="stop"
        )
        found = {"step": step, "group": row, "row": row, "prompt": f"row {row}", "completions": [one]}
        return RolloutGroup.model_validate({**found, "held_out": True})

    before = [said(0, 1, 1.5, 1.0), said(0, 2, 0.5, 0.0), said(0, 3, 1.0, 1.0)]
    now = [said(40, 1, 1.0, 1.0), said(40, 2, 0.5, 1.0), said(40, 3, 1.2, 0.0)]
    story = read_story(write(tmp_path / "run", looked(0, 0.5), *before, looked(40, 0.5), *now))
    told = [[one.prompt for one in some] for some in (story.same, story.won, story.lost)]
    assert told == [["row 1"], ["row 2"], ["row 3"]]


def training(rewards: list[float]) -> list[Event]:
    return [Step(step=step, metrics={"reward": reward}) for step, reward in enumerate(rewards, start=1)]


def test_before_and_after_have_bounds_and_prompts_lost_are_told(tmp_path: Path) -> None:
    story = read_story(
        write(
            tmp_path / "run",
            looked(0, 0.25),
            held_out(0, 1, "4", 1.0),
            held_out(0, 2, "5", 0.0),
            looked(20, 0.5),
            held_out(20, 1, "passed over", 0.0),
            looked(40, 0.75),
            held_out(40, 1, "3", 0.0),
            held_out(40, 2, "4", 1.0),
            held_out(40, 3, "new", 1.0),
        )
    )
    assert story.before is not None
    assert story.after is not None
    assert (story.before.value, story.after.value, story.after.step) == (0.25, 0.75, 40)
    assert story.after.bounds == pytest.approx((0.657, 0.825), abs=1e-3)
    assert [(one.before, one.after) for one in story.told] == [("4", "3"), ("5", "4")]
    assert [one.prompt for one in story.lost] == ["row 1"]


def test_a_count_that_ended_early_has_the_bounds_that_it_ended_by(tmp_path: Path) -> None:
    metrics = {"eval/accuracy": 0.75, "eval/accuracy/least": 0.6, "eval/accuracy/most": 0.86}
    story = read_story(
        write(tmp_path / "run", looked(0, 0.25), Evaluation(step=40, metrics=metrics, rows=64))
    )
    assert story.after is not None
    assert (story.after.value, story.after.rows, story.after.bounds) == (0.75, 64, (0.6, 0.86))


def test_a_resumed_run_counts_what_it_did_again_once(tmp_path: Path) -> None:
    story = read_story(
        write(
            tmp_path / "run",
            looked(0, 0.25),
            looked(20, 0.9),  # lost with the process, and done again
            RunStarted(config={}, total_steps=STEPS, start_step=10),
            looked(20, 0.5),
        )
    )
    assert [(one.step, one.value) for one in story.evaluations] == [(0, 0.25), (20, 0.5)]
    assert story.summary.state == "created"


def test_supervised_runs_are_told_by_their_loss(tmp_path: Path) -> None:
    looks = [Evaluation(step=step, metrics={"eval/loss": 2.0 - step / 40}, rows=8) for step in (0, 40)]
    story = read_story(write(tmp_path / "run", *looks))
    assert story.measure == "eval/loss"
    assert story.after is not None
    assert (story.after.value, story.after.bounds) == (1.0, None)


@pytest.mark.parametrize(
    ("text", "length", "said"),
    [
        ("a fair answer of the usual length", 40, ()),
        ("long " + " ".join(map(str, range(200))), 130, ("130 tokens, 3.2 times as long as at the start",)),
        (
            "the answer is seven " * 8,
            40,
            ("90% of its 4-word sequences repeat",),
        ),  # 3 of 29 are new... 26 repeat
        ("7", 2, ("an answer without working: 2 tokens, at the start 40",)),
    ],
)
def test_why_a_completion_should_be_read(text: str, length: int, said: tuple[str, ...]) -> None:
    one = Completion(text=text, reward=1.0, length=length, finish_reason="stop")
    found = reasons_of(one, 40.0)
    assert len(found) == len(said)
    if said and "repeat" not in said[0]:
        assert found == said


def story_with(tmp_path: Path, *late: RolloutGroup) -> Story:
    early = [group(step, f"early {step}", step / 10) for step in range(1, 5)]
    return read_story(write(tmp_path / "run", *training([0.5] * STEPS), *early, *late))


def test_only_high_rewards_are_suspicious_and_each_prompt_is_told_once(tmp_path: Path) -> None:
    story = story_with(
        tmp_path,
        group(20, "7", 1.0, length=2),
        group(20, "8", 1.0, length=2),
        group(30, "9", 0.2, length=2),
        group(31, "10", None, length=2),
        group(32, "again and again and " * 9, 1.0, length=150),
    )
    assert [(one.step, one.weight) for one in story.suspects] == [(32, 2), (20, 1)]


def test_a_reward_that_rises_while_held_out_answers_stay_is_told(tmp_path: Path) -> None:
    rising = [step / STEPS for step in range(STEPS)]
    flat = read_story(
        write(
            tmp_path / "flat",
            *training(rising),
            looked(0, 0.30),
            looked(40, 0.33),
            group(1, "early", 0.1),
            group(40, "a good one", 1.0),
        )
    )
    assert "rose from 0.11 to 0.86, and held-out accuracy did not leave" in flat.flat
    assert [one.reasons for one in flat.suspects] == [
        ("a high reward, while held-out answers did not get better",)
    ]
    honest = read_story(write(tmp_path / "honest", *training(rising), looked(0, 0.30), looked(40, 0.60)))
    assert honest.flat == ""
    assert honest.suspects == ()


def test_one_odd_folder_hides_no_other(tmp_path: Path) -> None:
    good = write(tmp_path / "good")
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "config.yaml").write_text("- nothing")
    stories, faults = read_stories([good, odd, tmp_path / "gone"])
    assert [story.summary.id for story in stories] == ["good"]
    assert len(faults) == 2
    with pytest.raises(UserError):
        read_story(odd)
