"""Other trainers' configs become ours: the same settings, and a word about everything else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droid_tune.config import resolve
from droid_tune.config.foreign.foreign_keys import NO_COUNTERPART, SAME, snake
from droid_tune.config.foreign.migrate import import_foreign, is_foreign
from droid_tune.config.recipes.methods import METHOD_CONFIGS
from droid_tune.config.rewards import AccuracyReward, UserFileReward
from droid_tune.config.run import RunConfig
from droid_tune.errors import UserError

#: mlx-lm's documented example, shortened
MLX_LM: dict[str, Any] = {
    "model": "Qwen/Qwen3-0.6b",
    "train": True,
    "fine_tune_type": "dora",
    "optimizer": "adamw",
    "optimizer_config": {"adamw": {"betas": [0.9, 0.98], "eps": 1e-6, "weight_decay": 0.01}},
    "data": "my-data",
    "seed": 7,
    "num_layers": 8,
    "batch_size": 2,
    "iters": 600,
    "val_batches": 25,
    "learning_rate": "1e-5",
    "steps_per_report": 10,
    "steps_per_eval": 200,
    "resume_adapter_file": None,
    "adapter_path": "adapters",
    "save_every": 100,
    "test": False,
    "max_seq_length": 1024,
    "grad_checkpoint": False,
    "lora_parameters": {"keys": ["self_attn.q_proj"], "rank": 4, "scale": 10.0, "dropout": 0.1},
    "lr_schedule": {
        "name": "cosine_decay",
        "warmup": 20,
        "warmup_init": 1e-7,
        "arguments": [1e-5, 600, 1e-6],
    },
    "mask_prompt": True,
}

GRPO_JSON: dict[str, Any] = {
    "training_method": "GSPO",
    "model_path": "some-model",
    "train_data_path": "folder/train.jsonl",
    "val_data_path": "folder/valid.jsonl",
    "iterations": 100,
    "group_size": 4,
    "epsilon": 3e-4,
    "importance_sampling_level": "sequence",
    "reward_functions": "accuracy,format",
    "reward_weights": "[0.7, 0.3]",
}


def test_mlx_lm_s_yaml_becomes_supervised_fine_tuning() -> None:
    values, notes = import_foreign(MLX_LM)
    config = resolve(values)
    assert config.method.model_dump() == {"type": "sft", "answer_only_loss": True, "packing": False}
    assert config.model.path == "Qwen/Qwen3-0.6b"
    assert config.data.path == "my-data"
    assert config.adapter.model_dump() == {
        "type": "dora",
        "rank": 4,
        "scale": 10.0,
        "dropout": 0.1,
        "layers": 8,
        "target_modules": ("*self_attn.q_proj",),
    }
    assert (config.training.iterations, config.training.batch_size, config.training.seed) == (600, 2, 7)
    optimizer = config.optimizer
    assert (optimizer.name, optimizer.beta2, optimizer.weight_decay) == ("adamw", 0.98, 0.01)
    assert (optimizer.schedule, optimizer.learning_rate, optimizer.warmup_steps) == ("cosine", 1e-5, 20)
    assert optimizer.final_fraction == pytest.approx(0.1)  # 1e-6 of 1e-5
    assert config.evaluation.rows == 50  # 25 batches of 2
    assert notes == [
        "The config names no training method; it is read as `sft`.",
        "`optimizer_config.adamw.eps` has no counterpart.",
        "`val_batches` 25 of 2 rows each became `evaluation.rows` 50.",
        "`adapter_path` has no counterpart: runs are kept in the application's own folder; `droid-tune export` writes the "
        "result where you want it.",
        "`lr_schedule` falls to the end of the run here, whatever number of steps it names.",
    ]


@pytest.mark.parametrize("camel", [False, True])
def test_the_flat_json_becomes_its_method_camel_case_or_not(camel: bool) -> None:
    config, notes = imported({camel_case(key) if camel else key: value for key, value in GRPO_JSON.items()})
    assert config.method.type == "gspo"
    assert (config.model.path, config.data.path) == ("some-model", "folder")
    assert config.training.iterations == 100
    assert [(reward.type, reward.weight) for reward in config.rewards] == [("accuracy", 0.7), ("format", 0.3)]
    assert notes == []


def test_mlx_lm_lora_s_rewards_keep_their_proportions() -> None:
    config, notes = imported(
        {
            "train_mode": "grpo",
            "grpo_loss_type": "bnpo",
            "reward_functions": "r1_accuracy_reward_func,r1_int_reward_func,mine",
            "reward_functions_file": "my_rewards.py",
            "delta": 50.0,
            "qat_bits": 8,
            "judge": None,
        }
    )
    accuracy, integer, mine = config.rewards
    assert isinstance(accuracy, AccuracyReward)
    assert (accuracy.extraction, accuracy.weight) == ("answer_tag", 2.0)
    assert integer.weight == 0.5
    assert isinstance(mine, UserFileReward)
    assert (mine.path, mine.function, mine.name) == ("my_rewards.py", "mine", "mine")
    assert "`delta` belongs to DPO there and is left out." in notes
    assert "`qat_bits` has no counterpart." in notes


def imported(values: dict[str, Any]) -> tuple[RunConfig, list[str]]:
    found, notes = import_foreign(values)
    return resolve(found), notes


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("GRPO", "grpo"),
        ("Dr. GRPO", "dr_grpo"),
        ("dr-grpo", "dr_grpo"),
        ("DrGRPO", "dr_grpo"),
        ("SFT", "sft"),
    ],
)
def test_methods_go_by_many_spellings(name: str, type_: str) -> None:
    assert imported({"training_method": name})[0].method.type == type_


def test_a_method_of_theirs_alone_is_refused() -> None:
    with pytest.raises(
        UserError, match="trains by `gail`, which Droid Tune does not have; choose one of grpo"
    ):
        import_foreign({"train_mode": "gail", "iters": 5})


def test_an_epsilon_for_numerical_stability_is_taken_over_and_warned_about() -> None:
    values, notes = import_foreign({"training_method": "grpo", "epsilon": "1e-4"})
    assert values["method"]["epsilon"] == "1e-4"
    assert [note.startswith("`epsilon` 1e-4 is taken over, but it is a clip width") for note in notes] == [
        True
    ]
    assert import_foreign({"training_method": "gspo", "epsilon": 3e-4}).notes == []
    assert import_foreign({"training_method": "grpo", "epsilon": 0.2}).notes == []


def test_the_camel_case_entropy_quantile_is_the_share_left_out() -> None:
    values, notes = import_foreign({"trainingMethod": "grpo", "topEntropyQuantile": 0.8})
    assert values["method"]["top_entropy_quantile"] == pytest.approx(0.2)
    assert notes == ["`topEntropyQuantile` 0.8 became 0.2: here it is the share of tokens that is kept."]
    own_name = import_foreign({"training_method": "grpo", "top_entropy_quantile": 0.2})
    assert own_name.values["method"]["top_entropy_quantile"] == 0.2
    assert own_name.notes == []


@pytest.mark.parametrize("level", [None, "none"])
def test_no_ratio_level_is_accepted(level: str | None) -> None:
    values, notes = import_foreign({"training_method": "grpo", "importance_sampling_level": level})
    assert values["method"]["importance_sampling_level"] == "none"
    assert notes == [
        "`importance_sampling_level` none is taken over: the ratio is always 1, so nothing is clipped."
    ]


def test_other_small_conversions() -> None:
    assert import_foreign({"iters": 1, "lora_parameters": {"rank": 8, "alpha": 16}}).values["adapter"] == {
        "rank": 8,
        "scale": 2.0,
    }
    assert import_foreign({"training_method": "grpo", "scale_rewards": False}).values["method"] == {
        "type": "grpo",
        "scale_rewards": "none",
    }
    assert (
        import_foreign({"training_method": "grpo", "ppo_epochs": 2}).values["method"]["num_iterations"] == 2
    )


@pytest.mark.parametrize(
    ("given", "scale"),
    [
        ({"lora_rank": 16, "lora_alpha": 32}, 2.0),
        ({"lora_r": 16, "lora_alpha": 32}, 2.0),  # 32 / 8 where the rank was called so
        ({"rank": 16, "lora_alpha": 32}, 2.0),
        ({"lora_rank": 16, "lora_alpha": 32, "use_rslora": True}, 8.0),  # 32 / sqrt(16)
        ({"use_rslora": True, "lora_parameters": {"rank": 16, "alpha": 32}}, 8.0),
        ({"lora_rank": 16, "lora_alpha": 32, "use_rslora": False}, 2.0),
    ],
)
def test_alpha_becomes_a_scale_by_the_rank_whatever_it_is_called(given: dict[str, Any], scale: float) -> None:
    values, notes = import_foreign({"iters": 1, **given})
    assert values["adapter"] == {"rank": 16, "scale": scale}
    assert any(f"became `adapter.scale` {scale:g}" in note for note in notes)
    assert not any("rslora` has no" in note or "without" in note for note in notes)


def test_pefts_modules_and_dora_are_read() -> None:
    adapter = import_foreign({"iters": 1, "lora_target_modules": "q_proj, v_proj", "use_dora": True}).values[
        "adapter"
    ]
    assert adapter == {"type": "dora", "target_modules": ["*q_proj", "*v_proj"]}
    assert (
        "adapter"
        not in import_foreign({"iters": 1, "lora_target_modules": "all-linear", "use_dora": False}).values
    )
    notes = import_foreign({"iters": 1, "use_rslora": True}).notes
    assert "`use_rslora` without `lora_alpha` has no counterpart: set `adapter.scale`." in notes


def test_data_files_in_two_folders_are_named() -> None:
    values, notes = import_foreign({"train_data_path": "a/train.jsonl", "val_data_path": "b/valid.jsonl"})
    assert values["data"]["path"] == "a/train.jsonl"
    assert any("put both files into one folder as train.jsonl and valid.jsonl" in note for note in notes)


def test_weights_that_do_not_match_are_refused() -> None:
    with pytest.raises(UserError, match="`reward_weights` has 3 numbers for 2 reward functions"):
        import_foreign({**GRPO_JSON, "reward_weights": "[1, 2, 3]"})


def test_an_unknown_reward_is_listed_and_the_default_said() -> None:
    config, notes = imported({"training_method": "grpo", "model": "m", "reward_functions": "sparkle"})
    assert [reward.type for reward in config.rewards] == ["accuracy"]
    assert notes == [
        "The reward `sparkle` has no counterpart; write it as a function in a Python file (`user_file`).",
        "None of the reward functions is known, so the default rewards are used.",
    ]


def test_settings_of_groups_are_left_out_of_sft_and_said() -> None:
    values, notes = import_foreign({"training_method": "sft", "group_size": 4})
    assert values["method"] == {"type": "sft"}
    assert notes == ["`group_size` means nothing to SFT and is left out."]


@pytest.mark.parametrize("method", METHOD_CONFIGS)
def test_our_own_configs_come_back_as_they_are(method: str) -> None:
    own = resolve({"method": method}).model_dump(mode="json")
    assert not is_foreign(own)
    assert import_foreign(own) == (own, [])
    assert not is_foreign({"method": method, "typo": 1})  # refused later, with the nearest name


def test_our_sections_win_over_their_keys_in_a_mixed_config() -> None:
    values, _ = import_foreign(
        {"iters": 5, "learning_rate": 1e-4, "training": {"iterations": 9}, "method": "grpo"}
    )
    assert values["training"] == {"iterations": 9}
    assert values["optimizer"] == {
        "learning_rate": 1e-4,
        "schedule": "constant",
    }  # theirs falls only where it says so
    assert values["method"] == {"type": "grpo"}


def test_every_key_that_is_taken_over_is_a_setting_of_ours() -> None:
    for section, name in set(SAME.values()):
        fields = (
            {field for config in METHOD_CONFIGS.values() for field in config.model_fields}
            if section == "method"
            else type(getattr(RunConfig(), section)).model_fields
        )
        assert name in fields, (section, name)
    assert not set(SAME) & set(NO_COUNTERPART)


@given(st.dictionaries(st.sampled_from([*SAME, *NO_COUNTERPART, "made_up"]), st.just("1"), min_size=1))
def test_no_key_is_dropped_in_silence(config: dict[str, str]) -> None:
    values, notes = import_foreign({"training_method": "grpo", "optimizer_config": {}, **config})
    said = " ".join(notes)
    for key in config:
        section, name = SAME.get(key, ("", ""))
        assert name in values.get(section, {}) or f"`{key}`" in said or f"`{name}`" in said


def camel_case(key: str) -> str:
    first, *rest = key.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    assert snake(camel) == key
    return camel
