"""On-policy distillation in the one loop: plain gradients, teachers of every kind, exact resume."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from droid_tune.errors import UserError
from droid_tune.methods.distillation.reward_to_go import reward_to_go
from droid_tune.model.loading import load_policy
from droid_tune.model.policy import Policy
from droid_tune.rewards.judges.endpoint import EndpointError
from droid_tune.train.assembly import learner_for
from droid_tune.train.learners.teaching import teachers as teachers_module
from droid_tune.train.learners.teaching.distilling import Distilling
from droid_tune.train.learners.teaching.lessons import Lessons
from droid_tune.train.learners.teaching.other_tokenizer import OtherTokenizer, byte_ends
from droid_tune.train.learners.teaching.reporting_teacher import reported
from droid_tune.train.stopwatch import Stopwatch
from droid_tune.train.updating.accumulator import Accumulator
from tests.engine.train.conftest import digest, resume, tiny, train
from tests.engine.train.learning import assert_exact, assert_same, in_double_precision, session_of
from tests.engine.train.stopping import stopped_after
from tests.engine.train.test_self_teaching import divergence, log_probabilities

STARTER = load_policy("starter")


def distilling(folder: Path, **method: Any) -> tuple[Distilling, Lessons]:
    learner = learner_for(session_of(folder, method={"type": "distillation", "group_size": 2, **method}))
    assert isinstance(learner, Distilling)
    return learner, learner.explore(0, Stopwatch())[0]


def learnt(learner: Distilling, lessons: Lessons) -> tuple[float, Any]:
    """The sum over tokens, before the update divides it."""
    found = Accumulator()
    learner.learn(0, 0, lessons, np.arange(len(lessons)), found)
    return found.loss, found.gradients


@contextmanager
def as_wide_as(policy: Policy) -> Generator[None]:
    """The teacher computes in the student's width."""
    wide = any(array.dtype == mx.float64 for array in policy.trainable().values())
    with in_double_precision(STARTER) if wide else nullcontext():
        yield


def by_hand(learner: Distilling, lessons: Lessons, token_loss: Any) -> tuple[float, Any]:
    """The sum of `token_loss(row, student, teacher, ids)` over rows, by MLX alone."""
    policy = learner.session.policy
    own = policy.trainable()

    def total(parameters: dict[str, mx.array]) -> mx.array:
        policy.model.update(tree_unflatten(list(parameters.items())))
        found = mx.array(0.0)
        for row in range(len(lessons)):
            tokens = lessons.student.tokens[row, : int(lessons.mask[row].sum())].tolist()
            prompt = lessons.student.prompts[int(lessons.student.prompt_index[row])]
            student = log_probabilities(policy.model, prompt, tokens)
            teacher = mx.stop_gradient(log_probabilities(STARTER.model, prompt, tokens))
            found = found + token_loss(row, student, teacher, mx.array(tokens))
        return found

    with as_wide_as(policy):
        value, gradients = mx.value_and_grad(total)(own)
        mx.eval(value, gradients)
    policy.model.update(tree_unflatten(list(own.items())))
    return float(value.item()), tree_unflatten(list(gradients.items()))


def chosen(logprobs: mx.array, ids: mx.array) -> mx.array:
    return mx.take_along_axis(logprobs, ids[:, None], axis=-1)[:, 0]


@pytest.mark.parametrize("alpha", [pytest.param(0.0, marks=pytest.mark.slow), 0.3])
def test_the_gradient_is_that_of_a_plain_pass(tmp_path: Path, alpha: float) -> None:
    learner, lessons = distilling(tmp_path, distillation_alpha=alpha)
    value, gradients = learnt(learner, lessons)

    def loss(_: int, student: mx.array, teacher: mx.array, ids: mx.array) -> mx.array:
        return divergence(student, teacher, ids, learner.method).sum()

    assert value == pytest.approx(by_hand(learner, lessons, loss)[0], abs=1e-4)
    assert_exact(gradients, lambda: by_hand(learner, lessons, loss)[1], learner.session.policy)


def test_early_tokens_weigh_more(tmp_path: Path) -> None:
    learner, lessons = distilling(tmp_path, objective="importance_weighted", iw_opd_gamma=1.0)

    def loss(_: int, student: mx.array, teacher: mx.array, ids: mx.array) -> mx.array:
        gap = mx.stop_gradient(chosen(teacher, ids) - chosen(student, ids))
        size = mx.abs(gap)
        weights = 2.0 - (mx.cumsum(size) - size) / size.sum()
        return -(weights * gap * chosen(student, ids)).sum()

    _, gradients = learnt(learner, lessons)
    assert_exact(gradients, lambda: by_hand(learner, lessons, loss)[1], learner.session.policy)


def test_minillm_follows_what_lies_ahead(tmp_path: Path) -> None:
    learner, lessons = distilling(
        tmp_path, objective="reward_to_go", gamma=0.9, length_normalization=False, distillation_alpha=1.0
    )
    teacher = learner.teachers.at(0).logprobs(lessons.heard)
    ahead = reward_to_go(teacher, lessons.sampled_logprobs, lessons.mask, 0.9, by_length=False)

    def loss(row: int, student: mx.array, teacher: mx.array, ids: mx.array) -> mx.array:
        own, advantages = chosen(student, ids), mx.array(ahead[row, : len(ids)].astype(np.float32))
        policy = -(mx.exp(own - mx.stop_gradient(own)) * advantages).sum()
        return policy + divergence(student, teacher, ids, learner.method).sum()

    _, gradients = learnt(learner, lessons)
    assert_exact(gradients, lambda: by_hand(learner, lessons, loss)[1], learner.session.policy)


@pytest.mark.slow
def test_an_update_is_one_mean_over_all_of_its_tokens(tmp_path: Path) -> None:
    whole = learner_for(session_of(tmp_path / "a", method={"type": "distillation", "group_size": 2}))
    cut = learner_for(
        session_of(
            tmp_path / "b",
            method={"type": "distillation", "group_size": 2, "steps_per_generation": 2},
            training={"gradient_accumulation_steps": 2, "batch_size": 2, "max_grad_norm": 0},
        )
    )
    one, two = whole.gather(0), cut.gather(0)
    assert one.loss == pytest.approx(two.loss, abs=1e-6)
    assert_same(two.gradients, one.gradients, tolerance=1e-4)


def test_several_teachers_take_turns_and_one_is_in_memory(tmp_path: Path, monkeypatch: Any) -> None:
    opened: list[str] = []

    def load(name: str) -> Any:
        opened.append(name)
        return STARTER

    monkeypatch.setattr(teachers_module, "loaded_teacher", load)
    learner, _ = distilling(tmp_path, teachers=["one", "two"])
    for step in (0, 1, 2, 2):
        learner.teachers.at(step)
    assert opened == ["one", "two", "one"]


def test_gkd_learns_from_the_data_as_well(tmp_path: Path) -> None:
    learner = learner_for(session_of(tmp_path, method={"type": "gkd", "group_size": 1, "lmbda": 0.0}))
    assert isinstance(learner, Distilling)
    lessons, metrics = learner.explore(0, Stopwatch())
    answers = [
        learner.session.policy.tokenizer.decode(row[mask > 0].tolist())
        for row, mask in zip(lessons.student.tokens, lessons.mask, strict=True)
    ]
    assert metrics == {"distillation/on_policy": 0.0}
    assert all(any(letter.isdigit() for letter in answer) for answer in answers)


@pytest.mark.slow
def test_an_earlier_run_teaches_and_a_resume_is_exact(tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    train(tiny(method={"type": "sft"}, training={"iterations": 1}), teacher)
    changes = {"method": {"type": "distillation", "group_size": 1, "teachers": [str(teacher)]}}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    end, record = train(tiny(**changes), whole)
    assert end.outcome == "completed", end.why
    assert any(event.type == "step" and (event.metrics["grad_norm"] or 0) > 0 for event in record)
    stopped_after(parts, 1, **changes)
    assert resume(parts)[0].outcome == "completed"
    assert digest(parts) == digest(whole)


# --- a teacher on a server --------------------------------------------------------------------------------------------


class Reporting(BaseHTTPRequestHandler):
    """Answers as vLLM does, by the starter."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tokens, count = asked["prompt"], asked["prompt_logprobs"]
        table = np.array(log_probabilities(STARTER.model, tokens[:1], tokens[1:]))
        said: list[Any] = [None]
        for token, row in zip(tokens[1:], table, strict=True):
            best = {*np.argsort(-row)[:count].tolist(), token}
            said.append({str(one): {"logprob": float(row[one]), "rank": 1} for one in best})
        body = json.dumps({"choices": [{"text": "", "prompt_logprobs": said}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    one = ThreadingHTTPServer(("127.0.0.1", 0), Reporting)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{one.server_port}/v1"
    one.shutdown()
    one.server_close()


def test_a_server_says_what_a_model_in_memory_says(tmp_path: Path, server: str) -> None:
    settings = {"distillation_alpha": 0.0, "distillation_mode": "topk_logits", "distillation_topk": 4}
    near, lessons = distilling(tmp_path / "near", **settings, distillation_add_tail=True)
    far, _ = distilling(tmp_path / "far", **settings, distillation_add_tail=True, teachers=[server])
    np.testing.assert_allclose(
        far.teachers.at(0).logprobs(lessons.heard), near.teachers.at(0).logprobs(lessons.heard), atol=1e-4
    )
    one, two = learnt(near, lessons), learnt(far, lessons)
    assert two[0] == pytest.approx(one[0], rel=1e-4)
    assert_same(two[1], one[1], tolerance=1e-3)


def test_a_server_with_other_tokens_is_told() -> None:
    body = json.dumps({"choices": [{"prompt_logprobs": [None, {"7": {"logprob": -1.0}}]}]}).encode()
    assert reported(body, [3, 7]) == [{}, {7: -1.0}]
    with pytest.raises(EndpointError, match="other tokens"):
        reported(body, [3, 8])
    with pytest.raises(EndpointError, match="without log-probabilities"):
        reported(b'{"choices": [{"text": "hello"}]}', [3, 7])


def test_a_server_is_asked_at_temperature_one_alone(tmp_path: Path) -> None:
    session = session_of(
        tmp_path,
        method={"type": "distillation", "teachers": ["http://127.0.0.1:9/v1"]},
        sampling={"temperature": 0.7, "max_completion_length": 10},
    )
    learner = learner_for(session)
    assert isinstance(learner, Distilling)
    with pytest.raises(UserError, match="temperature 1"):
        learner.teachers.at(0)


# --- a teacher with another tokenizer ---------------------------------------------------------------------------------


class Letters:
    """A tokenizer of single characters."""

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [ord(letter) % 500 for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(one) for one in ids)

    def get_vocab(self) -> dict[str, int]:
        return {chr(one): one for one in range(500)}


def test_a_teacher_with_another_tokenizer_teaches_all_the_same(tmp_path: Path) -> None:
    learner, lessons = distilling(tmp_path)
    other = replace(STARTER, tokenizer=Letters())
    teacher = OtherTokenizer(learner.session, learner.method, other)
    measure: Any = teacher.measure(lessons.heard)
    found = [row for row in measure.rows if row is not None]
    assert found
    assert all(len(theirs) >= len(own) for row in found for own, theirs in row.groups)
    learner.teachers.at = lambda step: teacher  # pyright: ignore[reportAttributeAccessIssue]
    value, gradients = learnt(learner, lessons)
    assert value > 0
    rate = 1e-4
    policy = learner.session.policy
    steps = dict(flat_of(gradients))
    policy.model.update(
        tree_unflatten([(name, array - rate * steps[name]) for name, array in policy.trainable().items()])
    )
    slope = sum(float((array**2).sum().item()) for array in steps.values())
    assert learnt(learner, lessons)[0] == pytest.approx(value - rate * slope, rel=1e-2)


def flat_of(tree: Any) -> dict[str, mx.array]:
    from mlx.utils import tree_flatten

    return dict(tree_flatten(tree))


def test_each_token_ends_at_its_byte() -> None:
    spans, text = byte_ends(Letters(), [ord("a"), ord("ü"), ord("b")])
    assert text == "aüb"
    assert spans == [(0, 1), (1, 3), (3, 4)]


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"type": "distillation", "lmbda": 0.5, "objective": "reward_to_go", "group_size": 1}, "lmbda"),
        ({"type": "distillation", "teachers": []}, "teachers"),
    ],
)
def test_settings_that_cannot_act_are_refused(method: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        tiny(method=method)
