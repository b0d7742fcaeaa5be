"""The keys of other trainers' configs: which of ours each one is, and which are none of ours."""

from __future__ import annotations

import re

#: their key -> our setting, where both mean the same
SAME: dict[str, tuple[str, str]] = {
    their: (section, ours)
    for (section, ours), theirs in {
        ("model", "path"): "model model_path model_name model_name_or_path base_model",
        ("data", "path"): "data data_path dataset",
        ("data", "system_prompt"): "system_prompt",
        ("adapter", "rank"): "lora_rank rank lora_r",
        ("adapter", "scale"): "lora_scale",
        ("adapter", "dropout"): "lora_dropout",
        ("adapter", "layers"): "num_layers lora_layers num_lora_layers",
        ("training", "iterations"): "iters iterations max_steps num_steps total_steps",
        ("training", "batch_size"): "batch_size",
        ("training", "gradient_accumulation_steps"): "gradient_accumulation_steps grad_accumulation_steps",
        ("training", "max_seq_length"): "max_seq_length max_sequence_length max_seq_len",
        ("training", "max_grad_norm"): "max_grad_norm grad_clip gradient_clip",
        ("training", "seed"): "seed",
        ("training", "steps_per_report"): "steps_per_report logging_steps",
        ("optimizer", "learning_rate"): "learning_rate lr",
        ("optimizer", "weight_decay"): "weight_decay",
        ("optimizer", "warmup_steps"): "warmup_steps",
        ("evaluation", "steps_per_eval"): "steps_per_eval eval_steps eval_every",
        ("checkpoint", "save_every"): "save_every save_steps save_interval",
        (
            "sampling",
            "max_completion_length",
        ): "max_completion_length max_tokens max_new_tokens max_gen_length",
        ("sampling", "temperature"): "temperature",
        ("sampling", "top_p"): "top_p",
        ("sampling", "top_k"): "top_k",
        ("sampling", "min_p"): "min_p",
        ("sampling", "repetition_penalty"): "repetition_penalty",
        ("method", "group_size"): "group_size num_generations",
        ("method", "beta"): "beta kl_coef kl_beta",
        ("method", "epsilon"): "epsilon clip_epsilon",
        ("method", "epsilon_high"): "epsilon_high",
        ("method", "loss_type"): "loss_type grpo_loss_type dpo_cpo_loss_type",
        ("method", "num_iterations"): "num_iterations ppo_epochs",
        ("method", "steps_per_generation"): "steps_per_generation",
        ("method", "advantage_eps"): "advantage_eps",
        ("method", "ema_alpha"): "ema_alpha",
        ("method", "reference_update_freq"): "reference_update_freq",
        ("method", "reference_mode"): "reference_mode",
        ("method", "mask_truncated_completions"): "mask_truncated_completions",
        ("method", "answer_only_loss"): "mask_prompt",
        ("method", "packing"): "packing",
    }.items()
    for their in theirs.split()
}

_TRACKING = (
    "set `tracking.tensorboard`, `tracking.wandb` (offline) or `tracking.trackio` to draw the curves there"
)
#: what other trainers have and we do not, and what to do instead
NO_COUNTERPART = {
    "adapter_path": "runs are kept in the application's own folder; `droid-tune export` writes the result where you want it",
    "output_dir": "runs are kept in the application's own folder; `droid-tune export` writes the result where you want it",
    "resume_adapter_file": "choose an earlier run under Model (`model.start_from`) instead",
    "reference_model_path": "the reference is the model itself with its adapter off",
    "grad_checkpoint": "the engine chooses its backward pass from the memory budget",
    "fuse": "`droid-tune export RUN --fuse` writes fused weights",
    "epochs": "a run is counted in steps: rows / batch_size steps are one epoch",
    "num_train_epochs": "a run is counted in steps: rows / batch_size steps are one epoch",
    "load_in_4bits": "quantise the model first (`mlx_lm.convert -q`) and train on that",
    "load_in_6bits": "quantise the model first (`mlx_lm.convert -q`) and train on that",
    "load_in_8bits": "quantise the model first (`mlx_lm.convert -q`) and train on that",
    "load_in_mxfp4": "quantise the model first (`mlx_lm.convert -q`) and train on that",
    "trust_remote_code": "code that comes with a model is never run",
    "test": "use the evaluation on held-out rows",
    "report_to": _TRACKING,
    "wandb": _TRACKING,
    "project_name": _TRACKING,
}
#: keys that say nothing about the run: switches and defaults of the other command line
MEANINGLESS = frozenset(
    ("train", "config", "test_batches", "clear_cache_threshold", "verbose", "list_reward_functions")
)
#: under any of these a config names its training method
METHOD_KEYS = ("training_method", "train_mode", "training_mode", "algorithm")
METHOD_NAMES = {"drgrpo": "dr_grpo", "lora": "sft", "gdpo": "grpo"}
#: a config that names no method but one of these speaks of groups of completions
GROUP_KEYS = frozenset(
    ("group_size", "num_generations", "reward_functions", "grpo_loss_type", "max_completion_length")
)


def snake(key: str) -> str:
    """`topEntropyQuantile`, `top-entropy-quantile` -> `top_entropy_quantile`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.replace("-", "_")).lower()
