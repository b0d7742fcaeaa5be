"""A run's events, added up for the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from droid_tune.cli.live_table import (
    LiveTable,
    PlainLines,
    finish_sentence,
    headline,
    one_line,
    sample,
)
from droid_tune.events import (
    Completion,
    Evaluation,
    Event,
    Notice,
    Phase,
    RolloutGroup,
    RunFinished,
    RunStarted,
    Step,
)
from droid_tune.runs.state import RunState, small_state


def completion(text: str, reward: float) -> Completion:
    return Completion(text=text, reward=reward, length=3, finish_reason="stop")


#: Two of four steps, two seconds each, then a stop.
RUN: list[Event] = [
    RunStarted(config={"method": {"type": "grpo"}}, total_steps=4, device="CPU", time=100.0),
    Evaluation(step=0, metrics={"eval/accuracy": 0.25}, rows=8, time=100.0),
    Phase(phase="rollout", step=1, done=3, total=8),
    RolloutGroup(step=1, group=0, prompt="2 + 3?", completions=[completion("6", 0.0), completion("5", 1.0)]),
    Step(step=1, metrics={"reward": 0.5, "kl/k1": None, "completions/clipped_ratio": 0.125}, time=102.0),
    Step(step=2, metrics={"reward": 0.75, "kl/k1": 0.01, "completions/clipped_ratio": 0.0}, time=104.0),
    Notice(level="warning", code="x", text="one reward\nfailed", remedy="Look at row 3."),
    Evaluation(
        step=2, metrics={"eval/accuracy": 0.75, "eval/rewards/accuracy/mean": 0.75}, rows=8, time=104.0
    ),
    RunFinished(outcome="stopped", step=2),
]


def after(*events: Event) -> RunState:
    return small_state().apply_all(events)


def test_the_headline_says_where_the_run_is() -> None:
    assert headline(after(*RUN[:6])) == (
        "grpo on CPU: step 2 of 4, sampling completions 3/8, 2 s a step, 4 s left"
    )


def test_the_sample_shows_the_best_and_the_worst_of_a_group() -> None:
    newest = after(*RUN).rollouts.newest
    assert newest is not None
    lines = str(sample(newest)).split("\n")
    assert [line.split() for line in lines[1:]] == [["prompt", "2", "+", "3?"], ["1", "5"], ["0", "6"]]


def test_a_completion_that_no_reward_judged_is_never_the_best_of_a_group() -> None:
    judged = [
        Completion(text=f"{reward}", reward=reward, length=1, finish_reason="stop")
        for reward in (None, -2.0, -1.0)
    ]
    group = RolloutGroup(step=1, group=0, prompt="1 + 1?", completions=judged)
    lines = str(sample(group)).split("\n")
    assert [line.split() for line in lines[2:]] == [["-1", "-1.0"], ["-", "None"]]


def test_terminal_codes_in_a_completion_are_not_obeyed() -> None:
    assert "\x1b" not in one_line("red \x1b[31malert\x07\nnext")


def test_a_pipe_gets_one_line_for_each_happening() -> None:
    out = io.StringIO()
    lines = PlainLines(Console(file=out, width=200, markup=False, highlight=False, soft_wrap=True))
    for event in RUN:
        lines.apply(event)
    assert out.getvalue().splitlines() == [
        "After 0 steps, 8 held-out rows: accuracy 25%",
        "step 1/4  Reward 0.5  KL -  Cut off 12%",
        "step 2/4  Reward 0.75  KL 0.01  Cut off 0%",
        "warning: one reward failed Look at row 3.",
        "After 2 steps, 8 held-out rows: accuracy 75%",
        "Stopped after 2 steps; held-out accuracy 25% -> 75%",
    ]


def test_a_run_that_failed_before_its_first_step_trained_nothing() -> None:
    assert finish_sentence(after(RunFinished(outcome="failed", step=0))) == "Nothing was trained"
    assert finish_sentence(after(*RUN[:6], RunFinished(outcome="failed", step=2))) == "Failed after 2 steps"


def test_what_a_resumed_run_gained_is_counted_from_its_beginning() -> None:
    out = io.StringIO()
    looks = [Evaluation(step=step, metrics={"eval/accuracy": step / 10}, rows=8) for step in (0, 2, 4)]
    lines = PlainLines(Console(file=out, width=200, markup=False, highlight=False), looks)
    resumed = RunStarted(config={}, total_steps=6, start_step=2)
    later = Evaluation(step=6, metrics={"eval/accuracy": 0.9}, rows=8)
    for event in (resumed, later, RunFinished(outcome="completed", step=6)):
        lines.apply(event)
    assert out.getvalue().splitlines()[-1].endswith("held-out accuracy 0% -> 90%")


def test_the_live_table_can_be_drawn_at_every_moment() -> None:
    out = io.StringIO()
    screen = Console(file=out, width=100, markup=False, highlight=False)
    table = LiveTable(screen)
    screen.print(table)
    for event in RUN:
        table.apply(event)
        screen.print(table)
    assert "step 2 of 4" in out.getvalue()
