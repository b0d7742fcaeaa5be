"""Supervised learning in the loop: which tokens are learnt, from which rows, in which portions."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.errors import UserError
from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.model.fusing import fuse_adapter
from droid_tune.model.gradients import head_loss
from droid_tune.model.gradients.bodies import Bodies, Pullable
from droid_tune.model.gradients.passes import WholeRows
from droid_tune.model.loading import load_policy, make_policy
from droid_tune.train.assembly import learner_for
from droid_tune.train.learners.supervised import Supervised
from tests.engine.model.tiny import tiny_policy
from tests.engine.train.conftest import tiny, train
from tests.engine.train.learning import assert_same, flat, moved, session_of

SFT: dict[str, Any] = {"method": {"type": "sft"}, "training": {"batch_size": 4}}


def learner_on(folder: Path, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Supervised:
    values: dict[str, Any] = {**SFT, **changes}
    if rows is not None:
        data = folder / "data"
        data.mkdir()
        for split in ("train", "valid"):
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (data / f"{split}.jsonl").write_text(text, encoding="utf-8")
        values["data"] = {"path": str(data), "shuffle": False}
    learner = learner_for(session_of(folder, **values))
    assert isinstance(learner, Supervised)
    return learner


def learnt_text(learner: Supervised) -> list[str]:
    """What of each row of the next batch is learnt, as text."""
    decode = learner.session.policy.tokenizer.decode
    return [
        decode([token for token, learn in zip(example.tokens, example.learn, strict=True) if learn])
        for example in learner._take()
    ]


# -- rows of every kind ---------------------------------------------------------------------------------------------------

TURNS = [
    {"role": "user", "content": "What is two plus two?"},
    {"role": "assistant", "content": "The answer is 4."},
    {"role": "user", "content": "And one more?"},
    {"role": "assistant", "content": "The answer is 5."},
]


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        ({"messages": TURNS}, "The answer is 4.<|end|>The answer is 5.<|end|>"),
        (
            {"instruction": "Add.", "input": "2 and 2", "output": "The answer is 4."},
            "The answer is 4.<|end|>",
        ),
        ({"instruction": "Add 2 and 2.", "response": "The answer is 4."}, "The answer is 4.<|end|>"),
        ({"prompt": "Add 2 and 2.", "completion": "The answer is 4."}, "The answer is 4.<|end|>"),
    ],
    ids=["messages", "instruction and input", "instruction", "prompt and completion"],
)
def test_only_answers_are_learnt_with_the_end_of_their_turn(
    tmp_path: Path, row: dict[str, Any], answers: str
) -> None:
    learner = learner_on(tmp_path, [row] * 4)
    assert learnt_text(learner) == [answers] * 4
    assert learner.gather(0).loss > 0


def test_of_a_text_row_everything_is_learnt(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, [{"text": "Two plus two is four."}] * 4)
    assert learnt_text(learner) == ["Two plus two is four.<|end|>"] * 4


def test_the_prompt_is_learnt_too_where_asked(tmp_path: Path) -> None:
    row = {"prompt": "Add 2 and 2.", "completion": "The answer is 4."}
    learner = learner_on(tmp_path, [row] * 4, method={"type": "sft", "answer_only_loss": False})
    (text, *_) = learnt_text(learner)
    assert "Add 2 and 2." in text
    assert text.endswith("The answer is 4.<|end|>")


# -- the loss, and held-out rows -------------------------------------------------------------------------------------------


def nll(learner: Supervised, tokens: list[int], learn: list[bool]) -> tuple[float, int]:
    """Negative log-likelihood of a row's learnt tokens, by one forward pass, and their number."""
    logits = learner.session.policy.model(mx.array([tokens]))[0].astype(mx.float32)
    scores = np.array(logits - mx.logsumexp(logits, axis=-1, keepdims=True))
    places = [place for place in range(1, len(tokens)) if learn[place]]
    return -sum(float(scores[place - 1, tokens[place]]) for place in places), len(places)


def test_the_loss_is_the_mean_over_all_learnt_tokens_of_an_update(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, training={"batch_size": 3, "gradient_accumulation_steps": 2})
    cursor = learner.state()
    examples = [*learner._take(), *learner._take()]
    learner.restore(cursor, {})
    gathered = learner.gather(0)
    found = [nll(learner, example.tokens, example.learn) for example in examples]
    expected = sum(one for one, _ in found) / sum(count for _, count in found)
    assert gathered.loss == pytest.approx(expected, abs=1e-5)
    assert gathered.metrics["perplexity"] == pytest.approx(math.exp(expected), rel=1e-4)


def test_held_out_perplexity_is_that_of_the_answers_tokens(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, evaluation={"rows": 5})
    session = learner.session
    examples = [example for i in range(5) for example in session.reader.examples(i, session.valid.row(i))]
    found = [nll(learner, example.tokens, example.learn) for example in examples]
    expected = sum(one for one, _ in found) / sum(count for _, count in found)
    evaluated = learner.evaluate(0)
    assert evaluated is not None
    assert evaluated.rows == 5
    assert evaluated.metrics["eval/loss"] == pytest.approx(expected, abs=1e-5)
    assert evaluated.metrics["eval/perplexity"] == pytest.approx(math.exp(expected), rel=1e-4)


def rows_at_a_time(learner: Supervised, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each training pass of one update takes."""
    seen: list[int] = []
    whole = Bodies.whole

    def noted(self: Bodies, batch: WholeRows) -> Pullable:
        seen.append(int(batch.tokens.shape[0]))
        return whole(self, batch)

    monkeypatch.setattr(Bodies, "whole", noted)
    learner.gather(0)
    return seen


def test_only_learnt_tokens_go_through_the_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_on(tmp_path, [{"messages": TURNS}, SHORT, {"text": "Two plus two is four."}, SHORT])
    cursor = learner.state()
    learnt = sum(example.learnt for example in learner._take())
    learner.restore(cursor, {})
    seen: list[int] = []
    heads = head_loss.score_tokens

    def noted(head: Any, hidden: mx.array, *arguments: Any, **named: Any) -> Any:
        seen.append(int(hidden.shape[0]))
        return heads(head, hidden, *arguments, **named)

    monkeypatch.setattr(head_loss, "score_tokens", noted)
    learner.gather(0)
    assert sum(seen) == learnt


SHORT = {"prompt": "Add 2 and 2.", "completion": "4"}  # fewer than 64 tokens


def test_short_rows_are_trained_together_though_long_ones_might_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_on(tmp_path, [SHORT] * 4)
    learner.session.plan = learner.first_plan = MemoryPlan(train_rows=1)
    assert rows_at_a_time(learner, monkeypatch) == [4]


def test_short_rows_take_no_more_tokens_than_the_plan_reckons_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SFT with 64 rows of the starter took 50.4 MB where 43.1 were told: 38 rows of 41 tokens were padded to 48."""
    learner = learner_on(tmp_path, [SHORT] * 4)
    (example,) = learner.session.reader.examples(0, learner.session.train.row(0))
    padded = bucketed(len(example.tokens) - 1)
    assert padded > len(example.tokens) - 1
    for plan, rows in (
        (MemoryPlan(train_rows=1, row_tokens=padded), [1, 1, 1, 1]),
        (MemoryPlan(train_rows=1, row_tokens=2 * padded), [2, 2]),
        (MemoryPlan(train_rows=1, row_tokens=9 * padded, busy_tokens=3 * padded - 1), [2, 2]),
    ):
        learner.session.plan = learner.first_plan = plan
        with monkeypatch.context() as patching:
            assert rows_at_a_time(learner, patching) == rows


def test_rows_at_a_time_are_what_the_user_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_on(tmp_path, [SHORT] * 4, memory={"rows_per_micro_batch": 1})
    learner.session.plan = learner.first_plan = MemoryPlan(train_rows=1)
    assert rows_at_a_time(learner, monkeypatch) == [1, 1, 1, 1]


def test_rows_at_a_time_are_fewer_after_the_memory_guard_stepped_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_on(tmp_path, [SHORT] * 4)
    learner.session.plan = MemoryPlan(train_rows=2)
    assert rows_at_a_time(learner, monkeypatch) == [2, 2]


@pytest.mark.parametrize("dimensions", ["lora", "dora", "full"])
def test_portions_and_packing_never_change_a_gradient(tmp_path: Path, dimensions: str) -> None:
    adapter = {"type": dimensions, "rank": 2, "layers": 1}
    found: list[Any] = []
    for packing, plan in (
        (False, MemoryPlan(train_rows=4)),
        (False, MemoryPlan(train_rows=1)),
        (True, MemoryPlan(train_rows=2)),
        (True, MemoryPlan(train_rows=1, layer_wise=True)),
    ):
        learner = learner_on(tmp_path, method={"type": "sft", "packing": packing}, adapter=adapter)
        learner.session.plan = replace(plan, pack_rows=learner.session.plan.pack_rows)
        found.append(learner.gather(0))
    whole, *others = found
    for other in others:
        assert other.loss == pytest.approx(whole.loss, abs=1e-5)
        assert_same(other.gradients, whole.gradients)


def test_packing_packs(tmp_path: Path) -> None:
    learner = learner_on(tmp_path, method={"type": "sft", "packing": True})
    assert learner.session.plan.sentence.endswith("packed rows")
    assert learner_on(tmp_path).session.plan.pack_rows is False


def test_a_packed_run_learns_what_an_unpacked_one_learns(tmp_path: Path) -> None:
    ends: list[dict[str, mx.array]] = []
    for packing in (False, True):
        config = tiny(
            method={"type": "sft", "packing": packing},
            training={"iterations": 3, "batch_size": 6},
            optimizer={"name": "lion", "learning_rate": 1e-4, "schedule": "constant"},
        )
        finished, _ = train(config, tmp_path / str(packing))
        assert finished.outcome == "completed", finished.why
        loaded = mx.load(str(tmp_path / str(packing) / "adapters.safetensors"))
        assert isinstance(loaded, dict)
        ends.append(loaded)
    assert ends[0].keys() == ends[1].keys()
    furthest = max(float(mx.abs(array).max().item()) for name, array in ends[0].items() if "lora_b" in name)
    differs = max(float(mx.abs(array - ends[1][name]).mean().item()) for name, array in ends[0].items())
    assert furthest == pytest.approx(3e-4, rel=0.01)  # lion: three steps of 1e-4
    assert differs < 1e-6


def test_a_model_that_cannot_pack_is_refused_when_the_learner_is_made(tmp_path: Path) -> None:
    session = session_of(tmp_path, **{**SFT, "method": {"type": "sft", "packing": True}})
    session.policy = tiny_policy("mamba2")
    with pytest.raises(UserError, match="turn packing off"):
        learner_for(session)


# -- what is trained -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_an_adapter_learns_on_quantised_weights_and_leaves_them_alone(
    tmp_path: Path, kind: str, bits: int
) -> None:
    learner = quantised(tmp_path, kind, bits)
    policy = learner.session.policy
    before = {name: array for name, array in flat(policy.model.parameters()).items() if "lora" not in name}
    first = learner.gather(0)
    assert set(flat(first.gradients)) == set(policy.trainable())
    assert all("lora" in name or name.endswith(".m") for name in policy.trainable())
    moved(policy, first.gradients, rate=0.01)
    learner.session.batches.restore({**learner.session.batches.state(), "drawn": 0})
    assert learner.gather(0).loss < first.loss  # the same rows again
    for name, array in before.items():
        if not name.endswith(".m"):
            assert mx.array_equal(array, flat(policy.model.parameters())[name]), name


def test_quantised_weights_are_never_trained_in_full(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="quantised weights cannot be trained in full") as caught:
        quantised(tmp_path, "full", 4)
    assert "use LoRA or DoRA" in str(caught.value)


def quantised(folder: Path, kind: str, bits: int) -> Supervised:
    """A learner on the starter model with its weights quantised."""
    session = session_of(folder, **SFT)
    loaded = load_policy("starter", AdapterConfig(layers=1))
    fuse_adapter(loaded)
    nn.quantize(loaded.model, group_size=32, bits=bits)
    adapter = AdapterConfig.model_validate({"type": kind, "rank": 4})
    session.policy = make_policy(loaded.model, loaded.tokenizer, loaded.config, loaded.path, adapter, seed=1)
    learner = learner_for(session)
    assert isinstance(learner, Supervised)
    return learner
