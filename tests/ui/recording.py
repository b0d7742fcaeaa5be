"""A recorded run, made by arithmetic: what a short GRPO run on the starter tells, without an engine."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

from droid_tune.config import RunConfig, dump_yaml
from droid_tune.events import (
    CheckpointSaved,
    Completion,
    Evaluation,
    Event,
    MemoryFacts,
    Notice,
    Phase,
    PlanChosen,
    PlayedCall,
    PlayedTurn,
    RolloutGroup,
    RunFinished,
    RunStarted,
    Step,
)
from droid_tune.paths import RunPaths
from droid_tune.runs.log import EventLog

QUESTIONS = (
    ("What is twenty-seven plus seven?", "34"),
    ("A shop has ninety-two books and sells fifty-five. How many are left?", "37"),
    ("How much is ninety-one take away six?", "85"),
    ("Ada buys three books on Monday and forty-eight on Friday. How many are there?", "51"),
)
SAVE_EVERY = 20


def config(steps: int = 60, **values: object) -> RunConfig:
    return RunConfig.model_validate({"training": {"iterations": steps}, **values})


def started(steps: int, start_step: int = 0) -> RunStarted:
    return RunStarted(
        config=config(steps).model_dump(mode="json"),
        total_steps=steps,
        start_step=start_step,
        device="cpu",
        memory=MemoryFacts(total_bytes=16 * 10**9, gpu_limit_bytes=12 * 10**9, budget_bytes=9 * 10**9),
        model={"architecture": "llama", "parameters": 700_000},
        data={"train": 400, "valid": 100},
    )


def skill(step: int, steps: int) -> float:
    """The share of right answers, rising from 0.2 to 0.9."""
    return 0.2 + 0.7 / (1 + math.exp(-8 * (step / steps - 0.45)))


def step_events(step: int, steps: int, seed: int = 0) -> Iterator[Event]:
    """All events of one step, the same for the same step."""
    dice = random.Random(seed * 100_003 + step)
    level = skill(step, steps)
    yield Phase(phase="rollout", step=step, done=32, total=32, unit="completions")
    rewards: list[float] = []
    for place in range(4):
        group = rollout_group(step, place, level, dice)
        rewards += [one.reward or 0.0 for one in group.completions]
        yield group
    yield Phase(phase="update", step=step, done=32, total=32, unit="completions")
    yield Step(
        step=step, metrics=metrics_of(step, steps, rewards, dice), seconds={"rollout": 1.4, "update": 0.7}
    )
    if step % SAVE_EVERY == 0:
        yield evaluation(step, steps)
        yield CheckpointSaved(step=step, path=f"checkpoints/step-{step:06d}", bytes=120_000)


def rollout_group(step: int, place: int, level: float, dice: random.Random) -> RolloutGroup:
    question, answer = QUESTIONS[(step + place) % len(QUESTIONS)]
    right = [dice.random() < level for _ in range(8)]
    mean = sum(right) / 8
    spread = math.sqrt(mean * (1 - mean)) or 1.0
    completions = [completion(answer, good, (good - mean) / spread, dice) for good in right]
    return RolloutGroup(
        step=step, group=place, row=place * 7, prompt=question, answer=answer, completions=completions
    )


def completion(answer: str, good: bool, advantage: float, dice: random.Random) -> Completion:
    number = answer if good else str(int(answer) + dice.randint(1, 9))
    cut = not good and dice.random() < 0.15
    text = f"Let me add it up step by step. The answer is {number}." if good else f"It is {number}"
    return Completion(
        text=text + " and so on and so on and so" * cut,
        reward=0.8 * good + 0.2,
        rewards={"accuracy": float(good), "format": 1.0},
        advantage=round(advantage, 3),
        length=32 if cut else 10 + dice.randint(0, 8),
        finish_reason="length" if cut else "stop",
    )


def said(text: str = "", *calls: tuple[str, dict[str, object]], reward: float | None = None) -> PlayedTurn:
    made = [PlayedCall(name=name, arguments=arguments) for name, arguments in calls]
    return PlayedTurn(role="assistant", text=text, calls=made, tokens=22 if calls else 8, reward=reward)


def heard(text: str, name: str = "", *, failed: str = "", seconds: float = 0.012) -> PlayedTurn:
    return PlayedTurn(role="tool", text=text, name=name, failed=failed, seconds=seconds)


def episode(kind: str = "right") -> Completion:
    """An episode with tools that ends `right`, by a `guess`, `cut` by its turns, or `failed`."""
    looked = said("I look at the list.", ("price", {"item": "pears"}), reward=0.1)
    refused = "There is no tool `cost`; there are price, multiply."
    turns, cut = {
        "right": (
            [
                looked,
                heard("38", "price"),
                said("", ("multiply", {"a": 7, "b": 38})),
                heard("266", "multiply", seconds=0.31),
                said("<think>266 cents, then.</think>The answer is 266."),
            ],
            "",
        ),
        "guess": ([said("That is easy. The answer is 300.")], ""),
        "cut": (
            [said("", ("cost", {"item": "pears"})), heard(refused, "cost", failed=refused)] * 2,
            "turns",
        ),
        "failed": ([looked, heard("", "price", failed="The tool ended without an answer.")], "failed"),
    }[kind]
    good = kind == "right"
    return Completion(
        text=turns[-1].text,
        reward=float(good),
        rewards={"accuracy": float(good)},
        advantage=1.4 if good else -0.5,
        length=sum(turn.tokens for turn in turns),
        finish_reason="length" if cut else "stop",
        turns=turns,
        cut=cut,  # pyright: ignore[reportArgumentType]
    )


def episode_group(step: int = 60, place: int = 0) -> RolloutGroup:
    """A prompt whose group acted in the bundled shop."""
    kinds = ("right", "guess", "cut", "failed")
    return RolloutGroup(
        step=step,
        group=place,
        row=3,
        prompt="What do seven pears cost?",
        answer="266",
        completions=[episode(kind) for kind in kinds],
    )


def metrics_of(step: int, steps: int, rewards: list[float], dice: random.Random) -> dict[str, float | None]:
    mean = sum(rewards) / len(rewards)
    spread = math.sqrt(sum((one - mean) ** 2 for one in rewards) / len(rewards))
    return {
        "loss": dice.gauss(0, 0.02),
        "reward": mean,
        "reward_std": spread,
        "frac_reward_zero_std": dice.choice([0.0, 0.0, 0.25]),
        "rewards/accuracy/mean": (mean - 0.2) / 0.8,
        "rewards/format/mean": 1.0,
        "kl": 0.1 * step / steps + abs(dice.gauss(0, 0.005)),
        "kl/k1": 0.1 * step / steps,
        "entropy": 1.2 - 0.7 * step / steps + dice.gauss(0, 0.03),
        "completions/mean_length": 14 + dice.gauss(0, 1),
        "completions/max_length": 20 + dice.randint(0, 12),
        "completions/clipped_ratio": max(0.0, dice.gauss(0.06, 0.03)),
        "clip_ratio/region_mean": abs(dice.gauss(0, 0.01)),
        "grad_norm": 0.4 + abs(dice.gauss(0, 0.15)),
        "learning_rate": 1e-4,
        "tokens_per_second": 900 + dice.gauss(0, 40),
        "memory/active_bytes": 6e8,
        "memory/peak_bytes": 8e8 + 1e6 * step,
        "step_time": 2.0,
    }


def evaluation(step: int, steps: int) -> Evaluation:
    level = round(skill(step, steps), 2)
    return Evaluation(step=step, metrics={"eval/accuracy": level, "eval/reward": 0.8 * level + 0.2}, rows=64)


def answers(step: int, steps: int) -> Iterator[Event]:
    """What the model says to a dozen held-out rows after `step` updates; the first is lost, later ones are won."""
    level = skill(step, steps)
    for row in range(12):
        question, answer = QUESTIONS[row % len(QUESTIONS)]
        right = step == 0 if row == 0 else row / 12 < level
        one = completion(answer, right, 0.0, random.Random(row))
        yield RolloutGroup(
            step=step,
            group=row,
            row=row,
            prompt=f"{question} ({row})",
            answer=answer,
            completions=[one],
            held_out=True,
        )


def recorded(
    steps: int = 60, until: int | None = None, start_step: int = 0, *, answered: bool = False
) -> Iterator[Event]:
    """A run's events up to step `until`, without its end; `answered`: with the held-out answers before training too."""
    yield started(steps, start_step)
    yield PlanChosen(sentence="32 completions are sampled together and trained on 16 at a time.", details={})
    if start_step == 0:
        yield evaluation(0, steps)
        yield from answers(0, steps) if answered else ()
    for step in range(start_step + 1, (until or steps) + 1):
        if step == 25:
            yield Notice(
                level="warning",
                code="few_signals",
                text="A quarter of the groups earn the same reward for every completion and teach nothing.",
                remedy="Raise the temperature, add harder rows, or take more completions per prompt.",
                step=step,
            )
        yield from step_events(step, steps)
        yield from answers(step, steps) if answered and step % SAVE_EVERY == 0 else ()


def complete(steps: int = 60, *, answered: bool = False) -> Iterator[Event]:
    yield from recorded(steps, answered=answered)
    yield RunFinished(outcome="completed", step=steps, result=".")


def keep_identity(folder: Path, config: RunConfig) -> None:
    """What the run began with: its settings."""
    values = {"settings": config.model_dump(mode="json")}
    RunPaths(folder).identity.write_text(json.dumps(values), encoding="utf-8")


def keep_checkpoint(folder: Path, event: Event) -> None:
    """The folder of a checkpoint that is told, empty."""
    if isinstance(event, CheckpointSaved):
        (folder / event.path).mkdir(parents=True, exist_ok=True)


def write_run(folder: Path, events: Iterator[Event], state: str = "completed", steps: int = 60) -> Path:
    """A run folder as the engine leaves it (without weights)."""
    folder.mkdir(parents=True)
    paths = RunPaths(folder)
    paths.config.write_text(dump_yaml(config(steps)), encoding="utf-8")
    keep_identity(folder, config(steps))
    log = EventLog(paths.events, paths.rollouts, folder.name)
    step = 0
    for event in events:
        written = log.write(event)
        step = written.step if isinstance(written, Step) else step
        keep_checkpoint(folder, written)
    log.close()
    status = {
        "state": state,
        "step": step,
        "total_steps": steps,
        "created": time.time(),
        "metrics": {"reward": 0.9},
    }
    (folder / "status.json").write_text(json.dumps(status), encoding="utf-8")
    return folder
