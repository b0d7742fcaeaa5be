"""Preference learning in the loop: its gradient is that of the plain computation, whatever the portions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.errors import UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.methods.losses.pairs.pair_batch import PairBatch
from droid_tune.model.fusing import fuse_adapter
from droid_tune.model.loading import load_policy, make_policy
from droid_tune.model.policy import Policy
from droid_tune.model.reference import as_reference
from droid_tune.train.assembly import learner_for
from droid_tune.train.learners.pairs.beforehand import crossed_over
from droid_tune.train.learners.pairs.judged_rows import JudgedRows, JudgedUnit, judged_rows_of
from droid_tune.train.learners.pairs.preference_learner import PreferenceLearner
from droid_tune.train.learners.pairs.unit_loss import unit_loss
from droid_tune.train.rows.examples import TrainingExample
from tests.engine.train.learning import assert_same, flat, session_of, stirred

PAIRS: list[dict[str, Any]] = [
    {
        "prompt": "Two plus two?",
        "chosen": "The answer is 4.",
        "rejected": "I guess 5.",
        "reference": "It is 4.",
    },
    {
        "prompt": "What is three less one?",
        "chosen": "Two.",
        "rejected": "No idea at all, sorry.",
        "reference": "2.",
    },
    {"prompt": "Say ten.", "chosen": "Ten it is, surely.", "rejected": "The answer.", "reference": "Ten."},
]
VERDICTS = [
    {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
    for row, side in zip(PAIRS, ("chosen", "rejected", "chosen"), strict=True)
]
METHODS: dict[str, dict[str, Any]] = {
    "dpo": {"type": "dpo"},
    "ld-dpo by token with sft": {"type": "dpo", "loss_type": ["sigmoid_norm", "sft"], "ld_alpha": 0.5},
    "aot": {"type": "dpo", "loss_type": "aot", "label_smoothing": 0.1},
    "simpo": {"type": "simpo", "cpo_alpha": 0.5},
    "orpo": {"type": "orpo"},
    "tpo": {"type": "tpo"},
    "kto": {"type": "kto"},
    "bco": {"type": "bco"},
}
PLANS = {
    "together": MemoryPlan(train_rows=6),
    "one pair at a time": MemoryPlan(train_rows=3),
    "layer by layer": MemoryPlan(train_rows=3, layer_wise=True),
    "whole rows": MemoryPlan(train_rows=4, share_prompts=False),
    "scored first": MemoryPlan(train_rows=1, head_tokens=5),
}


def learner_on(
    folder: Path, rows: Sequence[dict[str, Any]], method: dict[str, Any], **changes: Any
) -> PreferenceLearner:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    for split in ("train", "valid"):
        (data / f"{split}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )
    values = {"data": {"path": str(data), "shuffle": False}, "training": {"batch_size": len(rows)}, **changes}
    learner = learner_for(session_of(folder, method=method, **values))
    assert isinstance(learner, PreferenceLearner)
    return learner


def rows_for(method: dict[str, Any]) -> list[dict[str, Any]]:
    return VERDICTS if method["type"] in ("kto", "bco") else PAIRS


def planned(learner: PreferenceLearner, plan: MemoryPlan) -> PreferenceLearner:
    learner.session.plan = learner.first_plan = plan
    learner.session.config = learner.session.config.model_copy(
        update={
            "memory": learner.session.config.memory.model_copy(
                update={"rows_per_micro_batch": plan.train_rows}
            )
        }
    )
    return learner


# -- the plain computation ---------------------------------------------------------------------------------------------


def plainly(learner: PreferenceLearner) -> tuple[float, dict[str, mx.array]]:
    """The loss of the next batch and its gradient, each answer by a forward pass of its own, differentiated by MLX."""
    policy = learner.session.policy
    units = learner._take()
    learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
    judged = judged_rows_of(units, learns_prompt=learner.method.learns_prompt)
    everyone = np.arange(len(units))
    known = learner.before.known(0, judged, everyone)
    imitated = learner.recipe.imitated
    batch = PairBatch(float(len(units)), 0.0 if imitated is None else judged.tokens_of(imitated))
    own = policy.trainable()

    def total(parameters: dict[str, mx.array]) -> mx.array:
        policy.model.update(tree_unflatten(list(parameters.items())))
        rows = mx.stack([row_scores(policy, judged, row) for row in range(len(judged.rows))])
        return unit_loss(learner.recipe, batch, judged, everyone, known, rows, None)[0]

    value, gradient = mx.value_and_grad(total)(own)
    policy.model.update(tree_unflatten(list(own.items())))
    mx.eval(value, gradient)
    return float(value.item()), gradient


def row_scores(policy: Policy, judged: JudgedRows, row: int) -> mx.array:
    """Log-probabilities (T,) of a row's tokens; noughts behind its end."""
    rows = judged.rows
    length = int(np.flatnonzero(rows.completion_mask[row])[-1]) + 1
    prompt, answer = list(rows.prompts[rows.prompt_index[row]]), rows.tokens[row, :length].tolist()
    logits = policy.model(mx.array([[*prompt, *answer]]))[0, len(prompt) - 1 : -1].astype(mx.float32)
    scores = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    chosen = mx.take_along_axis(scores, mx.array(answer)[:, None], axis=-1)[:, 0]
    return mx.concatenate([chosen, mx.zeros(rows.length - length)])


@pytest.mark.parametrize("name", METHODS)
def test_the_gradient_is_the_plain_one_in_portions_of_any_size(tmp_path: Path, name: str) -> None:
    method = METHODS[name]
    learner = learner_on(tmp_path, rows_for(method), method)
    value, gradient = plainly(learner)
    for plan in PLANS if name == "dpo" else ("one pair at a time", "scored first"):
        learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
        learner.before.rewards = type(learner.before.rewards)()
        found = planned(learner, PLANS[plan]).gather(0)
        assert found.loss == pytest.approx(value, rel=1e-5, abs=1e-5)
        assert_same(found.gradients, gradient, 1e-5)


def quantised() -> Policy:
    loaded = load_policy("starter", AdapterConfig(layers=1))
    fuse_adapter(loaded)
    nn.quantize(loaded.model, group_size=32, bits=4)
    adapter = AdapterConfig(rank=2, layers=1)
    return make_policy(loaded.model, loaded.tokenizer, loaded.config, loaded.path, adapter, seed=1)


@pytest.mark.parametrize("adapter", ["dora", "full"])
def test_whatever_is_trained_has_the_plain_gradient(tmp_path: Path, adapter: str) -> None:
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo"}, adapter={"type": adapter, "layers": 1})
    value, gradient = plainly(learner)
    for name in ("one pair at a time", "layer by layer", "scored first"):
        learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
        found = planned(learner, PLANS[name]).gather(0)
        assert found.loss == pytest.approx(value, rel=1e-5, abs=1e-5)
        assert_same(found.gradients, gradient, 1e-5)


def test_a_quantised_model_has_the_plain_gradient(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo"})
    learner.session.policy = quantised()
    stirred(learner.session.policy)
    value, gradient = plainly(learner)
    for name in ("one pair at a time", "layer by layer", "scored first"):
        learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
        found = planned(learner, PLANS[name]).gather(0)
        assert found.loss == pytest.approx(value, rel=1e-5, abs=1e-5)
        assert_same(found.gradients, gradient, 1e-5)


# -- what changes nothing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aot", "simpo", "orpo", "bco"])
def test_the_order_of_the_rows_changes_nothing(tmp_path: Path, name: str) -> None:
    method = METHODS[name]
    rows = rows_for(method)
    one = learner_on(tmp_path, rows, method).gather(0)
    other = learner_on(tmp_path, rows[::-1], method).gather(0)
    assert one.loss == pytest.approx(other.loss, rel=1e-5)
    assert_same(one.gradients, flat(other.gradients), 1e-5)
    for metric, value in one.metrics.items():
        assert value == pytest.approx(other.metrics[metric], rel=1e-4, abs=1e-5), metric


@pytest.mark.parametrize("name", ["dpo", "orpo", "kto"])
def test_packing_changes_nothing(tmp_path: Path, name: str) -> None:
    method = METHODS[name]
    one = learner_on(tmp_path, rows_for(method), method).gather(0)
    packed = learner_on(tmp_path, rows_for(method), method | {"packing": True})
    assert packed.session.plan.pack_rows
    other = packed.gather(0)
    assert one.loss == pytest.approx(other.loss, rel=1e-5)
    assert_same(one.gradients, flat(other.gradients), 1e-5)


@pytest.mark.parametrize("name", ["dpo", "bco", "simpo"])
def test_accumulated_batches_are_averaged(tmp_path: Path, name: str) -> None:
    """Two batches of the same three rows have the gradient of one batch of all six; a likelihood's tokens are no exception."""
    method, rows = METHODS[name], rows_for(METHODS[name])
    whole = learner_on(tmp_path, [*rows, *rows], method).gather(0)
    halves = learner_on(
        tmp_path, [*rows, *rows], method, training={"batch_size": 3, "gradient_accumulation_steps": 2}
    ).gather(0)
    assert whole.loss == pytest.approx(halves.loss, rel=1e-5)
    assert_same(whole.gradients, flat(halves.gradients), 1e-5)


def test_weighing_by_the_policy_gives_likely_pairs_their_share(tmp_path: Path) -> None:
    """WPO's weight is exp of the mean of log p - log sum p^2: at most about 1, and near 0 for what is never said."""
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo", "use_weighting": True})
    judged = judged_rows_of(learner._take())
    known = learner.before.known(0, judged, np.arange(3))
    for unit, weight in zip(range(3), known.arrays["weights"], strict=True):
        by_hand = 1.0
        for row in (2 * unit, 2 * unit + 1):
            by_hand *= float(np.exp(np.mean(surpluses(learner.session.policy, judged, row))))
        assert weight == pytest.approx(by_hand, rel=1e-3)


def surpluses(policy: Policy, judged: JudgedRows, row: int) -> list[float]:
    rows = judged.rows
    length = int(rows.completion_mask[row].sum())
    prompt, answer = list(rows.prompts[rows.prompt_index[row]]), rows.tokens[row, :length].tolist()
    logits = policy.model(mx.array([[*prompt, *answer]]))[0, len(prompt) - 1 : -1].astype(mx.float32)
    chances = np.array(mx.softmax(logits, axis=-1), np.float64)
    return [
        float(np.log(one[token]) - np.log((one**2).sum())) for one, token in zip(chances, answer, strict=True)
    ]


# -- rows, units, the reference ----------------------------------------------------------------------------------------


def test_the_reference_is_scored_once_for_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo"})
    scored: list[int] = []
    inner = learner.before._score_reference
    monkeypatch.setattr(
        learner.before, "_score_reference", lambda units: (scored.append(len(units)), inner(units))[1]
    )
    learner.gather(0)
    learner.gather(1)
    assert scored == [3]


def test_the_references_scores_survive_a_checkpoint_and_changed_rows_are_scored_anew(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo"})
    learner.gather(0)
    kept = learner.tensors()
    changed = learner_on(tmp_path, [{**PAIRS[0], "chosen": "Five."}, *PAIRS[1:]], {"type": "dpo"})
    changed.before.references.restore(kept)
    scored: list[JudgedUnit] = []

    def note(units: Sequence[JudgedUnit]) -> Any:
        scored.extend(units)
        return np.zeros((len(units), 2), np.float32)

    known = changed.before.references.of(changed._take(), note)
    assert [unit.key for unit in scored] == [(0, 0)]
    assert known[1:].tolist() == np.array(kept["reference_scores"])[1:].tolist()


def test_a_unit_is_recognised_by_its_tokens_and_by_what_of_them_is_learnt() -> None:
    def unit(tokens: list[int], learn: list[bool]) -> JudgedUnit:
        return JudgedUnit((0, 0), (TrainingExample(0, tokens, learn),))

    one = unit([5, 6, 7], [False, True, True])
    assert one.digest == unit([5, 6, 7], [False, True, True]).digest
    assert (
        len(
            {
                one.digest,
                unit([5, 6, 8], [False, True, True]).digest,
                unit([5, 6, 7], [False, False, True]).digest,
            }
        )
        == 3
    )


def test_two_answers_share_their_prompt(tmp_path: Path) -> None:
    judged = judged_rows_of(learner_on(tmp_path, PAIRS, {"type": "dpo"})._take())
    assert judged.rows.prompt_index.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(judged.rows.prompts) == 3


def test_pairs_teach_kto_as_good_and_bad_answers_whose_neighbours_differ(tmp_path: Path) -> None:
    units = learner_on(tmp_path, PAIRS, {"type": "kto"})._take()
    assert [unit.good for unit in units] == [True] * 3 + [False] * 3
    assert [unit.key[0] for unit in units] == [0, 1, 2, 0, 1, 2]


def test_a_mismatched_answer_stands_behind_the_other_prompt(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, VERDICTS, {"type": "kto"})
    first, second, _ = learner._take()
    text = learner.session.policy.tokenizer.decode(crossed_over(second, first).answers[0].tokens)
    assert text == "<|user|>What is three less one?<|end|><|assistant|>The answer is 4.<|end|>"


def test_the_divergence_is_that_of_the_neighbours_answers(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, VERDICTS, {"type": "kto"})
    stirred(learner.session.policy)
    units = learner._take()

    def gap(answered: Sequence[JudgedUnit]) -> float:
        """How much likelier the answers are than for the reference, on average."""
        judged = judged_rows_of([crossed_over(unit, one) for unit, one in zip(units, answered, strict=True)])
        policy = learner.session.policy
        likelier = []
        for row in range(len(units)):
            with as_reference(policy):
                before = row_scores(policy, judged, row)
                mx.eval(before)
            after = row_scores(policy, judged, row)
            likelier.append(float(((after - before) * mx.array(judged.answer_mask[row])).sum().item()))
        return float(np.mean(likelier))

    expected = gap([units[-1], *units[:-1]])
    assert learner.before.divergence(units) == pytest.approx(max(0.0, expected), abs=1e-4)
    assert expected > 0.01  # else nothing is shown
    assert abs(expected - gap(units)) > 0.01


def test_a_long_answer_is_cut_and_a_prompt_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    rows = [{**PAIRS[0], "chosen": "The answer is 4. " * 30}, *PAIRS[1:]]
    learner = learner_on(tmp_path, rows, {"type": "dpo"}, training={"max_seq_length": 40, "batch_size": 3})
    assert max(len(one.tokens) for unit in learner._take() for one in unit.answers) == 40
    left_out = learner_on(
        tmp_path,
        rows,
        {"type": "dpo", "too_long": "leave_out"},
        training={"max_seq_length": 40, "batch_size": 2},
    )
    assert len(left_out.session.train) == 2
    with pytest.raises(UserError, match="The prompt alone fills the 8 tokens"):
        learner_on(tmp_path, [PAIRS[1]] * 2, {"type": "dpo"}, training={"max_seq_length": 8})


def test_a_pair_of_equal_answers_is_refused(tmp_path: Path) -> None:
    learner = learner_on(
        tmp_path, [{**PAIRS[0], "rejected": PAIRS[0]["chosen"]}, *PAIRS[1:]], {"type": "dpo"}
    )
    assert len(learner.session.train) == 2


def test_held_out_pairs_are_told_apart(tmp_path: Path) -> None:
    found = learner_on(tmp_path, PAIRS, {"type": "dpo"}, evaluation={"rows": 3}).evaluate(0)
    assert found is not None
    assert found.rows == 3
    assert 0 <= found.metrics["eval/preference_accuracy"] <= 1
    margin = found.metrics["eval/rewards/chosen"] - found.metrics["eval/rewards/rejected"]
    assert found.metrics["eval/rewards/margins"] == pytest.approx(margin, abs=1e-5)


def test_before_it_has_learnt_none_is_preferred_and_that_is_no_zero(tmp_path: Path) -> None:
    """Model and reference are the same, all rewards equal: 0 % would read as if each pair were told wrongly."""
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo"}, evaluation={"rows": 3})
    policy = learner.session.policy
    still = {name: mx.zeros_like(array) for name, array in policy.trainable().items()}
    policy.model.update(tree_unflatten(list(still.items())))
    assert (found := learner.evaluate(0)) is not None
    assert found.metrics["eval/rewards/margins"] == 0
    assert "eval/rewards/accuracies" not in found.metrics


def test_without_room_for_a_pair_the_plan_is_asked_for_one(tmp_path: Path) -> None:
    """The engine's own plan keeps the two sides together as long as they fit."""
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo"})
    assert replace(learner.session.plan).train_rows >= 2


def test_scores_of_another_base_or_weight_are_not_used(tmp_path: Path) -> None:
    """A model folder whose weights changed between stop and resume, or a change of `ld_alpha` that was accepted."""
    learner = learner_on(tmp_path, PAIRS, {"type": "dpo"})
    learner.gather(0)
    state, kept = learner.state(), learner.tensors()
    learner.restore(state, kept)
    assert learner.tensors().keys() == kept.keys()
    learner.restore(state | {"reference_base": "another"}, kept)
    assert learner.tensors() == {}
    weighed = learner_on(tmp_path, PAIRS, {"type": "dpo", "ld_alpha": 0.5})
    weighed.restore(state, kept)
    assert weighed.tensors() == {}
    older = {name: value for name, value in state.items() if name != "reference_base"}
    learner.restore(older, kept)
    assert learner.tensors().keys() == kept.keys()
