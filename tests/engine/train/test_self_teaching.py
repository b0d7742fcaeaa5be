"""Self-distillation in the one loop: its gradient is the plain one, its teacher is who it says, a resume is exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from droid_tune.errors import Stopped, UserError
from droid_tune.model.reference import as_reference
from droid_tune.train.assembly import learner_for, reference_for
from droid_tune.train.diagnosis.diagnose import Diagnosis
from droid_tune.train.learners.learner import Gathered
from droid_tune.train.learners.teaching.lessons import Lessons
from droid_tune.train.learners.teaching.self_teaching import SelfTeaching
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.updating.accumulator import Accumulator
from tests.engine.train.conftest import digest, resume, tiny, train
from tests.engine.train.learning import assert_exact, assert_same, flat, session_of, stirred
from tests.engine.train.stopping import stopped_after
from tests.engine.train.test_preference_learner import quantised

#: between the kinds and modes everything that is computed otherwise
KINDS: dict[str, dict[str, Any]] = {
    "full": {"type": "self_distillation"},
    "forward": {"type": "self_distillation", "distillation_alpha": 0.0},
    "topk": {"type": "sdft", "distillation_topk": 5, "teacher": "live"},
    "tail": {"type": "sdft", "distillation_topk": 5, "distillation_add_tail": True, "teacher": "initial"},
    "sampled": {"type": "sdpo", "teacher": "initial", "success_reward_threshold": 0.1},
    "mixed": {"type": "sdpo", "teacher": "initial", "distillation_weight": 0.5, "loss_type": "grpo"},
}


def taught(folder: Path, method: dict[str, Any], **changes: Any) -> tuple[SelfTeaching, Lessons]:
    session = session_of(folder, method={"group_size": 2, **method}, **changes)
    reference_for(session)
    learner = learner_for(session)
    assert isinstance(learner, SelfTeaching)
    return learner, learner.explore(0, Stopwatch())[0]


def learnt(learner: SelfTeaching, lessons: Lessons) -> tuple[float, Any]:
    found = Accumulator()
    learner.learn(0, 0, lessons, np.arange(len(lessons)), found)
    return found.loss, found.gradients


def log_probabilities(model: Any, prompt: Any, completion: list[int]) -> mx.array:
    """(n, V) of each token of a completion, by one pass, as wide as the model's weights."""
    logits = model(mx.array([[*prompt, *completion]]))[0, len(prompt) - 1 : -1]
    return logits - mx.logsumexp(logits, axis=-1, keepdims=True)


def the_rest(logprobs: mx.array) -> mx.array:
    """log(1 - their sum), which is a little above log 0 at the least."""
    mass = mx.logsumexp(logprobs, axis=-1, keepdims=True)
    return mx.log(-mx.expm1(mx.minimum(mass, -1e-7)))


def divergence(student: mx.array, teacher: mx.array, ids: mx.array, method: Any) -> mx.array:
    """Per token (n,), by the book: MLX differentiates it."""
    if method.distillation_mode == "sampled_token":
        own, other = (mx.take_along_axis(one, ids[:, None], axis=-1)[:, 0] for one in (student, teacher))
        return mx.stop_gradient(own - other) * own
    if method.distillation_mode == "topk_logits":
        best = mx.argsort(-mx.stop_gradient(student), axis=-1)[:, : method.distillation_topk]
        student, teacher = (mx.take_along_axis(one, best, axis=-1) for one in (student, teacher))
        if method.distillation_add_tail:
            student, teacher = (mx.concatenate([one, the_rest(one)], axis=-1) for one in (student, teacher))
        else:
            student, teacher = (one - mx.logsumexp(one, axis=-1, keepdims=True) for one in (student, teacher))
    alpha = method.distillation_alpha
    if alpha == 0:
        return (mx.exp(teacher) * (teacher - student)).sum(axis=-1)
    if alpha == 1:
        return (mx.exp(student) * (student - teacher)).sum(axis=-1)
    mixed = mx.log(alpha * mx.exp(teacher) + (1 - alpha) * mx.exp(student))
    forward = (mx.exp(teacher) * (teacher - mixed)).sum(axis=-1)
    return alpha * forward + (1 - alpha) * (mx.exp(student) * (student - mixed)).sum(axis=-1)


def by_hand(learner: SelfTeaching, lessons: Lessons) -> tuple[float, Any]:
    """The same loss and gradient, row by row over the whole vocabulary."""
    policy, method = learner.session.policy, learner.method
    weight = learner._weight  # pyright: ignore[reportPrivateUsage]
    own, teachers = policy.trainable(), []
    for row in range(len(lessons)):
        tokens = lessons.student.tokens[row, : int(lessons.student.completion_mask[row].sum())].tolist()
        prompt = lessons.teacher.prompts[int(lessons.teacher.prompt_index[row])]
        if method.teacher == "live":
            teachers.append(log_probabilities(policy.model, prompt, tokens))
            continue
        with as_reference(policy):
            teachers.append(log_probabilities(policy.model, prompt, tokens))
            mx.eval(teachers[-1])

    def total(parameters: dict[str, mx.array]) -> mx.array:
        policy.model.update(tree_unflatten(list(parameters.items())))
        found = mx.array(0.0)
        for row in range(len(lessons)):
            length = int(lessons.student.completion_mask[row].sum())
            tokens = lessons.student.tokens[row, :length].tolist()
            prompt = lessons.student.prompts[int(lessons.student.prompt_index[row])]
            student = log_probabilities(policy.model, prompt, tokens)
            mask = mx.array(lessons.taught[row, :length])
            each = divergence(student, teachers[row], mx.array(tokens), method)
            found = found + weight * (each * mask).sum() / max(float(mask.sum().item()), 1.0)
            chosen = mx.take_along_axis(student, mx.array(tokens)[:, None], axis=-1)[:, 0]
            ratio = mx.exp(chosen - mx.stop_gradient(chosen))
            found = found - (1 - weight) * float(lessons.advantages[row]) * ratio.mean()
        return found / len(lessons)

    value, gradients = mx.value_and_grad(total)(own)
    policy.model.update(tree_unflatten(list(own.items())))
    mx.eval(value, gradients)
    return float(value.item()), gradients


@pytest.mark.parametrize(
    "kind",
    [
        "full",
        "tail",
        "mixed",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("forward", "topk", "sampled")),
    ],
)
def test_the_gradient_is_that_of_a_plain_pass(tmp_path: Path, kind: str) -> None:
    learner, lessons = taught(tmp_path, KINDS[kind])
    assert lessons.taught.any()
    value, gradients = learnt(learner, lessons)
    assert value == pytest.approx(by_hand(learner, lessons)[0], abs=1e-5)
    assert_exact(gradients, lambda: plain_tree(learner, lessons), learner.session.policy)


def plain_tree(learner: SelfTeaching, lessons: Lessons) -> Any:
    return tree_unflatten(list(by_hand(learner, lessons)[1].items()))


def test_a_quantised_model_has_the_gradient_of_a_plain_pass(tmp_path: Path) -> None:
    """In float32, which is as wide as four bits are unpacked; layer by layer too."""
    session = session_of(tmp_path, method={"group_size": 2, **KINDS["topk"]})
    session.policy = quantised()
    stirred(session.policy)
    learner = learner_for(session)
    assert isinstance(learner, SelfTeaching)
    lessons = learner.explore(0, Stopwatch())[0]
    expected = plain_tree(learner, lessons)
    for changes in ({"train_rows": 2}, {"layer_wise": True}):
        session.plan = replace(session.plan, **changes)
        assert_same(learnt(learner, lessons)[1], expected, tolerance=1e-5)


@pytest.mark.parametrize(
    "adapter", [{"type": "full"}, pytest.param({"type": "dora", "rank": 2}, marks=pytest.mark.slow)]
)
def test_whatever_is_trained_the_gradient_is_the_plain_one(tmp_path: Path, adapter: dict[str, Any]) -> None:
    learner, lessons = taught(tmp_path, KINDS["full"], adapter=adapter)
    _, gradients = learnt(learner, lessons)
    assert_exact(gradients, lambda: plain_tree(learner, lessons), learner.session.policy)


def test_the_size_of_micro_batches_and_the_backward_pass_change_no_number(tmp_path: Path) -> None:
    learner, lessons = taught(tmp_path, KINDS["full"])
    value, gradients = learnt(learner, lessons)
    plan = learner.session.plan
    for other in (replace(plan, train_rows=1, head_tokens=3), replace(plan, layer_wise=True)):
        learner.session.plan = other
        again, found = learnt(learner, lessons)
        assert again == pytest.approx(value, abs=1e-6)
        assert_same(found, gradients, tolerance=2e-5)  # two roundings


def test_the_slices_of_an_update_add_up(tmp_path: Path) -> None:
    """Both terms of SDPO: of two slices each is half of the mean over all rows."""
    found: list[Gathered] = []
    for slices in (1, 2):
        learner, _ = taught(
            tmp_path / str(slices),
            KINDS["mixed"]
            | {"group_size": 4, "steps_per_generation": slices, "success_reward_threshold": 0.1},
            training={"gradient_accumulation_steps": slices},
        )
        learner.rollouts = 0  # the same rollout again
        learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
        found.append(learner.gather(0))
    whole, cut = found
    assert whole.loss == pytest.approx(cut.loss, rel=1e-4)
    assert_same(cut.gradients, flat(whole.gradients), tolerance=1e-4)


def test_a_group_whose_rewards_are_equal_still_teaches(tmp_path: Path) -> None:
    learner, lessons = taught(
        tmp_path, KINDS["full"], rewards=[{"type": "format", "pattern": "never like this"}]
    )
    assert not lessons.advantages.any()
    assert learner.has_signal(lessons)


def test_the_teacher_reads_the_solution_and_the_student_does_not(tmp_path: Path) -> None:
    learner, lessons = taught(tmp_path, KINDS["full"])
    tokenizer = learner.session.policy.tokenizer
    student, teacher = (
        tokenizer.decode(list(rows.prompts[0])) for rows in (lessons.student, lessons.teacher)
    )
    assert "only you can see" in teacher
    assert "only you can see" not in student


def test_first_tokens_are_left_out_where_asked(tmp_path: Path) -> None:
    _, lessons = taught(tmp_path, {"type": "self_distillation", "num_loss_tokens_to_skip": 2})
    assert not lessons.taught[:, :2].any()
    assert lessons.mask[:, :2].all()


def test_a_lesson_survives_a_checkpoint(tmp_path: Path) -> None:
    _, lessons = taught(tmp_path, KINDS["sampled"])
    back = Lessons.from_tensors(lessons.to_tensors())
    assert [list(one) for one in back.teacher.prompts] == [list(one) for one in lessons.teacher.prompts]
    for name in ("taught", "mask", "advantages"):
        np.testing.assert_array_equal(getattr(back, name), getattr(lessons, name))


@pytest.mark.parametrize(
    "method",
    [
        pytest.param({"type": "sdft"}, marks=pytest.mark.slow),
        {"type": "sdpo", "num_iterations": 2, "success_reward_threshold": 0.1},
    ],
)
def test_stopping_and_going_on_gives_the_same_bytes(tmp_path: Path, method: dict[str, Any]) -> None:
    """A moving teacher, and a rollout that outlives an update."""
    changes = {"method": {"group_size": 2, **method}}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    end, _ = train(tiny(**changes), whole)
    assert end.outcome == "completed", end.why
    stopped_after(parts, 1, **changes)
    assert resume(parts)[0].outcome == "completed"
    assert digest(parts) == digest(whole)


def test_rows_without_solutions_are_refused_in_a_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.jsonl").write_text('{"prompt": "What is two plus two?"}\n' * 2)
    changes = {"method": {"type": "sdft", "group_size": 1}, "data": {"path": str(data)}}
    end, _ = train(tiny(**changes), tmp_path / "run")
    assert end.outcome == "failed"
    assert "the teacher would know no more" in end.why


def test_a_teacher_that_knows_less_is_told() -> None:
    diagnosis = Diagnosis.of(tiny(method={"type": "sdft", "group_size": 1}))
    weak = diagnosis.observe_evaluation(0, {"eval/accuracy": 0.5, "eval/teacher_accuracy": 0.3}, 100)
    assert [notice.code for notice in weak] == ["weak_teacher"]
    strong = Diagnosis.of(tiny(method={"type": "sdft", "group_size": 1}))
    assert strong.observe_evaluation(0, {"eval/accuracy": 0.5, "eval/teacher_accuracy": 0.9}, 100) == []


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"type": "self_distillation", "teacher_template": "{prompt}"}, "context"),
        ({"type": "sdft", "distillation_mode": "sampled_token"}, "distillation_alpha"),
        ({"type": "sdpo", "teacher_template": "{prompt}{demonstration}"}, "feedback"),
    ],
)
def test_settings_that_cannot_act_are_refused(method: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        tiny(method={"group_size": 2, **method})


def test_a_stop_ends_the_teachers_pass(tmp_path: Path) -> None:
    learner, lessons = taught(tmp_path, KINDS["full"])
    learner.session.control.request_stop()
    with pytest.raises(Stopped):
        learner._teacher(lessons)  # pyright: ignore[reportPrivateUsage]
