"""A trained reward model as a reward: its numbers, whose weights it computes with, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from droid_tune.config import resolve
from droid_tune.config.rewards import RewardModelReward
from droid_tune.control import Watch
from droid_tune.errors import Stopped, UserError
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.sizes import sizes_of
from droid_tune.model.heads.reward_models import open_reward_model, rows_to_read
from droid_tune.model.loading import load_policy
from droid_tune.model_files.hub_facts import facts_at_hand
from droid_tune.paths import starter_model_dir
from droid_tune.rewards.base import Failed, Sample
from droid_tune.rewards.reward_model import ByRewardModel
from tests.engine.train.conftest import tiny, train
from tests.engine.train.test_preference_learner import PAIRS

ANSWERS = [([5, 9, 12, 40], [7, 8, 1]), ([5, 9, 12, 40], [100, 3, 77, 31, 1]), ([6, 2], [50])]
Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model of a few steps on the starter."""
    folder = tmp_path_factory.mktemp("reward")
    for split in ("train", "valid"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    config = resolve(
        {
            "method": "reward",
            "data": {"path": str(folder)},
            "training": {"iterations": 3, "batch_size": 3},
            "adapter": {"rank": 3, "layers": 2},
            "optimizer": {"learning_rate": 1e-2},
            "evaluation": {"rows": 0},
        }
    )
    end, _ = train(config, folder / "run")
    assert end.outcome == "completed", end.why
    return folder / "run"


def classifier(folder: Path, **config: Any) -> tuple[Path, Arrays]:
    """The starter as a classifier of one label, and its weights."""
    shutil.copytree(starter_model_dir(), folder)
    weights = dict(mx.load(str(folder / "model.safetensors")))
    weights["score.weight"] = mx.array(np.random.default_rng(5).normal(0, 0.2, (1, 96)).astype(np.float32))
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    values = json.loads((folder / "config.json").read_text())
    values |= {"architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "LABEL_0"}, **config}
    values.pop("tie_word_embeddings")  # a classifier has no output head to tie
    (folder / "config.json").write_text(json.dumps(values))
    return folder, {name: np.array(array) for name, array in weights.items()}


def number_by_hand(weights: Arrays, tokens: list[int]) -> float:
    """The starter's forward pass as transformers' LlamaForSequenceClassification defines it, in NumPy and float64."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    states, heads, groups, size = weights["model.embed_tokens.weight"][tokens], 4, 2, 24
    places = np.arange(len(tokens))[:, None] / 10000.0 ** (np.arange(0, size, 2) / size)
    cos, sin = np.tile(np.cos(places), 2), np.tile(np.sin(places), 2)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5) * weights[f"{name}.weight"]

    def turned(x: np.ndarray) -> np.ndarray:
        half = np.concatenate([-x[..., size // 2 :], x[..., : size // 2]], axis=-1)
        return x * cos[:, None] + half * sin[:, None]

    for layer in range(3):
        at = f"model.layers.{layer}"
        read = norm(states, f"{at}.input_layernorm")
        q, k, v = (
            (read @ weights[f"{at}.self_attn.{part}_proj.weight"].T).reshape(len(tokens), count, size)
            for part, count in (("q", heads), ("k", groups), ("v", groups))
        )
        q, k, v = turned(q), np.repeat(turned(k), heads // groups, 1), np.repeat(v, heads // groups, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
        scores = np.where(np.tril(np.ones(scores.shape[1:])) > 0, scores, -np.inf)
        chances = np.exp(scores - scores.max(axis=-1, keepdims=True))
        chances /= chances.sum(axis=-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", chances, v).reshape(len(tokens), -1)
        states = states + mixed @ weights[f"{at}.self_attn.o_proj.weight"].T
        read = norm(states, f"{at}.post_attention_layernorm")
        gate, up = (read @ weights[f"{at}.mlp.{part}_proj.weight"].T for part in ("gate", "up"))
        states = states + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{at}.mlp.down_proj.weight"].T
    return float((norm(states, "model.norm")[-1] @ weights["score.weight"].T).item())


@pytest.mark.parametrize("rows", [1, 4])
def test_a_classifiers_numbers_are_those_of_its_definition(tmp_path: Path, rows: int) -> None:
    folder, weights = classifier(tmp_path / "classifier")
    found = open_reward_model(str(folder)).numbers(ANSWERS, MemoryPlan(train_rows=rows))
    expected = [number_by_hand(weights, [*prompt, *answer]) for prompt, answer in ANSWERS]
    assert found == pytest.approx(expected, abs=1e-4)


def test_answers_to_one_prompt_share_it_and_the_order_stays() -> None:
    rows = rows_to_read([*ANSWERS, ANSWERS[0]], limit=6)
    assert [list(prompt) for prompt in rows.prompts] == [[5, 9, 12, 40], [6, 2]]
    assert rows.prompt_index.tolist() == [0, 0, 1, 0]
    assert rows.tokens[0].tolist() == [7, 8, 0]  # cut at 6 tokens, then the token that is only waited for
    assert rows.completion_mask.argmax(axis=1).tolist() == [2, 2, 1, 2]


def test_a_run_on_the_same_base_computes_with_the_policys_weights(run: Path) -> None:
    policy = load_policy("starter", tiny().adapter, seed=4)
    before = {name: np.array(array) for name, array in policy.trainable().items()}
    probe = mx.array([[5, 9, 12, 40, 7]])
    logits = np.array(policy.model(probe))
    shared, alone = open_reward_model(str(run), policy), open_reward_model(str(run))
    assert shared.policy is policy
    assert alone.policy is not policy
    plan = MemoryPlan(train_rows=2)
    assert shared.numbers(ANSWERS, plan) == pytest.approx(alone.numbers(ANSWERS, plan), abs=1e-5)
    assert {name: array.tolist() for name, array in before.items()} == {
        name: np.array(array).tolist() for name, array in policy.trainable().items()
    }
    assert np.array_equal(np.array(policy.model(probe)), logits)


def test_a_full_training_moves_the_base_so_it_is_not_shared(run: Path) -> None:
    policy = load_policy("starter", tiny(adapter={"type": "full"}).adapter)
    assert open_reward_model(str(run), policy).policy is not policy


def test_an_adapter_that_was_taken_along_is_the_same_judge(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    folder.mkdir()
    for name in ("adapters.safetensors", "adapter_config.json", "reward_head.safetensors"):
        shutil.copyfile(run / name, folder / name)
    plan = MemoryPlan()
    assert open_reward_model(str(folder)).numbers(ANSWERS, plan) == pytest.approx(
        open_reward_model(str(run)).numbers(ANSWERS, plan), abs=1e-6
    )


def test_completions_are_read_as_answers_were_when_it_was_trained(run: Path) -> None:
    reward = ByRewardModel(RewardModelReward(path=str(run)))
    row = PAIRS[0]
    samples = [
        Sample(row["prompt"], text, {"prompt": row["prompt"], "answer": "4"})
        for text in (row["chosen"], row["rejected"], "")
    ]
    found = reward.score(samples)
    model = open_reward_model(str(run))
    asked = model.policy.tokenizer.encode(
        "<|user|>Two plus two?<|end|><|assistant|>", add_special_tokens=False
    )
    answers = [
        model.policy.tokenizer.encode(f"{text}<|end|>", add_special_tokens=False)
        for text in (row["chosen"], row["rejected"], "")
    ]
    expected = model.numbers([(asked, answer) for answer in answers], MemoryPlan())
    assert found == pytest.approx(expected, abs=1e-5)
    reward.close()


def test_a_row_that_cannot_be_shown_fails_alone(run: Path) -> None:
    reward = ByRewardModel(RewardModelReward(path=str(run)))
    bad = Sample("", "4", {"prompt": [{"role": "assistant", "content": "Only me."}]})
    good = Sample("Say ten.", "Ten.", {"prompt": "Say ten."})
    found = reward.score([bad, good])
    assert isinstance(found[0], Failed)
    assert isinstance(found[1], float)


def test_a_stop_is_heard_between_its_passes(run: Path) -> None:
    model = open_reward_model(str(run))
    with pytest.raises(Stopped):
        model.numbers(ANSWERS, MemoryPlan(train_rows=1), Watch(should_stop=lambda: True))


def test_a_policy_learns_from_it(run: Path, tmp_path: Path) -> None:
    """One step: the reward is told by its name, beside another one."""
    rewards = [{"type": "reward_model", "run": str(run), "weight": 0.5}, {"type": "length", "target": 8}]
    end, record = train(tiny(rewards=rewards, training={"iterations": 1}), tmp_path / "policy")
    assert end.outcome == "completed", end.why
    step = next(event for event in record if event.type == "step")
    said = step.metrics["rewards/reward_model/mean"]
    assert said is not None
    assert step.metrics["reward"] == pytest.approx(
        0.5 * said + (step.metrics["rewards/length/mean"] or 0.0), rel=1e-4
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, "no reward model: it is LlamaForCausalLM"),
        ({"id2label": {"0": "A", "1": "B", "2": "C"}}, "sorts texts into 3 classes"),
    ],
)
def test_a_folder_that_gives_no_number_is_refused(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    folder, _ = classifier(tmp_path / "classifier", **config)
    with pytest.raises(UserError, match=said):
        open_reward_model(str(folder))


def test_a_run_that_made_no_reward_model_is_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "grpo"
    end, _ = train(tiny(training={"iterations": 1}), other)
    assert end.outcome == "completed"
    with pytest.raises(UserError, match="trained by GRPO, so it gives no rewards"):
        open_reward_model(str(other))
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished)
    (unfinished / "reward_head.safetensors").unlink()
    with pytest.raises(UserError, match="is not finished"):
        open_reward_model(str(unfinished))


def test_its_memory_is_part_of_the_estimate(run: Path, tmp_path: Path) -> None:
    """On the same base the adapter alone, else the whole model."""
    folder, _ = classifier(tmp_path / "classifier")
    facts = facts_at_hand("starter")
    sizes = {
        name: sizes_of(tiny(rewards=[{"type": "reward_model", "path": path}]), facts, "cpu").judges
        for name, path in (("run", str(run)), ("folder", str(folder)))
    }
    assert sizes["run"] == (run / "adapters.safetensors").stat().st_size
    assert sizes["folder"] == pytest.approx(facts.weight_bytes, rel=0.02)
