"""Field defaults, the model's recommendation, the preset, the user's file, `--set`: each lies over the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.config import PRESETS, merge, parse_overrides, read_values, resolve
from droid_tune.config.recipes.methods import METHOD_CONFIGS, GRPOConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.errors import UserError


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A model folder that recommends something, in common and for one method."""
    (tmp_path / "droid-tune.yaml").write_text(
        "common: {training: {iters: 60}, optimizer: {learning_rate: 3.0e-4}}\n"
        "methods: {sft: {training: {iterations: 200}}}\n",
        encoding="utf-8",
    )
    return str(tmp_path)


def test_the_model_recommends_over_the_defaults(model: str) -> None:
    assert resolve({"model": {"path": model}}).training.iterations == 60
    assert resolve({"model": {"path": model}}).learning_rate == 3e-4


def test_a_methods_own_recommendation_lies_over_the_common_one(model: str) -> None:
    config = resolve({"model": {"path": model}, "method": "sft"})
    assert (config.training.iterations, config.learning_rate) == (200, 3e-4)


def test_the_preset_lies_over_the_recommendation_and_the_user_over_the_preset(model: str) -> None:
    values: dict[str, Any] = {"model": {"path": model}}
    assert resolve(values, preset="fast_test").training.iterations == 20
    mine = merge(values, parse_overrides(["iterations=7"]))
    assert resolve(mine, preset="fast_test").training.iterations == 7


def test_the_learning_rate_is_written_out(tmp_path: Path) -> None:
    assert resolve({"model": {"path": str(tmp_path)}}).optimizer.learning_rate == 1e-5


def test_a_model_without_a_recommendation_has_none(tmp_path: Path) -> None:
    assert resolve({"model": {"path": str(tmp_path)}}).training.iterations == 200


# -- presets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHOD_CONFIGS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fits_every_method(preset: str, method: str) -> None:
    assert resolve({"method": method}, preset=preset).method.type == method


def test_presets_are_what_their_names_say(tmp_path: Path) -> None:
    values = {"model": {"path": str(tmp_path)}}
    fast = resolve(values, preset="fast_test").method
    full = resolve(values, preset="full_training").method
    small = resolve(values, preset="low_memory")
    few = resolve(values, preset="few_samples")
    assert isinstance(few.method, GRPOConfig)
    assert (few.training.batch_size, few.method.group_size, few.method.num_iterations) == (12, 4, 3)
    assert isinstance(fast, GRPOConfig)
    assert isinstance(full, GRPOConfig)
    assert isinstance(small.method, GRPOConfig)
    assert (fast.group_size, fast.num_iterations) == (2, 1)
    assert full.group_size == 8
    assert (small.method.group_size, small.training.batch_size, small.memory.rows_per_micro_batch) == (
        2,
        1,
        1,
    )
    assert resolve(values, preset="from_sft").learning_rate == 5e-6


def test_an_unknown_preset_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="no preset `quick`; choose one of default, fast_test"):
        resolve({}, preset="quick")


# -- laying one over another ---------------------------------------------------------------------------------------------


def test_a_method_of_another_type_replaces_the_whole_section() -> None:
    below = {"method": {"type": "grpo", "beta": 0.5}}
    assert merge(below, {"method": "gspo"}) == {"method": {"type": "gspo"}}
    assert merge(below, {"method": {"group_size": 2}})["method"] == {
        "type": "grpo",
        "beta": 0.5,
        "group_size": 2,
    }


def test_layers_meet_under_one_name_whatever_alias_they_use() -> None:
    values = merge({"method": {"type": "grpo", "kl_coef": 0.1}}, {})
    config = resolve(values)
    assert isinstance(config.method, GRPOConfig)
    assert config.method.beta == 0.1
    over = resolve(merge({"training": {"iterations": 5}}, parse_overrides(["iters=9"])))
    assert over.training.iterations == 9


layers = st.dictionaries(
    st.sampled_from(["training", "sampling"]),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(), max_size=3),
    max_size=2,
)


@given(layers, layers, layers)
def test_laying_over_is_associative_and_nothing_over_something_is_something(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, {}) == merge({}, one) == one


# -- --set ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "values"),
    [
        ("group_size=4", {"method": {"group_size": 4}}),
        ("kl_coef=1e-3", {"method": {"beta": 0.001}}),
        ("learning_rate=1e-5", {"optimizer": {"learning_rate": 1e-5}}),
        ("optimizer.name=lion", {"optimizer": {"name": "lion"}}),
        ("epsilon_high=null", {"method": {"epsilon_high": None}}),
        ("stop_strings=[a, b]", {"sampling": {"stop_strings": ["a", "b"]}}),
        ("target_modules=['*.q_proj']", {"adapter": {"target_modules": ["*.q_proj"]}}),
        ("method=dapo", {"method": {"type": "dapo"}}),
        ("name=see: [", {"name": "see: ["}),
        ("name=2026-13-40", {"name": "2026-13-40"}),
    ],
)
def test_a_setting_is_given_by_its_short_or_full_name(pair: str, values: dict[str, Any]) -> None:
    assert parse_overrides([pair]) == values


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("group_size", "needs the form name=value"),
        ("groupsize=4", "did you mean `group_size`?"),
        ("typo_of_nothing_at_all=1", "unknown setting"),
    ],
)
def test_a_wrong_setting_is_refused(pair: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_overrides([pair])
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 120


# -- files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("run.yaml", "training:\n  iterations: [1\n", "run.yaml:3:"),
        ("run.json", '{"training": {"iterations": }}', "run.json:1:29"),
        ("run.yaml", "- a\n- b\n", "must hold settings"),
    ],
)
def test_a_file_that_is_no_config_is_refused_with_the_place(
    tmp_path: Path, name: str, text: str, place: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_values(tmp_path / name)
    assert place in str(caught.value)


@pytest.mark.parametrize("section", ["model", "data"])
def test_a_word_in_place_of_a_section_is_said_to_be_none(section: str) -> None:
    """It was taken for the section's type, and told as an unknown setting `type`."""
    with pytest.raises(UserError, match=f"{section}: must hold settings .*got 'starter'"):
        resolve(parse_overrides([f"{section}=starter"]))


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert read_values(tmp_path / "run.yaml") == {}


def test_all_reinforcement_methods_have_the_same_settings() -> None:
    fields = {
        name: set(config.model_fields)
        for name, config in METHOD_CONFIGS.items()
        if issubclass(config, PolicyMethodConfig)
    }
    own = {name: found - {"type", *PolicyMethodConfig.model_fields} for name, found in fields.items()}
    assert {name: found for name, found in own.items() if found} == {
        "a2po": {"beta1", "value_samples", "filter_all_incorrect"},
        "ppo": {"gamma", "lam", "value_clip", "value_weight", "whiten_rewards", "missing_eos_penalty"},
    }
