"""One run, whole: every section, closed and explained. `config.yaml` in the run folder is this, resolved."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from droid_tune.config.base import Closed, setting, unknown_key
from droid_tune.config.environments import (
    ENVIRONMENT,
    ENVIRONMENT_CONFIGS,
    AnyEnvironment,
    judges_by_itself,
)
from droid_tune.config.methods import METHOD_CONFIGS, AnyMethod, GRPOConfig
from droid_tune.config.policy_method import PolicyMethodConfig
from droid_tune.config.ppo_method import PPOConfig
from droid_tune.config.rewards import AccuracyReward, AnyReward
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.sampling_method import SamplingMethodConfig
from droid_tune.config.teaching_methods import SelfTaughtConfig
from droid_tune.config.tracking_config import TrackingConfig
from droid_tune.names import CHECKPOINT, LAST, Backward, RowLoss, Split, Thinking

CONFIG_VERSION = 1


class ModelConfig(Closed):
    """Which model is trained, and from where it starts."""

    path: str = setting("starter", "Model")
    """`starter` or `tools-starter`, a folder with config.json and safetensors, or a Hugging Face id
    (mlx-community/Qwen3-0.6B-4bit).
    """
    revision: str = setting("", "Revision", advanced=True)
    """Branch, tag or commit on the Hub; empty is the newest."""
    start_from: str = setting("", "Start from run", holds="run")
    """The folder or id of an earlier run whose adapter this run begins with; empty starts fresh."""
    start_checkpoint: str = setting(
        LAST, "Checkpoint to start from", advanced=True, pattern=f"^({CHECKPOINT})$"
    )
    """last: the newest weights of that run. best: those with the best held-out evaluation. Or a checkpoint's step."""
    start_mode: Literal["continue", "fuse"] = setting("continue", "How to start from it", advanced=True)
    """continue: its adapter is trained further, the reference stays the base model. fuse: it is merged into
    the model, which becomes the reference, and a new adapter begins.
    """

    @model_validator(mode="after")
    def _something_to_fuse(self) -> Self:
        if self.start_mode == "fuse" and not self.start_from:
            raise ValueError(
                "`start_from` is empty, so there is nothing to fuse; name an earlier run, or set `start_mode` to continue"
            )
        return self


class AdapterConfig(Closed):
    """What is trained: a low-rank adapter, or everything."""

    aliases: ClassVar[dict[str, str]] = {
        "lora_rank": "rank",
        "lora_layers": "layers",
        "num_layers": "layers",
        "keys": "target_modules",
    }

    type: Literal["lora", "dora", "full"] = setting("lora", "What is trained")
    """LoRA trains small added matrices; DoRA also their magnitude; full trains every weight."""
    rank: int = setting(8, "Rank", ge=1, le=512)
    """Size of the added matrices: more can learn more and takes more memory."""
    scale: float = setting(20.0, "Scale", gt=0, le=1000)
    """How strongly the adapter acts."""
    dropout: float = setting(0.0, "Dropout", advanced=True, ge=0, lt=1)
    """Share of adapter inputs left out while training, against overfitting."""
    layers: int = setting(-1, "Layers", advanced=True, ge=-1)
    """How many of the last layers are trained; -1 is all."""
    target_modules: tuple[str, ...] = setting((), "Modules", advanced=True)
    """Name patterns of the layers to train, such as *.q_proj; empty takes every linear layer."""

    @model_validator(mode="after")
    def _some_layers(self) -> Self:
        if self.layers == 0:
            raise ValueError("`layers` 0 would train nothing; use -1 for all layers")
        return self


class DataConfig(Closed):
    """Where the rows come from and how they are read."""

    path: str = setting("sample", "Data")
    """`sample` or `tools-sample`, a file, or a folder with train.jsonl (and valid.jsonl)."""
    files: dict[Split, list[str]] = setting(title="Files", default_factory=dict, advanced=True)
    """Files from several places by their split; read in place of `path`."""
    mapping: dict[str, str] = setting(title="Column mapping", default_factory=dict, advanced=True)
    """Our field: the data's column, e.g. prompt: query."""
    system_prompt: str = setting("", "System prompt")
    """Put before every row that has no system text of its own; empty is none."""
    thinking: Thinking = setting("template", "Thinking", advanced=True)
    """For templates that can switch thinking on or off; `template` leaves it as the model has it."""
    template_date: str = setting("", "Date in the prompt", advanced=True)
    """The day that a template with a date tells (2026-11-30); empty is the day on which the run was made."""
    shuffle: bool = setting(True, "Shuffle", advanced=True)
    """A new order every epoch, from the seed."""

    @field_validator("template_date")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if value:
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError(f"`{value}` is no date such as 2026-11-30") from None
        return value


class TrainingConfig(Closed):
    """How long and in what portions."""

    aliases: ClassVar[dict[str, str]] = {
        "iters": "iterations",
        "grad_accumulation_steps": "gradient_accumulation_steps",
    }

    iterations: int = setting(200, "Steps", ge=1, le=10_000_000)
    """How often the weights are updated."""
    batch_size: int = setting(4, "Prompts per step", ge=1, le=4096)
    """Rows of data per rollout; per update where the model learns from given answers."""
    gradient_accumulation_steps: int = setting(1, "Accumulate", advanced=True, ge=1, le=1024)
    """Batches (rollout slices) gathered into one update."""
    max_seq_length: int = setting(2048, "Longest sequence", unit="tokens", ge=8, le=1_048_576)
    """Prompt and completion together; longer prompts are refused before training."""
    max_grad_norm: float = setting(1.0, "Gradient clip", advanced=True, ge=0)
    """Largest norm of the gradient; 0 is off."""
    seed: int = setting(0, "Seed", ge=0, le=2**31 - 1)
    """The same seed, data and settings give the same run."""
    steps_per_report: int = setting(1, "Report every", advanced=True, unit="steps", ge=1)
    """Steps between points on the curves."""
    stop_at: int = setting(0, "Stop at step", advanced=True, ge=0)
    """Save and stop after this step, to look and then go on; 0 trains to the end."""
    check_products: bool = setting(True, "Check the chip", advanced=True)
    """Before the first step, two seconds at most: the model's own products on the GPU against the CPU."""


class OptimizerConfig(Closed):
    """The optimizer and the path of its learning rate."""

    aliases: ClassVar[dict[str, str]] = {
        "lr": "learning_rate",
        "optimizer": "name",
        "lr_schedule": "schedule",
    }

    name: Literal["adamw", "adam", "adafactor", "lion", "muon"] = setting("adamw", "Optimizer", advanced=True)
    """AdamW suits nearly everything."""
    learning_rate: float | None = setting(None, "Learning rate", gt=0, le=1)
    """Size of a step; empty takes the method's own (SFT 2e-4, others 1e-5; in full a tenth of these)."""
    weight_decay: float = setting(0.0, "Weight decay", advanced=True, ge=0, le=1)
    """Pull of the weights towards zero."""
    beta1: float = setting(0.9, "Beta 1", advanced=True, ge=0, lt=1)
    """Memory of the gradient's mean."""
    beta2: float = setting(0.999, "Beta 2", advanced=True, ge=0, lt=1)
    """Memory of the gradient's square."""
    schedule: Literal["constant", "linear", "cosine"] = setting("linear", "Schedule")
    """How the learning rate falls over the run; a constant one loses the last points of a reinforcement run."""
    warmup_steps: int = setting(0, "Warm-up", advanced=True, unit="steps", ge=0)
    """Steps over which the learning rate rises from 0."""
    final_fraction: float = setting(0.0, "Final share", advanced=True, ge=0, le=1)
    """Where the schedule ends, as a share of the learning rate."""

    @model_validator(mode="after")
    def _decay_acts(self) -> Self:
        if self.name == "adam" and self.weight_decay:
            raise ValueError(
                "`weight_decay` has no effect in adam; use adamw, which is adam with weight decay"
            )
        return self


class EvaluationConfig(Closed):
    """Greedy answers to held-out rows: the honest measure."""

    steps_per_eval: int = setting(50, "Evaluate every", unit="steps", ge=0)
    """Steps between evaluations; 0 only at start and end."""
    rows: int = setting(64, "Held-out rows", ge=0)
    """At most this many rows of the validation split; 0 turns evaluation off."""
    at_start: bool = setting(True, "Evaluate before training")
    """Gives the curve its starting point."""
    patience: int = setting(0, "Patience", advanced=True, unit="evaluations", ge=0)
    """Stop early when the held-out result has not become better in so many evaluations; 0 never does."""


class CheckpointConfig(Closed):
    """When the run is saved."""

    save_every: int = setting(50, "Save every", unit="steps", ge=1)
    """Steps between checkpoints; a crash loses at most these."""
    save_minutes: float = setting(5.0, "Save at least every", unit="minutes", advanced=True, ge=0)
    """Slow steps are saved by the clock too: after the first step that ends this long after the last save; 0: never."""
    keep: int = setting(2, "Keep", advanced=True, ge=0)
    """How many checkpoints stay on disk; 0 keeps all."""


class MemoryConfig(Closed):
    """One budget from which the engine chooses its portions."""

    budget_fraction: float = setting(0.75, "Memory budget", ge=0.05, le=0.95)
    """Share of the memory that macOS recommends for the GPU which a run may use."""
    budget_mb: int | None = setting(None, "Memory budget (fixed)", advanced=True, unit="MB", ge=1)
    """An absolute budget instead of the share; empty uses the share."""
    rows_per_decode_batch: int | None = setting(None, "Rows decoded together", advanced=True, ge=1)
    """Empty: chosen from the budget."""
    rows_per_micro_batch: int | None = setting(None, "Rows trained together", advanced=True, ge=1)
    """Empty: chosen from the budget."""
    backward: Backward = setting("auto", "Backward pass", advanced=True)
    """How gradients are computed; auto chooses by the budget."""


SECTIONS: tuple[str, ...] = (
    "model",
    "data",
    "method",
    "adapter",
    "training",
    "sampling",
    "optimizer",
    "evaluation",
    "checkpoint",
    "memory",
    "tracking",
)


class RunConfig(Closed):
    """Everything that decides a run."""

    version: int = setting(CONFIG_VERSION, "Format", advanced=True, ge=1)
    """Version of this file's format."""
    name: str = setting("", "Name", max_length=120)
    """A name for the run in lists; empty is made from model and method."""
    model: ModelConfig = Field(default=ModelConfig(), title="Model")
    data: DataConfig = Field(default=DataConfig(), title="Data")
    method: AnyMethod = Field(default=GRPOConfig(), title="Method")
    adapter: AdapterConfig = Field(default=AdapterConfig(), title="Adapter")
    training: TrainingConfig = Field(default=TrainingConfig(), title="Training")
    sampling: SamplingConfig = Field(default=SamplingConfig(), title="Sampling")
    rewards: tuple[AnyReward, ...] = Field(
        default=(AccuracyReward(),), title="Rewards", description="Added up with their weights."
    )
    environment: AnyEnvironment | None = Field(
        default=None,
        title="Environment",
        description="Tools and turns; without it, one prompt and one answer.",
    )
    optimizer: OptimizerConfig = Field(default=OptimizerConfig(), title="Optimizer")
    evaluation: EvaluationConfig = Field(default=EvaluationConfig(), title="Evaluation")
    checkpoint: CheckpointConfig = Field(default=CheckpointConfig(), title="Checkpoints")
    memory: MemoryConfig = Field(default=MemoryConfig(), title="Memory")
    tracking: TrackingConfig = Field(default=TrackingConfig(), title="Tracking")

    @model_validator(mode="before")
    @classmethod
    def _method_by_name(cls, values: Any) -> Any:
        """`method: grpo` is short for `method: {type: grpo}`."""
        if isinstance(values, dict) and isinstance(values.get("method"), str):  # pyright: ignore[reportUnknownMemberType]
            return {**values, "method": {"type": values["method"]}}  # pyright: ignore[reportUnknownVariableType]
        return values  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="before")
    @classmethod
    def _environments_that_judge(cls, values: Any) -> Any:
        """Where the environment judges by itself, rewards beside it are those that are asked for, and no others."""
        if not isinstance(values, dict):
            return values
        given: dict[str, Any] = dict(values)  # pyright: ignore[reportUnknownArgumentType]
        if "rewards" in given:
            return given
        return {**given, "rewards": ()} if judges_by_itself(given) else given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.version > CONFIG_VERSION:
            raise ValueError(
                f"`version` {self.version} comes from a newer Droid Tune (this one reads {CONFIG_VERSION}); "
                "update the application"
            )
        method = self.method
        if self.training.batch_size < method.rows_needed:
            raise ValueError(
                f"`batch_size` {self.training.batch_size} is too small for {method.type}, which sets each prompt beside "
                f"another row's answer; use {method.rows_needed} or more"
            )
        environment = self.environment
        if environment is not None and not isinstance(method, PolicyMethodConfig):
            raise ValueError(
                f"`environment` {environment.type} is acted in by methods that sample groups, and {method.type} does not; "
                "use grpo or another one of its kind, or leave `environment` out"
            )
        turns = environment is not None and environment.credit == "turn"
        if turns and isinstance(method, PPOConfig):
            raise ValueError(
                "`credit` turn has no effect with ppo, whose critic weighs every token; use credit: episode"
            )
        whole = isinstance(method, PolicyMethodConfig) and method.loss_type in (*get_args(RowLoss), "vespo")
        if turns and whole:
            raise ValueError(
                f"`credit` turn weighs single turns, and the loss of {method.type} is of whole completions; use credit: "
                "episode, or a method such as grpo"
            )
        if isinstance(method, SamplingMethodConfig):
            if not self.rewards and (environment is None or not environment.judges):
                raise ValueError("`rewards` must hold at least one reward for a reinforcement method")
            rows = self.training.batch_size * method.learnt_group
            if rows % method.steps_per_generation:
                each = "group_size" if method.learnt_group == method.group_size else "train_completions"
                raise ValueError(
                    f"`steps_per_generation` {method.steps_per_generation} must divide the {rows} completions of a "
                    f"rollout (batch_size {self.training.batch_size} x {each} {method.learnt_group})"
                )
            if self.sampling.max_completion_length >= self.training.max_seq_length:
                raise ValueError(
                    f"`max_completion_length` {self.sampling.max_completion_length} leaves no room for a prompt in "
                    f"`max_seq_length` {self.training.max_seq_length}"
                )
            if self.sampling.temperature == 0:
                raise ValueError(
                    "`temperature` 0 makes all completions of a group the same: nothing to learn; use about 1"
                )
            if self.sampling.top_k == 1:
                raise ValueError(
                    "`top_k` 1 makes all completions of a group the same: nothing to learn; use 0, which is off"
                )
            longest = self.sampling.max_completion_length
            skipped = method.num_loss_tokens_to_skip if isinstance(method, SelfTaughtConfig) else 0
            if skipped >= longest:
                raise ValueError(
                    f"`num_loss_tokens_to_skip` {skipped} leaves nothing of an answer of at most "
                    f"`max_completion_length` {longest} tokens to learn from"
                )
            overlong = method.overlong_cache if isinstance(method, PolicyMethodConfig) else None
            if overlong is not None and overlong > longest:
                raise ValueError(
                    f"`overlong_cache` {overlong} is more than `max_completion_length` {longest}: even an "
                    "empty completion would be punished"
                )
            names = [reward.name or reward.type for reward in self.rewards]
            if environment is not None:
                names.append(ENVIRONMENT)
            double = {name for name in names if names.count(name) > 1}
            if double:
                raise ValueError(
                    f"two rewards are called `{sorted(double)[0]}`; give one of them a `name` of its own"
                )
        return self

    @property
    def learning_rate(self) -> float:
        """The user's, else the method's own; training every weight takes a tenth of an adapter's."""
        given = self.optimizer.learning_rate
        if given is not None:
            return given
        own = type(self.method).default_learning_rate
        return own / 10 if self.adapter.type == "full" else own

    @property
    def samples(self) -> bool:
        """Whether the model answers prompts while it learns; else there are no rollouts and no rewards."""
        return type(self.method).samples


def find_setting(key: str) -> tuple[str, ...]:
    """The path of a setting given by its short or dotted name, for `--set`.

    `group_size` -> ("method", "group_size"); `optimizer.learning_rate` stays. Raises ValueError with the
    nearest name where none fits.
    """
    if "." in key or key in RunConfig.model_fields:
        return tuple(key.split("."))
    homes = [path for path in known_settings() if path[-1] == key]
    if len(homes) == 1:
        return homes[0]
    if homes:
        raise ValueError(
            f"`{key}` could be any of {', '.join('.'.join(home) for home in homes)}; write it in full"
        )
    raise ValueError(unknown_key(key, [path[-1] for path in known_settings()]))


def section_aliases(section: str) -> dict[str, str]:
    """Other trainers' names for the fields of a section."""
    return _method_aliases() if section == "method" else _SECTION_MODELS[section].aliases


def _method_aliases() -> dict[str, str]:
    """Of all methods: what is one's alias is no other's field."""
    return {alias: name for config in METHOD_CONFIGS.values() for alias, name in config.aliases.items()}


def known_settings() -> list[tuple[str, ...]]:
    """Every path that `--set` may give by its last part alone, aliases included."""
    paths = [
        (section, name)
        for section, model in _SECTION_MODELS.items()
        for name in (*model.model_fields, *model.aliases)
        if name not in ("type", "name", "path")
    ]
    method_names = dict.fromkeys(
        name for config in METHOD_CONFIGS.values() for name in (*config.model_fields, *config.aliases)
    )
    environment_names = dict.fromkeys(
        name for config in ENVIRONMENT_CONFIGS.values() for name in config.model_fields
    )
    taken = {path[-1] for path in paths} | set(method_names) | {"type", "path", "name"}
    return [
        *paths,
        *(("method", name) for name in method_names if name != "type"),
        *(("environment", name) for name in environment_names if name not in taken),
    ]


_SECTION_MODELS: dict[str, type[Closed]] = {
    "model": ModelConfig,
    "data": DataConfig,
    "adapter": AdapterConfig,
    "training": TrainingConfig,
    "sampling": SamplingConfig,
    "optimizer": OptimizerConfig,
    "evaluation": EvaluationConfig,
    "checkpoint": CheckpointConfig,
    "memory": MemoryConfig,
    "tracking": TrackingConfig,
}
