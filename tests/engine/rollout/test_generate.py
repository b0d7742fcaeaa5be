"""Batched completions on shared prompts are what one-row forward passes say they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest

from droid_tune.config.model_and_data import AdapterConfig
from droid_tune.config.sampling import SamplingConfig
from droid_tune.control import Watch
from droid_tune.errors import Stopped
from droid_tune.estimate.job import StepJob
from droid_tune.estimate.memory import Peak
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.planning import Choice
from droid_tune.model import plan_for
from droid_tune.model.adapters import adapter_merged, adapter_off, is_adapter
from droid_tune.model.caches.group import SlotLayout, group_caches
from droid_tune.model.checks.last_tokens import reads_last_tokens
from droid_tune.model.footprint import footprint
from droid_tune.model.gradients.scoring import ScoringRows, loss_and_gradients, score
from droid_tune.model.kernels.joined_body import decodes_joined
from droid_tune.model.kernels.own_kernels import own_kernels
from droid_tune.model.policy import Policy
from droid_tune.rollout.decoders import make_decoder
from droid_tune.rollout.generate import generate
from droid_tune.rollout.prefilled import keys_and_values, prefilled
from droid_tune.rollout.rollout import Rollout
from tests.engine.model.tiny import CONFIGS, one_row_logprobs, tiny_policy

PROMPTS = [[5, 9, 13], [7, 2, 11, 3, 8, 4, 21, 30, 12], [40]]
TEMPERATURE = 0.8


def sampled(policy: Any, *, plan: MemoryPlan | None = None, seed: int = 3, **sampling: Any) -> Rollout:
    settings = {"max_completion_length": 14, "temperature": TEMPERATURE, **sampling}
    return generate(
        policy,
        PROMPTS,
        group_size=4,
        sampling=SamplingConfig(**settings),
        seed=seed,
        plan=plan or MemoryPlan(joined_tokens=18),
    )


def as_rows(rollout: Rollout) -> ScoringRows:
    return ScoringRows.of_groups(
        rollout.prompt_tokens, rollout.group_size, rollout.tokens, rollout.completion_mask
    )


@pytest.mark.parametrize("architecture", CONFIGS)
def test_sampled_logprobs_are_those_of_one_row_forward_passes(architecture: str):
    policy = tiny_policy(architecture)
    policy.stop_tokens = frozenset({1, 17, 23, 29, 31})  # rows end early and leave the batch
    rollout = sampled(policy)
    scored = score(policy, as_rows(rollout), temperature=TEMPERATURE, plan=MemoryPlan(train_rows=3)).logprobs
    assert len(set(rollout.lengths.tolist())) > 2
    for row, length in enumerate(rollout.lengths):
        completion = rollout.tokens[row, :length].tolist()
        alone = np.asarray(one_row_logprobs(policy, PROMPTS[row // 4], completion, TEMPERATURE))
        np.testing.assert_allclose(rollout.sampled_logprobs[row, :length], alone, atol=1e-4)
        np.testing.assert_allclose(scored[row, :length], alone, atol=1e-4)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_prompts_that_run_together_are_those_that_run_alone(architecture: str):
    policy = tiny_policy(architecture)
    prompts = [*PROMPTS, [40, 3, 2, 1], [6, 9, 13]]
    with own_kernels():
        together = prefilled(policy, prompts, 18, 18)  # 9 + 4 padded, then the three shortest
        alone = [prefilled(policy, [prompt], 18)[0] for prompt in prompts]
        for one, other in zip(together, alone, strict=True):
            assert one.length == other.length
            np.testing.assert_allclose(one.logits, other.logits, atol=1e-4)
        steps = [
            make_decoder(policy, ready, range(len(prompts))).step(mx.arange(5) + 7)
            for ready in (together, alone)
        ]
        np.testing.assert_allclose(steps[0], steps[1], atol=1e-4)


@pytest.mark.parametrize(("most", "room"), [(5, [5]), (66, [64, 66]), (None, [64, 128])])
def test_no_room_is_made_for_tokens_that_no_row_may_have(most: int | None, room: list[int]) -> None:
    policy = tiny_policy("llama")
    steps, found, wide = most or 66, list[int](), list[Any]()
    with own_kernels():
        ready = prefilled(policy, PROMPTS, 18, 18)
        windows = [None] * len(ready[0].read)
        caches, loose = (
            group_caches(keys_and_values(ready[:2], 9), windows, SlotLayout([3, 9], 2), most=bound)
            for bound in (most, None)
        )
        for step in range(steps):
            tokens = mx.full((4 if step < 3 else 2, 1), step % 40)
            wide = [policy.model(tokens, cache=held)[:, 0] for held in (caches, loose)]
            mx.eval(wide)
            found.append(caches[0].state[2].shape[3])
            if step == 2:
                for cache in (*caches, *loose):
                    cache.keep(SlotLayout([3, 9], 1), mx.array([0, 1]), mx.array([[1], [2]]))
    assert list(dict.fromkeys(found)) == room
    np.testing.assert_array_equal(wide[0], wide[1])


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "qwen3_moe"])
def test_the_last_mlp_answers_for_the_last_token_of_each_prompt_alone(architecture: str) -> None:
    policy = tiny_policy(architecture)
    assert policy.architecture.reads_last
    layer: Any = policy.model.layers[-1]
    mlp, seen = layer.mlp, list[Any]()
    layer["mlp"] = lambda inputs: seen.append(inputs.shape[:2]) or mlp(inputs)
    with own_kernels():
        prefilled(policy, [[3] * 5, [4] * 8, [5] * 2], 30, 30)
    assert seen == [(3, 1)]


def test_a_layer_that_does_more_behind_its_mlp_is_read_whole() -> None:
    model = tiny_policy("llama").model
    tokens = mx.array([[3, 5, 7, 4, 2, 6, 8, 1]])
    assert reads_last_tokens(model, model.model, tokens)
    kind = type(model.layers[-1])

    def mixing(self: Any, inputs: mx.array, *given: Any, **named: Any) -> mx.array:
        return mx.cumsum(kind.__call__(self, inputs, *given, **named), axis=1)

    model.layers[-1].__class__ = type("Mixing", (kind,), {"__call__": mixing})
    assert not reads_last_tokens(model, model.model, tokens)


def test_waves_are_of_one_size_and_of_like_prompts_whatever_the_order_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy, seen = tiny_policy("llama"), list[list[int]]()
    prompts = [[5] * length for length in (2, 9, 3, 8, 1, 7, 4)]
    settings: dict[str, Any] = {
        "group_size": 1,
        "sampling": SamplingConfig(max_completion_length=4),
        "seed": 1,
    }
    whole = generate(policy, prompts, plan=MemoryPlan(), **settings)

    def counted(policy: Any, prompts: list[list[int]], *arguments: Any) -> Any:
        seen.append([len(prompt) for prompt in prompts])
        return prefilled(policy, prompts, *arguments)

    monkeypatch.setattr("droid_tune.rollout.generate.prefilled", counted)
    parts = generate(policy, prompts, plan=MemoryPlan(decode_rows=5), **settings)
    assert [sorted(wave) for wave in seen] == [[1, 2, 3, 4], [7, 8, 9]]
    np.testing.assert_array_equal(parts.tokens, whole.tokens)
    np.testing.assert_allclose(parts.sampled_logprobs, whole.sampled_logprobs, atol=1e-5)


def test_short_prompts_take_one_pass_and_long_ones_theirs(monkeypatch: pytest.MonkeyPatch):
    policy = tiny_policy("llama")
    kind, shapes = type(policy.model.model), []
    run = kind.__call__

    def counted(body: Any, tokens: mx.array, *arguments: Any, **named: Any) -> mx.array:
        shapes.append(tokens.shape)
        return run(body, tokens, *arguments, **named)

    monkeypatch.setattr(kind, "__call__", counted)
    prefilled(policy, [[1] * 3, [2] * 20, [3] * 4, [4] * 2], 12, 12)
    assert shapes == [(1, 12), (1, 7), (1, 1), (3, 4)]


@pytest.mark.parametrize("architecture", CONFIGS)
def test_rows_decoded_by_few_operations_are_those_of_one_row_forward_passes(architecture: str) -> None:
    policy = tiny_policy(architecture)
    policy.stop_tokens = frozenset({1, 17, 23, 29, 31})  # rows end early and leave the batch
    usual = sampled(by_mlx(policy), plan=MemoryPlan(merge=True, joined_tokens=18))
    for merge, joins in ((False, False), (True, False), (True, True)):
        joined = sampled(policy, plan=MemoryPlan(merge=merge, joins=joins, joined_tokens=18))
        np.testing.assert_array_equal(joined.tokens, usual.tokens)
        for row, length in enumerate(joined.lengths):
            completion = joined.tokens[row, :length].tolist()
            alone = np.asarray(one_row_logprobs(policy, PROMPTS[row // 4], completion, TEMPERATURE))
            np.testing.assert_allclose(joined.sampled_logprobs[row, :length], alone, atol=1e-4)


def by_mlx(policy: Policy) -> Policy:
    """The same policy, decoded by its model's own operations."""
    return replace(policy, architecture=replace(policy.architecture, decodes_joined=False))


@pytest.mark.parametrize("attention_bias", [False, True])
@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize("prompts", [PROMPTS, [[5, 9, 13], [7, 2, 11]]])  # of several lengths, and of one
def test_a_joined_step_has_a_third_of_the_operations(
    architecture: str, attention_bias: bool, prompts: list[list[int]], tmp_path: Path
) -> None:
    policy = tiny_policy(architecture, attention_bias=attention_bias)
    assert policy.architecture.decodes_joined == (not attention_bias or architecture == "qwen2")
    if not policy.architecture.decodes_joined:
        return
    rows = [place for place in range(len(prompts)) for _ in range(3)]
    made: dict[str, tuple[int, list[mx.array]]] = {}
    for merged in (False, True):
        with own_kernels(), adapter_merged(policy.model, policy.adapted if merged else ()):
            ready = prefilled(policy, prompts, 18, 18)
            for name, one, joins in (
                ("usual", by_mlx(policy), 0),
                ("shared", policy, 0),
                ("copied", policy, 1),
            ):
                decoder = make_decoder(one, ready, rows, most_tokens=80, joins=bool(joins))
                logits: list[mx.array] = []
                for step in range(70):  # more than a block
                    logits.append(decoder.step(mx.full((len(rows),), step % 40)))
                    mx.eval(logits[-1])
                decoder.keep(np.array([0, 2, 4]))
                logits.append(decoder.step(mx.array([3, 1, 2])))
                mx.export_to_dot(str(tmp_path / "graph"), logits[-1])
                count = (tmp_path / "graph").read_text().count("shape=rectangle")
                made[f"{name} {merged}"] = count, logits
    for _, logits in made.values():
        for found, expected in zip(logits, made["usual True"][1], strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4)
    count = {name: found[0] for name, found in made.items()}
    assert 100 < 3 * count["copied True"] < count["usual True"] * 1.1
    assert 3 * count["shared True"] < 2 * count["usual True"]
    assert 2 * count["shared False"] < count["usual False"] * 1.1


@pytest.mark.parametrize(
    ("architecture", "kind", "joins", "wanted"),
    [
        ("llama", "lora", True, (True, True)),
        ("llama", "lora", False, (False, True)),  # adapters beside the weights are as quick
        ("llama", "dora", False, (True, False)),
        ("qwen3", "lora", False, (True, False)),
    ],
)
def test_weights_are_copied_only_where_that_saves_time(
    architecture: str, kind: Any, joins: bool, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tiny_policy(architecture, AdapterConfig(type=kind, rank=4, scale=2.0))
    size, job = footprint(policy), StepJob(True, 1, 4, 8, 8, 8, 8, 1, 4)

    def planned(peak: int) -> tuple[bool, bool]:
        chosen = Choice(MemoryPlan(merge=True, joins=joins, estimated_bytes=peak), Peak(peak), fits=True)
        monkeypatch.setattr(plan_for, "choose", lambda *_, **__: chosen)  # pyright: ignore[reportUnknownLambdaType]
        plan = plan_for.best_plan(size, job, 10**9, policy)
        return plan.merge, plan.joins

    assert planned(10**9) == wanted
    assert planned(1) == (
        (False, False) if wanted == (False, True) else wanted
    )  # copies of prompts do not fit


@pytest.mark.parametrize("architecture", ["qwen3", "qwen3_moe", "gemma2"])
def test_what_has_further_parts_is_not_joined(architecture: str) -> None:
    assert not tiny_policy(architecture).architecture.decodes_joined


def test_a_model_that_scales_what_llama_does_not_is_not_joined() -> None:
    model = tiny_policy("llama").model
    tokens = mx.array([[3, 5, 7, 4, 2, 6, 8, 1]])
    with adapter_off(model, [name for name, module in model.named_modules() if is_adapter(module)]):
        assert decodes_joined(model, tokens)
        kind = type(model.layers[0])
        twice = type(
            "Twice",
            (kind,),
            {"__call__": lambda self, *given, **named: 2 * kind.__call__(self, *given, **named)},
        )
        model.layers[0].__class__ = twice
        assert not decodes_joined(model, tokens)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_adapters_merged_while_sampling_give_the_log_probabilities_of_the_scorer(kind: Any):
    policy = tiny_policy("qwen3", AdapterConfig(type=kind, rank=4, scale=2.0))
    before = dict(policy.model.named_modules())
    rollout = sampled(policy, plan=MemoryPlan(merge=True))
    scored = score(policy, as_rows(rollout), temperature=TEMPERATURE, plan=MemoryPlan()).logprobs
    np.testing.assert_allclose(rollout.sampled_logprobs, scored, atol=1e-4)
    assert dict(policy.model.named_modules()) == before


def test_narrow_weights_keep_their_adapters_beside_them_while_sampling():
    policy = tiny_policy("llama", quantise=4, hidden_size=64, intermediate_size=64, head_dim=16)
    alone = sampled(policy)
    merged = sampled(policy, plan=MemoryPlan(merge=True, joined_tokens=18))
    np.testing.assert_array_equal(merged.sampled_logprobs, alone.sampled_logprobs)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_one_update_makes_good_completions_likelier_and_bad_ones_less_likely(architecture: str):
    policy = tiny_policy(architecture, stir=False)
    rows = as_rows(sampled(policy))
    advantages = mx.array(np.tile([1.0, -1.0], 6).astype(np.float32))
    mask = mx.array(rows.completion_mask)

    def loss(row_index: Any, logprobs: mx.array, _: Any) -> tuple[mx.array, dict[str, mx.array]]:
        chosen = mx.array(row_index)
        return -(logprobs * advantages[chosen][:, None] * mask[chosen]).sum() / 12, {}

    plan = MemoryPlan(layer_wise=True, train_rows=2)
    before = score(policy, rows, temperature=1.0, plan=plan).logprobs.sum(axis=1)
    _, gradient, _ = loss_and_gradients(policy, rows, loss, temperature=1.0, plan=plan)
    optim.SGD(learning_rate=1e-3).update(policy.model, gradient)
    after = score(policy, rows, temperature=1.0, plan=plan).logprobs.sum(axis=1)
    assert ((after - before) * np.asarray(advantages)).sum() > 0


def test_the_rows_decoded_together_do_not_change_a_completion():
    policy = tiny_policy("llama")
    together, apart = sampled(policy), sampled(policy, plan=MemoryPlan(decode_rows=1))
    np.testing.assert_array_equal(together.tokens, apart.tokens)
    np.testing.assert_array_equal(together.tokens, sampled(policy, plan=MemoryPlan(decode_rows=5)).tokens)
    assert not np.array_equal(together.tokens, sampled(policy, seed=4).tokens)


def test_the_prefill_chunk_does_not_change_a_completion():
    policy = tiny_policy("llama")
    np.testing.assert_array_equal(
        sampled(policy).tokens, sampled(policy, plan=MemoryPlan(prefill_tokens=2)).tokens
    )


def test_greedy_takes_the_most_likely_token():
    policy = tiny_policy("qwen3")
    rollout = sampled(policy, temperature=0.0)
    np.testing.assert_array_equal(rollout.tokens[0], rollout.tokens[3])  # a group agrees with itself
    for row in (0, 4, 8):
        tokens = list(PROMPTS[row // 4])
        for token in rollout.tokens[row, : rollout.lengths[row]]:
            assert token == mx.argmax(policy.model(mx.array([tokens]))[0, -1]).item()
            tokens.append(int(token))


@pytest.mark.parametrize(
    "filters",
    [{"top_k": 3}, {"top_p": 0.5}, {"min_p": 0.2}, {"repetition_penalty": 1.5}, {"xtc_probability": 0.5}],
    ids=lambda filters: next(iter(filters)),
)
def test_filters_change_the_choice_but_not_what_is_recorded(filters: dict[str, float]):
    policy = tiny_policy("llama")
    rollout = sampled(policy, **filters)
    scored = score(policy, as_rows(rollout), temperature=TEMPERATURE, plan=MemoryPlan()).logprobs
    np.testing.assert_allclose(rollout.sampled_logprobs, scored, atol=1e-4)


def test_top_k_one_is_greedy():
    policy = tiny_policy("llama")
    np.testing.assert_array_equal(sampled(policy, top_k=1).tokens, sampled(policy, temperature=0.0).tokens)


def test_a_stop_token_ends_the_completion_and_belongs_to_it():
    policy = tiny_policy("llama")
    policy.stop_tokens = frozenset(range(2, 30))
    rollout = sampled(policy, max_completion_length=40)
    for row, length in enumerate(rollout.lengths):
        assert rollout.finish_reasons[row] == "stop"
        assert rollout.tokens[row, length - 1] in policy.stop_tokens
        assert not policy.stop_tokens & set(rollout.tokens[row, : length - 1].tolist())


def test_extra_stop_tokens_and_stop_strings_end_a_completion():
    policy = tiny_policy("llama")
    policy.stop_tokens = frozenset()
    named = sampled(policy, extra_stop_tokens=("17",), max_completion_length=60)
    for row, length in enumerate(named.lengths):
        ended = named.tokens[row, length - 1] == 17
        assert named.finish_reasons[row] == ("stop" if ended else "length")
    text = sampled(policy, stop_strings=(" 3",), max_completion_length=60)
    for reason, said in zip(text.finish_reasons, text.texts, strict=True):
        assert (" 3" in said) == (reason == "stop")
        assert " 3" not in said.rpartition(" ")[0]


def test_progress_counts_finished_rows_and_stopping_ends_the_rollout():
    policy = tiny_policy("llama")
    seen: list[tuple[int, int]] = []
    generate(
        policy,
        PROMPTS,
        group_size=2,
        sampling=SamplingConfig(max_completion_length=3),
        seed=0,
        plan=MemoryPlan(decode_rows=4),
        watch=Watch(lambda done, total, _: seen.append((done, total))),
    )
    assert seen[-1] == (6, 6)
    with pytest.raises(Stopped):
        generate(
            policy,
            PROMPTS,
            group_size=2,
            sampling=SamplingConfig(max_completion_length=3),
            seed=0,
            plan=MemoryPlan(),
            watch=Watch(should_stop=lambda: True),
        )
