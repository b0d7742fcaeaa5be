"""A config is closed, explained and refuses in one sentence what cannot work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from droid_tune.config import RunConfig, build, dump_yaml, read_values, resolve
from droid_tune.config.base import Closed
from droid_tune.config.environments import ENVIRONMENT_CONFIGS
from droid_tune.config.recipes.methods import METHOD_CONFIGS, GRPOConfig, SFTConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.rewards import REWARD_CONFIGS
from droid_tune.config.run import SECTIONS
from droid_tune.config.setting_names import known_settings, section_aliases
from droid_tune.config.training_config import OptimizerConfig
from droid_tune.errors import UserError


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        build(values)
    said = str(caught.value)
    assert "\n" not in said
    return said


# -- what each method sets (ALGORITHMS.md, "Methods") --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "expected"),
    {
        "grpo": ("grpo", "token", "group", 0.2, None, 0.04),
        "gspo": ("grpo", "sequence", "group", 3e-4, 4e-4, 0.0),
        "dr_grpo": ("dr_grpo", "token", "none", 0.2, None, 0.0),
        "dapo": ("dapo", "token", "group", 0.2, 0.28, 0.0),
        "bnpo": ("bnpo", "token", "group", 0.2, None, 0.0),
    }.items(),
)
def test_each_method_is_its_papers_recipe(method: str, expected: tuple[Any, ...]) -> None:
    found = METHOD_CONFIGS[method]()
    assert isinstance(found, PolicyMethodConfig)
    names = ("loss_type", "importance_sampling_level", "scale_rewards", "epsilon", "epsilon_high", "beta")
    assert tuple(getattr(found, name) for name in names) == expected


def test_only_dapo_samples_again_and_leaves_out_what_was_cut_off() -> None:
    for name, config in METHOD_CONFIGS.items():
        if issubclass(config, PolicyMethodConfig):
            found = config()
            assert found.dynamic_sampling is found.mask_truncated_completions is (name == "dapo")


def test_supervised_learning_takes_a_learning_rate_twenty_times_that_of_reinforcement() -> None:
    assert build({"method": "sft"}).learning_rate == 2e-4
    assert {build({"method": name}).learning_rate for name in METHOD_CONFIGS if name != "sft"} == {1e-5}
    assert build({"method": "sft", "optimizer": {"learning_rate": 1e-3}}).learning_rate == 1e-3


def test_training_every_weight_takes_a_tenth_of_an_adapters_learning_rate() -> None:
    assert build({"method": "sft", "adapter": {"type": "full"}}).learning_rate == pytest.approx(2e-5)
    assert build({"method": "grpo", "adapter": {"type": "full"}}).learning_rate == pytest.approx(1e-6)
    given = {"method": "sft", "adapter": {"type": "full"}, "optimizer": {"learning_rate": 1e-4}}
    assert build(given).learning_rate == 1e-4


def test_a_batch_of_one_serves_every_loss_that_compares_no_rows() -> None:
    one = {"training": {"batch_size": 1}}
    assert (
        build({"method": {"type": "kto", "loss_type": "apo_zero_unpaired"}, **one}).training.batch_size == 1
    )
    with pytest.raises(
        UserError, match="`batch_size` 1 is too small for kto, which sets each prompt beside another"
    ):
        build({"method": {"type": "kto"}, **one})


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [
        ("importance_sampling_level", None, "none"),
        ("importance_sampling_level", "none", "none"),
        ("scale_rewards", False, "none"),
        ("scale_rewards", True, "group"),
    ],
)
def test_what_other_trainers_write_for_a_choice_is_understood(name: str, value: Any, meaning: str) -> None:
    assert getattr(GRPOConfig.model_validate({name: value}), name) == meaning


# -- aliases and unknown names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alias", "name"), PolicyMethodConfig.aliases.items())
def test_a_methods_alias_means_its_field(alias: str, name: str) -> None:
    values = {"beta": 0.5, "num_iterations": 3, "group_size": 6, "loss_type": "bnpo"}
    value = values.get(name, "normalize_then_sum")
    assert getattr(GRPOConfig.model_validate({alias: value}), name) == value


@pytest.mark.parametrize("section", SECTIONS)
def test_every_sections_aliases_mean_fields_that_exist(section: str) -> None:
    known = RunConfig.model_fields[section].annotation
    models = list(METHOD_CONFIGS.values()) if section == "method" else [known]
    fields: set[str] = set()
    for model in models:
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        fields |= set(model.model_fields)
    assert set(section_aliases(section).values()) <= fields


def test_an_alias_beside_its_field_with_another_value_is_refused() -> None:
    assert "`kl_coef` and `beta` are the same setting" in refused(
        {"method": {"type": "grpo", "beta": 0.1, "kl_coef": 0.2}}
    )
    assert build({"method": {"type": "grpo", "beta": 0.1, "kl_coef": 0.1}}).method == GRPOConfig(beta=0.1)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"method": {"type": "grpo", "group_sizes": 4}}, "did you mean `group_size`?"),
        ({"trainig": {}}, "did you mean `training`?"),
        ({"training": {"itertions": 4}}, "did you mean `iterations`?"),
        ({"method": {"type": "sft", "packing_": True}}, "did you mean `packing`?"),
        ({"sampling": {"zzz": 1}}, "known here are"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(values: dict[str, Any], hint: str) -> None:
    assert hint in refused(values)


def test_a_fault_is_one_sentence_with_place_and_value() -> None:
    said = refused({"method": {"type": "grpo", "group_size": 1}})
    assert said.startswith("method.group_size: ")
    assert "(got 1)" in said
    assert "and 1 more" in refused({"method": {"type": "grpo", "group_size": 1, "epsilon": 0}})


def test_the_mixture_of_trls_gkd_is_taken_by_its_name() -> None:
    for method in ("gkd", "distillation"):
        assert resolve({"method": {"type": method, "beta": 0.25}}).method.distillation_alpha == 0.25  # type: ignore[union-attr]
    assert resolve({"method": {"type": "grpo", "beta": 0.25}}).method.beta == 0.25  # type: ignore[union-attr]


# -- combinations that cannot work ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"environment": {"type": "openenv", "server": "http://example.com:8000"}},
            "is no http address of this computer: http://example.com:8000",
        ),
        (
            {"method": {"type": "sdft", "num_loss_tokens_to_skip": 256}},
            "`num_loss_tokens_to_skip` 256 leaves nothing of an answer of at most `max_completion_length` 256",
        ),
        (
            {"method": {"type": "gkd", "beta": 0.3, "distillation_alpha": 0.5}},
            "`beta` and `distillation_alpha` are the same setting; give only one of them",
        ),
        ({"method": {"loss_type": "cispo"}}, "`epsilon_high` must be set for the loss cispo"),
        (
            {"method": {"type": "gspo", "reference_mode": "ema"}},
            "`reference_mode` ema has no effect while `beta` is 0",
        ),
        ({"method": {"loss_type": "sapo", "delta": 2.0}}, "`delta` has no effect on the loss sapo"),
        ({"method": {"sampler_clip_min": 4.0}}, "`sampler_clip_min` must not exceed"),
        ({"method": {"entropy_coef_min": 2.0}}, "`entropy_coef_min` must not exceed"),
        (
            {"method": {"overlong_cache": 300}},
            "`overlong_cache` 300 is more than `max_completion_length` 256",
        ),
        (
            {"method": {"steps_per_generation": 3, "group_size": 8}},
            "`steps_per_generation` 3 must divide the 32",
        ),
        ({"sampling": {"temperature": 0}}, "`temperature` 0 makes all completions of a group the same"),
        ({"sampling": {"top_k": 1}}, "`top_k` 1 makes all completions of a group the same"),
        ({"sampling": {"stop_strings": ["\n", ""]}}, "`stop_strings` holds an empty text"),
        ({"sampling": {"max_completion_length": 2048}}, "leaves no room for a prompt"),
        ({"rewards": []}, "`rewards` must hold at least one"),
        ({"rewards": [{"type": "format"}, {"type": "format"}]}, "two rewards are called `format`"),
        ({"optimizer": {"name": "adam", "weight_decay": 0.1}}, "`weight_decay` has no effect in adam"),
        ({"adapter": {"layers": 0}}, "`layers` 0 would train nothing"),
        ({"model": {"start_mode": "fuse"}}, "`start_from` is empty, so there is nothing to fuse"),
        ({"version": 99}, "comes from a newer Droid Tune"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], sentence: str) -> None:
    if "type" not in values.get("method", {"type": ""}):
        values = {**values, "method": {"type": "grpo", **values["method"]}}
    assert sentence in refused(values)


def test_what_only_groups_need_is_not_asked_of_supervised_learning() -> None:
    config = build({"method": "sft", "sampling": {"temperature": 0}, "rewards": []})
    assert isinstance(config.method, SFTConfig)


def test_a_moving_reference_is_welcome_where_something_is_compared_with_it() -> None:
    method = {"type": "dapo", "beta": 0.01, "reference_mode": "periodic"}
    assert build({"method": method}).method.model_dump()["reference_mode"] == "periodic"


# -- every field is explained, every config reads back ------------------------------------------------------------------


def closed_models() -> list[type[BaseModel]]:
    sections = [RunConfig.model_fields[name].annotation for name in SECTIONS if name != "method"]
    found = [one for one in sections if isinstance(one, type) and issubclass(one, Closed)]
    return [*found, *METHOD_CONFIGS.values(), *REWARD_CONFIGS.values(), *ENVIRONMENT_CONFIGS.values()]


@pytest.mark.parametrize("model", closed_models(), ids=lambda model: model.__name__)
def test_every_setting_has_a_title_and_a_description(model: type[BaseModel]) -> None:
    bare = [
        name
        for name, field in model.model_fields.items()
        if name != "type" and not (field.title and field.description)
    ]
    assert bare == []


def test_every_setting_of_every_method_can_be_set_by_its_short_name() -> None:
    short = {path[-1] for path in known_settings()}
    assert {name for name in PolicyMethodConfig.model_fields if name != "type"} <= short


@pytest.mark.parametrize("method", METHOD_CONFIGS)
def test_a_dumped_config_reads_back_the_same(method: str, tmp_path: Any) -> None:
    config = resolve(
        {
            "method": method,
            "sampling": {"stop_strings": ["\n\n", "Ünï: #", "\x85", "\u2028 x"]},
            "name": "yes: no",
        }
    )
    file = tmp_path / "run.yaml"
    file.write_text(dump_yaml(config), encoding="utf-8")
    assert build(read_values(file)) == config


policy_methods = st.fixed_dictionaries(
    {"type": st.sampled_from(["grpo", "gspo", "dr_grpo", "dapo", "bnpo"])},
    optional={
        "group_size": st.integers(2, 64),
        "beta": st.floats(1e-6, 10),
        "epsilon": st.floats(1e-6, 0.999),
        "epsilon_high": st.none() | st.floats(1e-6, 100),
        "num_iterations": st.integers(1, 16),
        "top_entropy_quantile": st.floats(0, 1),
        "importance_sampling_level": st.sampled_from(["token", "sequence", "sequence_token", "none"]),
        "entropy_target": st.none() | st.floats(0, 5),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    policy_methods,
    st.integers(1, 10_000),
    st.floats(1e-12, 1),
    st.lists(st.text(min_size=1, max_size=5), max_size=3),
)
def test_any_valid_config_survives_the_way_through_yaml(
    method: dict[str, Any], iterations: int, rate: float, stops: list[str]
) -> None:
    import yaml

    config = build(
        {
            "method": method,
            "training": {"iterations": iterations},
            "optimizer": {"learning_rate": rate},
            "sampling": {"stop_strings": stops},
        }
    )
    assert build(yaml.safe_load(dump_yaml(config))) == config


def test_a_learning_rate_that_yaml_would_read_as_a_text_is_a_number(tmp_path: Any) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("optimizer: {learning_rate: 1e-5}\n", encoding="utf-8")
    assert build(read_values(file)).optimizer == OptimizerConfig(learning_rate=1e-5)
