"""Memory formulas: what grows with what, and the choice of a plan from a budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droid_tune.config import resolve
from droid_tune.estimate.forecast import facts_for
from droid_tune.estimate.job import StepJob, job_of
from droid_tune.estimate.memory import peak_of, rollout_parts
from droid_tune.estimate.plan import MemoryPlan
from droid_tune.estimate.planning import MOST_EVALUATED, choose, smallest
from droid_tune.estimate.sizes import Sizes, sizes_of
from droid_tune.estimate.trained import trained_part
from droid_tune.model_files.read_facts import facts_of
from tests.engine.estimate.conftest import CONFIG, dense, packed

FACTS = facts_of(CONFIG, ())
JOB = StepJob(
    reinforcement=True,
    prompts=4,
    group_size=8,
    longest_prompt=100,
    longest_completion=100,
    usual_prompt=100,
    usual_completion=100,
    steps=10,
    rows_per_slice=32,
    entropy=True,
)


def sizes(**changes: object) -> Sizes:
    return replace(sizes_of(resolve({"adapter": {"rank": 8}}), FACTS, "cpu"), **changes)  # pyright: ignore


def peak(job: StepJob = JOB, plan: MemoryPlan | None = None, **changes: object) -> int:
    return peak_of(sizes(**changes), job, plan or MemoryPlan(train_rows=2, head_tokens=64)).bytes


def test_an_adapter_trains_rank_times_inputs_and_outputs() -> None:
    found = trained_part(resolve({"adapter": {"rank": 4}}).adapter, FACTS)
    per_layer = 4 * ((64 + 64) + (64 + 32) + (64 + 32) + (64 + 64) + 3 * (64 + 192))
    assert found.numbers == 2 * per_layer
    assert found.bytes == 4 * found.numbers  # float32


def test_dora_trains_a_magnitude_for_each_output_too() -> None:
    lora = trained_part(resolve({}).adapter, FACTS).numbers
    dora = trained_part(resolve({"adapter": {"type": "dora"}}).adapter, FACTS).numbers
    assert dora - lora == 2 * (64 + 32 + 32 + 64 + 192 + 192 + 64)


def test_patterns_and_layers_choose_what_is_trained() -> None:
    one = trained_part(
        resolve({"adapter": {"target_modules": ["*.q_proj"], "layers": 1, "rank": 1}}).adapter, FACTS
    )
    assert one.numbers == 64 + 64


def test_full_training_trains_every_number_and_keeps_two_moments_of_each() -> None:
    config = resolve({"adapter": {"type": "full"}})
    found = sizes_of(config, replace(FACTS, compute_bytes=4), "cpu")
    assert found.trained == 4 * FACTS.parameters
    assert found.adapters == 0
    assert found.optimizer == 2 * found.trained


def test_full_training_of_16_bit_weights_keeps_float32_copies_and_moments() -> None:
    found = sizes_of(resolve({"adapter": {"type": "full"}}), FACTS, "cpu")
    assert found.trained == 2 * FACTS.parameters
    assert found.optimizer == (2 + 1) * 4 * FACTS.parameters  # two moments and the copy


def test_layers_that_are_unpacked_weigh_what_their_numbers_do() -> None:
    packed_linear = replace(FACTS.linears[0], quantised=True)
    facts = replace(
        FACTS, linears=(packed_linear,), weight_bytes=FACTS.parameters // 2, quantised=True, compute_bytes=2
    )
    unpacked = facts.with_unpacked_layers
    assert unpacked.weight_bytes - facts.weight_bytes == facts.layers * int(packed_linear.numbers * 1.5)
    assert unpacked.with_unpacked_layers is unpacked


@pytest.mark.parametrize(
    ("beta", "mode", "copies"), [(0.0, "static", 0), (0.1, "static", 0), (0.1, "ema", 1)]
)
def test_only_a_moving_reference_costs_memory(beta: float, mode: str, copies: int) -> None:
    config = resolve({"method": {"type": "grpo", "beta": beta, "reference_mode": mode}})
    found = sizes_of(config, FACTS, "cpu")
    assert found.reference == copies * found.trained


@pytest.mark.parametrize(
    ("method", "changes", "copies"),
    [
        ("dpo", {}, 0),
        ("dpo", {"adapter": {"type": "full"}}, 1),
        ("kto", {"model": {"start_from": "earlier"}}, 1),
        ("kto", {"model": {"start_from": "earlier", "start_mode": "fuse"}}, 0),
        ("simpo", {"adapter": {"type": "full"}, "model": {"start_from": "earlier"}}, 0),
    ],
)
def test_pairs_keep_what_they_are_compared_with(method: str, changes: dict[str, object], copies: int) -> None:
    found = sizes_of(resolve({"method": method, **changes}), FACTS, "cpu")
    assert found.reference == copies * found.trained


@settings(deadline=None)
@given(st.sampled_from(["longest_prompt", "longest_completion", "prompts", "group_size"]), st.integers(2, 6))
def test_more_work_never_takes_less_memory(what: str, times: int) -> None:
    larger = replace(JOB, **{what: times * getattr(JOB, what)})
    larger = replace(larger, rows_per_slice=larger.rows)
    assert peak(larger) >= peak(JOB)


@settings(deadline=None)
@given(st.integers(1, 8), st.booleans())
def test_smaller_portions_never_take_more(rows: int, layer_wise: bool) -> None:
    plan = MemoryPlan(train_rows=rows, head_tokens=64, layer_wise=layer_wise)
    assert peak(plan=replace(plan, train_rows=max(1, rows // 2))) <= peak(plan=plan)
    assert peak(plan=replace(plan, head_tokens=16)) <= peak(plan=plan)
    assert peak(plan=replace(plan, decode_rows=1)) <= peak(plan=plan)


def test_layer_by_layer_saves_most_in_deep_models() -> None:
    whole, layered = MemoryPlan(train_rows=2), MemoryPlan(train_rows=2, layer_wise=True)

    def left(layers: int) -> float:
        return peak(plan=layered, layers=layers) / peak(plan=whole, layers=layers)

    assert max(left(10), left(40)) < 0.65
    assert left(1) > left(2) > left(10)


def test_the_vocabulary_costs_by_the_chunk_and_not_by_the_row() -> None:
    chunk = MemoryPlan(train_rows=8, head_tokens=16)
    assert (
        peak(plan=chunk, vocabulary=128_000)
        < peak(plan=replace(chunk, head_tokens=64), vocabulary=128_000) / 2
    )


def test_attention_weights_are_kept_only_where_the_model_s_attention_is_its_own() -> None:
    lesson = replace(JOB, reinforcement=False, group_size=1, longest_completion=2000, rows_per_slice=4)
    weights = 2 * 2 * 4 * 2 * 2100**2  # layers, rows, heads, bytes, tokens x tokens
    assert peak(lesson, keeps_attention=True) > peak(lesson) + weights
    assert facts_of({**CONFIG, "attn_logit_softcapping": 50.0}, ()).keeps_attention


def test_long_rows_grow_with_their_length_not_with_its_square() -> None:
    lesson = replace(JOB, reinforcement=False, group_size=1, rows_per_slice=1)
    double, four = (peak(replace(lesson, longest_completion=n), hidden=1024) for n in (8_000, 16_000))
    assert four < 2.2 * double


def test_reading_a_long_prompt_on_metal_makes_no_attention_weights() -> None:
    reader = replace(JOB, longest_prompt=512, longest_completion=1)
    rollout = {
        fused: peak_of(sizes(fused_attention=fused), reader, MemoryPlan()).stages["rollout"]
        for fused in (True, False)
    }
    assert rollout[True] < rollout[False]


def test_of_rows_that_are_compared_only_whole_pairs_run_at_a_time() -> None:
    """Measured: three rows at a time take what two take, and were foretold a third more."""
    pairs = replace(JOB, reinforcement=False, group_size=2, rows_per_slice=8, together=2)
    plans = {rows: MemoryPlan(train_rows=rows, head_tokens=64, share_prompts=False) for rows in (1, 2, 3, 4)}
    found = {rows: peak(pairs, plan) for rows, plan in plans.items()}
    assert found[1] < found[2] == found[3] < found[4]


def test_supervised_training_has_no_rollout() -> None:
    found = peak_of(sizes(), replace(JOB, reinforcement=False), MemoryPlan())
    assert set(found.stages) == {"update", "apply"}


def test_the_peak_is_the_largest_stage_and_its_parts_add_up() -> None:
    found = peak_of(sizes(), JOB, MemoryPlan())
    assert found.bytes == max(found.stages.values()) == found.stages[found.worst]
    for stage, parts in found.parts.items():
        assert sum(parts.values()) == found.stages[stage]


def test_a_large_budget_keeps_the_device_busy_and_a_small_one_takes_layers() -> None:
    large = choose(sizes(), JOB, 10**12)
    assert large.fits
    assert not large.plan.layer_wise
    assert large.plan.decode_rows == 32
    tight = choose(
        sizes(layers=40),
        JOB,
        peak(plan=MemoryPlan(decode_rows=32, train_rows=1, head_tokens=64), layers=40) // 2,
    )
    assert tight.plan.layer_wise


def test_long_rows_go_in_segments_before_layer_by_layer_and_short_ones_never() -> None:
    job = replace(JOB, prompts=1, rows_per_slice=8, longest_completion=2048)
    wide = {"hidden": 256, "intermediate": 704, "layers": 6}
    whole = choose(sizes(**wide), job, 10**12)
    tight = choose(sizes(**wide), job, whole.peak.bytes // 2)
    assert (whole.plan.segment_tokens, whole.plan.layer_wise) == (0, False)
    assert (tight.plan.segment_tokens, tight.plan.layer_wise, tight.fits) == (128, False, True)
    assert tight.peak.stages["update"] < choose(sizes(**wide), job, 10**12, backward="layerwise").peak.bytes
    assert smallest(sizes(**wide), job).plan.segment_tokens == 128
    assert smallest(sizes(**wide), JOB).plan.segment_tokens == 0
    assert choose(sizes(**wide, shares_prompts=False), job, 1).plan.segment_tokens == 0


def test_what_segments_take_grows_by_the_cache_and_the_last_states_alone() -> None:
    def grown(segment: int) -> int:
        plan = MemoryPlan(decode_rows=1, train_rows=1, head_tokens=16, segment_tokens=segment)
        job = replace(JOB, prompts=1, rows_per_slice=8)
        shorter, longer = (
            peak_of(
                sizes(hidden=1024, intermediate=3072), replace(job, longest_completion=tokens), plan
            ).stages["update"]
            for tokens in (2048, 4096)
        )
        return longer - shorter

    assert grown(128) < grown(0) / 4


def test_no_budget_is_answered_by_the_smallest_portions() -> None:
    found = choose(sizes(), JOB, 1)
    assert not found.fits
    assert found.plan.train_rows == 1
    assert found.peak.bytes == min(found.peak.bytes, smallest(sizes(), JOB).peak.bytes)


def test_a_choice_leaves_room_for_the_formulas_own_error() -> None:
    exact = choose(sizes(), JOB, 10**12).peak.bytes
    assert choose(sizes(), JOB, int(exact / 0.89)).peak.bytes == exact
    assert choose(sizes(), JOB, exact).peak.bytes < exact


def test_a_small_model_reads_prompts_again_rather_than_pass_by_pass_and_a_large_one_does_not() -> None:
    small, wide = (
        choose(sizes(), JOB, 10**12).plan,
        choose(sizes(hidden=1024, intermediate=3072), JOB, 10**12).plan,
    )
    assert (small.path, small.train_rows) == ("whole rows", 32)
    assert (wide.path, wide.train_rows) == ("two-stage", 2)


def test_the_starter_s_plan_is_the_same_for_lengths_that_are_guessed_and_measured() -> None:
    """The window counts its prompts roughly first (36 tokens), the run exactly (23): both take all rows at once."""
    config = resolve({})
    job = job_of(config, facts_for(config), None)
    for longest in (23, 36):
        chosen = choose(
            sizes_of(config, facts_for(config), "cpu"), replace(job, longest_prompt=longest), 10**10
        )
        assert chosen.plan.path == "whole rows"


def test_busy_passes_are_kept_though_prompts_are_short() -> None:
    """Two answers of 256 tokens behind 32: reading those again is cheap, but all rows at once take three times the memory."""
    pairs = replace(JOB, group_size=2, longest_prompt=32, longest_completion=256, rows_per_slice=8)
    middle = sizes(hidden=256, intermediate=688, query_width=256, key_width=128)
    assert choose(middle, pairs, 10**12).plan.path == "two-stage"


def test_a_small_model_goes_by_passes_where_all_rows_at_once_do_not_fit() -> None:
    whole = choose(sizes(), JOB, 10**12).peak.bytes
    assert choose(sizes(), JOB, whole // 8).plan.path != "whole rows"


def test_the_users_way_back_is_kept() -> None:
    assert choose(sizes(), JOB, 10**12, backward="two_stage").plan.path == "two-stage"


def test_adapters_are_merged_where_the_update_needs_more_than_the_copies() -> None:
    assert sizes().mergeable == 0  # bfloat16
    assert not choose(sizes(), JOB, 10**12).plan.merge
    assert choose(sizes(mergeable=1000), JOB, 10**12).plan.merge
    assert not choose(sizes(mergeable=10**9), JOB, 10**12).plan.merge
    wide = facts_of(CONFIG, tuple_of(dense("F32")))
    copies = trained_part(resolve({}).adapter, wide).mergeable_bytes
    assert copies == 2 * 4 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 192)


def test_tokens_take_few_operations_on_processors_where_the_copies_cost_nothing() -> None:
    mergeable = sizes(mergeable=1000)
    assert choose(mergeable, JOB, 10**12).plan.joins
    assert not choose(mergeable, JOB, 10**12, backend="metal").plan.joins
    assert not choose(sizes(), JOB, 10**12).plan.joins


@pytest.mark.parametrize(("prompt", "copied"), [(200, True), (2_000, False)])
def test_copies_of_prompts_are_counted_where_they_are_made(prompt: int, copied: bool) -> None:
    job = replace(JOB, prompts=2, group_size=4, longest_prompt=prompt, longest_completion=20_000)
    apart, joined = (
        rollout_parts(sizes(), job, MemoryPlan(decode_rows=8, joins=joins)) for joins in (False, True)
    )
    copies = 6 * prompt  # of 64 numbers each in a layer: not 2 ** 19 where a prompt has 200 tokens
    more = copies * sizes().kept_key_values
    assert joined["kv_cache"] - apart["kv_cache"] == (more if copied else 0)


def test_the_users_own_rows_are_kept() -> None:
    plan = choose(sizes(), JOB, 10**12, decode_rows=5, train_rows=3).plan
    assert (plan.decode_rows, plan.train_rows) == (5, 3)


def test_packed_weights_weigh_less_and_activations_the_same() -> None:
    whole, four = facts_of(CONFIG, tuple_of(dense("F32"))), facts_of(CONFIG, tuple_of(packed(4)))
    assert four.weight_bytes < whole.weight_bytes / 5


def tuple_of(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> tuple[object, ...]:
    from droid_tune.model_files.headers import Tensor

    return tuple(Tensor(name, dtype, shape) for name, (dtype, shape) in tensors.items())


@pytest.mark.parametrize("prompt", [16, 100, 2_000])
def test_held_out_rows_are_answered_together_as_far_as_the_peak_stays_where_it_is(prompt: int) -> None:
    job = replace(JOB, longest_prompt=prompt)
    chosen = choose(sizes(), job, 10**12)
    rows = chosen.plan.evaluating.decode_rows

    def rollout(rows: int) -> int:
        alone = replace(job, prompts=rows, group_size=1)
        return peak_of(sizes(), alone, replace(chosen.plan, decode_rows=rows)).stages["rollout"]

    assert rows >= chosen.plan.decode_rows
    assert rows == chosen.plan.decode_rows or rollout(rows) <= chosen.peak.bytes
    assert rows == MOST_EVALUATED or rollout(2 * rows) > chosen.peak.bytes


def test_rows_that_a_user_set_are_those_of_evaluations_too() -> None:
    chosen = choose(sizes(), replace(JOB, longest_prompt=16), 10**12, decode_rows=4)
    assert chosen.plan.evaluating.decode_rows == 4


@pytest.mark.parametrize("prompt", [16, 100, 300])
def test_prompts_are_read_together_only_where_the_peak_stays_where_it_is(prompt: int) -> None:
    job = replace(JOB, longest_prompt=prompt)
    wide, tight = choose(sizes(), job, 10**12), smallest(sizes(), job)
    alone = replace(wide.plan, joined_tokens=0)
    assert peak_of(sizes(), job, wide.plan).bytes == peak_of(sizes(), job, alone).bytes == wide.peak.bytes
    assert (wide.plan.joined_tokens >= 2 * prompt) == (prompt < 300)
    assert tight.plan.joined_tokens == 0
