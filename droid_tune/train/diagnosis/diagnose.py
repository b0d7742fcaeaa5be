"""Says in words what the metrics mean: each symptom once, and again only after it had cleared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from droid_tune import words
from droid_tune.bounds import fell
from droid_tune.config import RunConfig
from droid_tune.events import Notice
from droid_tune.train.diagnosis.history import History
from droid_tune.train.diagnosis.pair_change import PairChange, less_likely
from droid_tune.train.diagnosis.symptom_facts import Facts, Said
from droid_tune.train.diagnosis.symptoms import SYMPTOMS

Metrics = Mapping[str, float | None]
State = dict[str, Any]

_FALL = 0.05
_REWARD_WINDOW = 5
_RISE_OF_LOSS = 1.05
_LIKELIHOODS = ("eval/logps/chosen", "eval/logps/rejected")


@dataclass(frozen=True)
class Milestone:
    """A held-out number, the step it was measured at, and the training reward around it (None before training)."""

    step: int
    value: float
    reward: float | None


class Diagnosis:
    """Fed with every step and evaluation of a run. Pure: it knows only the numbers, and its state survives a resume."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._history = History()
        self._told: set[str] = set()
        self._best_accuracy: Milestone | None = None
        self._best_loss: Milestone | None = None
        self._first_pairs: dict[
            str, float | None
        ] = {}  # likelihoods of held-out pairs, as they were first looked at

    @classmethod
    def of(cls, config: RunConfig) -> Diagnosis:
        """Nothing seen yet, of a run with this config."""
        return cls(Facts.of(config))

    def observe_step(self, step: int, metrics: Metrics) -> list[Notice]:
        """The notices that a step's metrics give rise to: each symptom once until it clears."""
        self._history.add(metrics)
        notices: list[Notice] = []
        for symptom in SYMPTOMS:
            told = symptom.code in self._told
            if symptom.lasting and told:
                continue
            said = symptom.look(self._history, self._facts, told)
            notices += self._tell(symptom.code, symptom.level, said, step)
        return notices

    def observe_evaluation(self, step: int, metrics: Metrics, rows: int) -> list[Notice]:
        """The same of numbers of `rows` held-out rows, set against the training reward."""
        said_of_accuracy = self._hacked(step, metrics.get("eval/accuracy"), rows)
        said_of_loss = self._overfitted(step, metrics.get("eval/loss"))
        said_of_teacher = _weak_teacher(metrics)
        said_of_pairs = self._neither(metrics)
        return [
            *self._tell("weak_teacher", "warning", said_of_teacher, step),
            *self._tell("reward_hacking", "warning", said_of_accuracy, step),
            *self._tell("overfitting", "warning", said_of_loss, step),
            *self._tell("held_out_answers_less_likely", "warning", said_of_pairs, step),
        ]

    def _tell(self, code: str, level: Any, said: Said | None, step: int) -> list[Notice]:
        """A notice where the symptom is new; where it is gone, it may be said again."""
        if said is None:
            self._told.discard(code)
            return []
        if code in self._told:
            return []
        self._told.add(code)
        return [Notice(level=level, code=code, text=said.text, remedy=said.remedy, step=step)]

    def _hacked(self, step: int, accuracy: float | None, rows: int) -> Said | None:
        """The training reward is higher than at the best held-out accuracy, yet that has fallen by more than chance."""
        if accuracy is None:
            return None
        reward = self._history.mean("reward", _REWARD_WINDOW)
        best = self._best_accuracy
        if best is None or accuracy >= best.value:
            self._best_accuracy = Milestone(step, accuracy, reward)
            return None
        earlier = self._history.beginning("reward") if best.reward is None else best.reward
        if reward is None or earlier is None or reward <= earlier:
            return None
        if best.value - accuracy < _FALL or not fell(best.value, accuracy, rows):
            return None
        return Said(
            f"The reward in training has risen ({earlier:.3g}, now {reward:.3g}), but held-out accuracy has fallen from "
            f"{words.share(best.value)} (step {best.step}) to {words.share(accuracy)}: the model may be gaming the reward.",
            f"Read some rollouts with high reward, mend the reward, and go back to {_kept(best)}.",
        )

    def _overfitted(self, step: int, loss: float | None) -> Said | None:
        if loss is None:
            return None
        best = self._best_loss
        if best is None or loss <= best.value:
            self._best_loss = Milestone(step, loss, None)
            return None
        if loss < _RISE_OF_LOSS * best.value:
            return None
        return Said(
            f"The held-out loss has risen from {best.value:.3g} (step {best.step}) to {loss:.3g}: the model is learning its "
            "examples by heart.",
            f"Stop, and use {_kept(best)}; next time use fewer steps, dropout or more data.",
        )

    def _neither(self, metrics: Metrics) -> Said | None:
        """The margin of held-out pairs has grown since the first look at them, but no answer has become likelier."""
        if not self._first_pairs:
            self._first_pairs = {name: metrics[name] for name in _LIKELIHOODS if name in metrics}
        change = PairChange.between(self._first_pairs, metrics)
        if change is None:
            return None
        before = self._first_pairs["eval/logps/chosen"] or 0.0
        return less_likely(change, before, told="held_out_answers_less_likely" in self._told)

    def state(self) -> State:
        """What a resume needs, as JSON."""
        return {
            "history": self._history.state(),
            "told": sorted(self._told),
            "best_accuracy": _saved(self._best_accuracy),
            "best_loss": _saved(self._best_loss),
            "first_pairs": dict(self._first_pairs),
        }

    def restore(self, state: State) -> None:
        """Takes back what `state` gave, so that a resumed run says nothing twice."""
        self._history.restore(state["history"])
        self._told = set(state["told"])
        self._best_accuracy = _loaded(state["best_accuracy"])
        self._best_loss = _loaded(state["best_loss"])
        self._first_pairs = dict(state.get("first_pairs", {}))  # runs of older versions have none


def _weak_teacher(metrics: Metrics) -> Said | None:
    """The teacher answers the held-out rows no better than the student does before training."""
    student, teacher = metrics.get("eval/accuracy"), metrics.get("eval/teacher_accuracy")
    if student is None or teacher is None or teacher > student:
        return None
    return Said(
        f"The teacher answers {words.share(teacher)} of the held-out rows rightly, the student {words.share(student)}: there is "
        "little to learn from it.",
        "Show the teacher more (a worked solution in `context_field`, clearer words in `teacher_template`), take a larger "
        "model, or use GRPO.",
    )


def _kept(best: Milestone) -> str:
    """What there is of that step: its checkpoint stays on disk (train/loop.py)."""
    return (
        f"the checkpoint of step {best.step:,}, which is kept as the best"
        if best.step
        else "the model before training"
    )


def _saved(milestone: Milestone | None) -> list[Any] | None:
    return None if milestone is None else [milestone.step, milestone.value, milestone.reward]


def _loaded(saved: list[Any] | None) -> Milestone | None:
    return None if saved is None else Milestone(*saved)
