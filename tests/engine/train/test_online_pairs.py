"""Online DPO, XPO and Nash-MD in the one loop."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from droid_tune.control import Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.rewards.judges.pair_judge import PairJudge
from droid_tune.train.assembly import learner_for, reference_for
from droid_tune.train.exploring.experience import SliceCursor
from droid_tune.train.learners.learner import Gathered
from droid_tune.train.learners.online_pairs_learner import OnlinePairs, _Pairs, between
from droid_tune.train.learners.teaching.lessons import Lessons
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.updating.accumulator import Accumulator
from tests.engine.train.conftest import digest, resume, tiny, train
from tests.engine.train.learning import assert_exact, assert_same, flat, session_of, stirred
from tests.engine.train.stopping import stopped_after
from tests.engine.train.test_preference_learner import quantised


def paired(
    folder: Path, training: dict[str, Any] | None = None, **method: Any
) -> tuple[OnlinePairs, Lessons]:
    session = session_of(folder, method={"group_size": 2, **method}, training=training or {})
    reference_for(session)
    learner = learner_for(session)
    assert isinstance(learner, OnlinePairs)
    return learner, learner.explore(0, Stopwatch())[0]


def learnt(learner: OnlinePairs, lessons: Lessons) -> tuple[float, Any]:
    found = Accumulator()
    learner.learn(0, 0, lessons, np.arange(len(lessons)), found)
    return found.loss, found.gradients


@pytest.mark.parametrize(
    "name", ["online_dpo", *(pytest.param(one, marks=pytest.mark.slow) for one in ("xpo", "nash_md"))]
)
def test_a_small_step_lowers_the_loss_as_its_gradient_says(tmp_path: Path, name: str) -> None:
    learner, lessons = paired(tmp_path, type=name, **({} if name == "nash_md" else {"skip_ties": False}))
    value, gradients = learnt(learner, lessons)
    policy = learner.session.policy
    from mlx.utils import tree_flatten, tree_unflatten

    slopes = dict(tree_flatten(gradients))
    size = sum(float((one**2).sum().item()) for one in slopes.values())
    rate = 1e-3 / max(size, 1e-9) * max(abs(value), 1e-2)
    if name == "nash_md":  # its value is no function whose slope is followed: a score function's
        assert size > 0
        return
    moved = [(key, one - rate * slopes[key]) for key, one in policy.trainable().items()]
    policy.model.update(tree_unflatten(moved))
    assert value - learnt(learner, lessons)[0] == pytest.approx(rate * size, rel=0.05)


def plain_gradient(learner: OnlinePairs, lessons: Lessons) -> Any:
    """Of the loss of all rows' log-probabilities, each by a pass of its own, in whatever width the weights have."""
    policy, pairs = learner.session.policy, _Pairs.of(lessons)
    own = policy.trainable()
    loss = learner._loss(pairs)

    def total(parameters: dict[str, mx.array]) -> mx.array:
        policy.model.update(tree_unflatten(list(parameters.items())))
        return loss(mx.stack([plain_row(policy.model, lessons, row) for row in range(len(lessons))]))[0]

    gradients = mx.grad(total)(own)
    policy.model.update(tree_unflatten(list(own.items())))
    mx.eval(gradients)
    return tree_unflatten(list(gradients.items()))


def plain_row(model: Any, lessons: Lessons, row: int) -> mx.array:
    length = int(lessons.student.completion_mask[row].sum())
    prompt = lessons.student.prompts[int(lessons.student.prompt_index[row])]
    tokens = lessons.student.tokens[row, :length].tolist()
    logits = model(mx.array([[*prompt, *tokens]]))[0, len(prompt) - 1 : -1]
    scores = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    chosen = mx.take_along_axis(scores, mx.array(tokens)[:, None], axis=-1)[:, 0]
    return mx.concatenate([chosen, mx.zeros(lessons.student.length - length, chosen.dtype)])


@pytest.mark.parametrize("name", ["online_dpo", "xpo", "nash_md"])
def test_the_gradient_is_that_of_a_plain_pass(tmp_path: Path, name: str) -> None:
    learner, lessons = paired(tmp_path, type=name, **({} if name == "nash_md" else {"skip_ties": False}))
    for layer_wise in (False, True):
        learner.session.plan = replace(learner.session.plan, layer_wise=layer_wise)
        _, gradients = learnt(learner, lessons)
        assert_exact(gradients, lambda: plain_gradient(learner, lessons), learner.session.policy)


def test_a_quantised_model_has_the_gradient_of_a_plain_pass(tmp_path: Path) -> None:
    session = session_of(tmp_path, method={"group_size": 2, "type": "online_dpo", "skip_ties": False})
    session.policy = quantised()
    stirred(session.policy)
    learner = learner_for(session)
    assert isinstance(learner, OnlinePairs)
    lessons = learner.explore(0, Stopwatch())[0]
    assert_same(learnt(learner, lessons)[1], plain_gradient(learner, lessons), tolerance=1e-5)


def test_the_size_of_micro_batches_changes_no_number(tmp_path: Path) -> None:
    learner, lessons = paired(tmp_path, type="online_dpo", skip_ties=False)
    value, gradients = learnt(learner, lessons)
    learner.session.plan = replace(learner.session.plan, train_rows=1, head_tokens=3)
    again, found = learnt(learner, lessons)
    assert again == pytest.approx(value, abs=1e-6)
    assert_same(found, gradients, tolerance=2e-5)  # two roundings


def test_an_update_is_one_mean_over_all_of_its_pairs(tmp_path: Path) -> None:
    """Of four pairs one is a tie: a slice of one pair and a slice of two are no means of the same weight."""
    found: list[Gathered] = []
    for slices in (1, 2):
        learner, lessons = paired(
            tmp_path / str(slices),
            {"batch_size": 4, "gradient_accumulation_steps": slices},
            type="online_dpo",
            steps_per_generation=slices,
        )
        preference = np.repeat([0.5, 1.0, 0.0, 1.0], 2).astype(np.float32)
        taught = lessons.mask * (preference != 0.5)[:, None]
        experience = replace(lessons, taught=taught.astype(np.float32), advantages=preference)
        learner.experience, learner.cursor = experience, SliceCursor(8, slices, 1)
        found.append(learner.gather(0))
    without_the_tie = experience.take(np.arange(2, 8))
    learner.experience, learner.cursor = without_the_tie, SliceCursor(6, 1, 1)
    learner.session.config = learner.session.config.model_copy(
        update={
            "training": learner.session.config.training.model_copy(update={"gradient_accumulation_steps": 1})
        }
    )
    found.append(learner.gather(0))
    for other in found[1:]:
        assert other.loss == pytest.approx(found[0].loss, rel=1e-5)
        assert_same(other.gradients, flat(found[0].gradients), tolerance=1e-5)


def test_ties_teach_nothing_unless_asked(tmp_path: Path) -> None:
    flat = [{"type": "format", "pattern": "never like this"}]
    session = session_of(tmp_path, method={"type": "online_dpo", "group_size": 2}, rewards=flat)
    learner = learner_for(session)
    assert isinstance(learner, OnlinePairs)
    assert not learner.has_signal(learner.explore(0, Stopwatch())[0])
    learner.method = learner.method.model_copy(update={"skip_ties": False})
    assert learner.has_signal(learner.explore(0, Stopwatch())[0])


def test_a_mixture_is_a_weaker_adapter(tmp_path: Path) -> None:
    learner, _ = paired(tmp_path, type="nash_md")
    policy = learner.session.policy
    name = next(name for name in policy.trainable() if name.endswith("lora_b"))
    whole = policy.trainable()[name]
    with between(policy, 0.25):
        half = policy.trainable()[name]
        np.testing.assert_allclose(half, whole * 0.75, atol=1e-7)
    assert mx.array_equal(policy.trainable()[name], whole)


class Answering:
    """An endpoint that says what it is told to, in turn."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)

    def reply(self, question: str) -> str:
        return self.replies.pop(0)

    def awake_again(self) -> None:
        raise AssertionError("the machine did not sleep")


class Hanging(Answering):
    """An endpoint that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.leave = threading.Event(), threading.Event()

    def reply(self, question: str) -> str:
        self.asked.set()
        self.leave.wait(30)
        return "A"


def test_a_stop_does_not_wait_for_a_judge_of_pairs_that_hangs() -> None:
    endpoint = Hanging()
    judge = PairJudge(endpoint, Watch(should_stop=endpoint.asked.is_set))  # pyright: ignore[reportArgumentType]
    with pytest.raises(Stopped):
        judge.prefers_first("Why?", "one", "two")
    endpoint.leave.set()


def test_a_judge_of_pairs_is_given_no_key_that_is_not_known(tmp_path: Path) -> None:
    """A run that came from elsewhere; what a person sets here is allowed with it."""
    method = {"type": "online_dpo", "judge_url": "http://127.0.0.1:9/v1", "judge_key_variable": "SOME_SECRET"}
    with pytest.raises(UserError, match=r"No judge's key is known to stand in .* `SOME_SECRET`"):
        paired(tmp_path, **method)


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        (("A", "B"), 1.0),
        (("B", "A"), 0.0),
        (("A", "A"), 0.5),
        (("B.", "I say B"), 0.5),
        (("neither", "B"), 0.75),
        (("答案是A。", "Ｂ"), 1.0),
        (("a", "`b`"), 1.0),
        (("A is better than B", "B is better than A"), 0.5),
        (("<think>B? No.</think>\nShorter and right.\n**A**", "A is wordy.\nB"), 1.0),
    ],
)
def test_a_judge_is_asked_in_both_orders(replies: tuple[str, str], said: float) -> None:
    judge = PairJudge(Answering(*replies))  # pyright: ignore[reportArgumentType]
    assert judge.prefers_first("Why?", "one", "two") == said


@pytest.mark.slow
def test_stopping_and_going_on_gives_the_same_bytes(tmp_path: Path) -> None:
    changes = {"method": {"type": "xpo", "group_size": 2, "skip_ties": False}}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    end, _ = train(tiny(**changes), whole)
    assert end.outcome == "completed", end.why
    stopped_after(parts, 1, **changes)
    assert resume(parts)[0].outcome == "completed"
    assert digest(parts) == digest(whole)
