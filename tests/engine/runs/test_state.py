"""Events folded into state, by numbers that can be checked in the margin."""

from __future__ import annotations

import random

from droid_tune.events import (
    CheckpointSaved,
    Evaluation,
    Notice,
    Phase,
    RunFinished,
    RunStarted,
    Steered,
    Step,
)
from droid_tune.runs.kept_rollouts import KeptRollouts
from droid_tune.runs.state import RunState
from tests.ui.recording import complete, recorded, rollout_group, started
from ui.frame.activity import activity_words
from ui.panes.monitor.run_header import foot_words, time_words


def step(number: int, time: float = 0.0, **metrics: float | None) -> Step:
    return Step(step=number, time=time, metrics=dict(metrics))


def test_a_fresh_state_is_empty() -> None:
    state = RunState()
    assert state.life == "empty"
    assert state.fraction == 0
    assert state.seconds_left is None


def test_metrics_become_series_and_null_becomes_nothing() -> None:
    state = RunState().apply_all([started(4), step(1, reward=0.5, kl=None), step(2, reward=0.75)])
    assert state.series["reward"].values.tolist() == [0.5, 0.75]
    assert "kl" not in state.series
    assert state.fraction == 0.5


def test_the_time_left_is_the_median_step_times_the_steps_left() -> None:
    events = [started(10), step(1, step_time=2), step(2, step_time=2), step(3, step_time=60)]
    state = RunState().apply_all(events)
    assert state.seconds_per_step == 2  # the slow one does not shake it
    assert state.seconds_left == 14  # 7 steps


def test_of_steps_that_share_a_rollout_the_time_left_counts_the_one_that_samples() -> None:
    config = {
        "method": {"steps_per_generation": 4, "num_iterations": 2},
        "training": {"gradient_accumulation_steps": 2},
    }
    times = [9, 1, 1, 1] * 3
    events = [step(number, step_time=taken) for number, taken in enumerate(times, start=1)]
    state = RunState().apply_all([RunStarted(config=config, total_steps=20), *events])
    assert (state.seconds_per_step, state.seconds_left) == (3, 24)
    assert state.seconds_left_range == (24, 24)
    assert (
        RunState().apply_all([RunStarted(config=config, total_steps=20), *events[:2]]).seconds_per_step == 5
    )


def test_without_step_times_the_clock_between_steps_serves() -> None:
    state = RunState().apply_all([started(3), step(1, time=100), step(2, time=104)])
    assert state.seconds_left == 4


def test_a_finished_run_has_no_time_left() -> None:
    state = RunState().apply_all([started(3), step(1, step_time=2), RunFinished(outcome="stopped", step=1)])
    assert state.seconds_left is None
    assert state.life == "stopped"


def test_a_resumed_run_is_one_continuous_curve() -> None:
    """Saved at step 2, killed at step 4, resumed: steps 3 and 4 are done again."""
    before = [
        started(6),
        step(1, reward=0.1),
        step(2, reward=0.2),
        CheckpointSaved(step=2, path="c"),
        step(3, reward=0.3),
        Evaluation(step=3, metrics={"eval/accuracy": 0.5}, rows=4),
        Notice(level="info", code="late", text="Late.", step=3),
        step(4, reward=0.4),
    ]
    state = RunState().apply_all(before)
    state.mark_interrupted()
    assert state.life == "interrupted"
    state.apply(started(6, start_step=2))
    assert state.step == 2
    assert state.series["eval/accuracy"].values.tolist() == []
    assert state.notices == []
    assert [saved.step for saved in state.checkpoints] == [2]
    state.apply(step(3, reward=0.31))
    assert state.series["reward"].steps.tolist() == [1, 2, 3]
    assert state.series["reward"].values.tolist() == [0.1, 0.2, 0.31]


def test_rollouts_after_the_checkpoint_are_taken_back_as_well() -> None:
    state = RunState().apply_all(recorded(60, until=5))
    assert state.rollouts.steps() == [1, 2, 3, 4, 5]
    state.apply(started(60, start_step=3))
    assert state.rollouts.steps() == [1, 2, 3]


def test_the_same_group_told_twice_is_kept_once() -> None:
    import random

    group = rollout_group(1, 0, 0.5, random.Random(1))
    state = RunState().apply_all([started(3), group, group])
    assert len(state.rollouts.by_step[1]) == 1


def test_old_rollouts_make_room() -> None:
    state = RunState(rollouts=KeptRollouts(30_000)).apply_all(recorded(60, until=30))
    assert state.rollouts.steps()[-1] == 30
    assert 0 < len(state.rollouts.by_step) < 30


def test_without_room_for_rollouts_the_newest_step_stays() -> None:
    state = RunState(rollouts=KeptRollouts(0)).apply_all(recorded(60, until=3))
    assert state.rollouts.steps() == [3]
    assert state.rollouts.newest is not None
    assert (state.rollouts.newest.step, state.rollouts.newest.group) == (3, 3)


def test_what_the_engine_does_is_said_while_it_does_it() -> None:
    state = RunState().apply_all([started(3), Phase(phase="rollout", step=1, done=3, total=8)])
    assert state.doing == "sampling completions"
    state.apply(RunFinished(outcome="stopped", step=0))
    assert state.doing == ""


def test_a_whole_recorded_run_ends_completed() -> None:
    state = RunState().apply_all(complete(60))
    assert state.life == "completed"
    assert state.fraction == 1
    assert state.reward_names() == ["accuracy", "format"]
    assert state.last("eval/accuracy") == state.series["eval/accuracy"].values[-1]
    assert state.series["eval/accuracy"].steps.tolist() == [0, 20, 40, 60]
    assert state.name == "GRPO starter"


def test_a_run_that_failed_before_its_first_step_keeps_what_is_known() -> None:
    state = RunState().apply_all(
        [started(9), step(4, reward=1), RunFinished(outcome="failed", step=0, why="Locked.")]
    )
    assert state.step == 4
    assert state.why == "Locked."


def test_each_event_counts_as_a_change() -> None:
    state = RunState()
    before = state.revision
    state.apply(step(1))
    assert state.revision == before + 1


def test_steps_with_only_held_out_answers_are_told_apart() -> None:
    import random

    answers = rollout_group(4, 0, 0.5, random.Random(1)).model_copy(update={"held_out": True})
    state = RunState().apply_all([*recorded(60, until=3), answers])
    assert state.rollouts.steps() == [1, 2, 3]
    assert state.rollouts.steps(held_out=True) == [4]


def test_a_run_that_failed_before_it_began_has_no_duration_and_no_step() -> None:
    state = RunState().apply_all([RunFinished(outcome="failed", step=0, why="No model.", time=1.8e9)])
    assert time_words(state) == ("Time of work", "–")
    assert activity_words(state, stopping=False) == "Failed before the first step"


def test_a_completed_run_says_where_it_is_trained_further() -> None:
    assert "Result says what it came to" in foot_words(RunState().apply_all(complete(4)))
    assert "further" not in foot_words(RunState().apply_all(recorded(4)))


def test_the_peak_is_the_runs_largest_and_never_falls() -> None:
    peaks = [step(number, **{"memory/peak_bytes": size}) for number, size in enumerate((5e8, 9e8, 7e8), 1)]
    state = RunState().apply_all([started(6), *peaks])
    assert state.peak_bytes == 9e8
    state.apply(started(6, start_step=1))
    assert state.peak_bytes == 9e8  # taken back steps took it all the same


def test_the_range_of_a_steps_rewards_is_over_all_its_groups() -> None:
    dice = random.Random(1)
    groups = [rollout_group(1, place, level, dice) for place, level in enumerate((1.0, 0.0))]
    state = RunState().apply_all([started(4), *groups])
    assert state.series["reward/min"].values.tolist() == [0.2]
    assert state.series["reward/max"].values.tolist() == [1.0]


def test_failing_rewards_are_one_notice_that_keeps_its_place() -> None:
    def failed(number: int) -> Notice:
        return Notice(level="warning", code="reward_failed", text=f"{number} of 32", step=number)

    other = Notice(level="warning", code="slow", text="Slow.", step=2)
    state = RunState().apply_all([started(9), failed(1), other, failed(3), failed(4)])
    assert [told.text for told in state.notices] == ["4 of 32", "Slow."]


def test_a_stop_that_was_wished_for_is_the_end_that_the_run_goes_to() -> None:
    events = [started(2_000), *(step(n, step_time=2) for n in range(1, 11))]
    state = RunState().apply_all(events)
    assert (state.end_step, state.seconds_left) == (2_000, 3_980)
    state.apply(Steered(step=10, settings={"stop_at": 50}, before={"stop_at": 0}))
    assert (state.end_step, state.seconds_left, state.fraction) == (50, 80, 0.2)
    assert activity_words(state, stopping=False).startswith("Step 10 of 50")
    state.apply(RunFinished(outcome="stopped", step=50))
    assert state.end_step == 2_000, "what the run can still go on to"


def test_time_of_work_counts_no_sleep_and_not_what_lies_between_sessions() -> None:
    begin = RunStarted(config={}, total_steps=2, time=100.0)
    state = RunState().apply_all(
        [
            begin,
            Step(step=1, metrics={}, time=110.0),
            begin.model_copy(update={"time": 500.0}),
            Step(step=2, metrics={}, time=505.0),
            RunFinished(outcome="completed", step=2, time=505.0 + 7200),  # a machine that slept
        ]
    )
    assert state.clock.worked_seconds == 15.0
    assert time_words(state) == ("Time of work", "15 s")


def test_a_session_that_failed_to_begin_is_no_work() -> None:
    failed = RunFinished(outcome="failed", step=0, why="no data", time=100.0)
    state = RunState().apply_all([failed, failed.model_copy(update={"time": 348.0})])
    assert state.clock.worked_seconds == 0.0
    begun = [RunStarted(config={}, total_steps=2, time=400.0), Step(step=1, metrics={}, time=410.0)]
    stopped = RunFinished(outcome="stopped", step=1, time=412.0)
    state.apply_all([*begun, stopped, failed.model_copy(update={"time": 800.0})])
    assert state.clock.worked_seconds == 12.0


def test_a_clock_that_is_put_forward_or_back_by_a_day_moves_no_curve() -> None:
    day = 86_400.0
    moments = [1_000.0, 1_002.0, 1_004.0 + day, 1_006.0 + day, 1_008.0, 1_010.0]
    steps = [Step(step=n, metrics={"step_time": 2.0}, time=at) for n, at in enumerate(moments[1:], start=1)]
    state = RunState().apply_all([RunStarted(config={}, total_steps=9, time=moments[0]), *steps])
    assert state.clock.seconds.values.tolist() == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert state.clock.worked_seconds == 6.0
