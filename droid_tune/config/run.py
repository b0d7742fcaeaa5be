"""One run, whole: every section, closed and explained. `config.yaml` in the run folder is this, resolved."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from droid_tune.config.base import Closed, setting
from droid_tune.config.consistency import (
    require_fitting_environment,
    require_fitting_lengths,
    require_fitting_rewards,
    require_fitting_sampling,
    require_fitting_slices,
)
from droid_tune.config.environments import AnyEnvironment, judges_by_itself
from droid_tune.config.model_and_data import AdapterConfig, DataConfig, ModelConfig
from droid_tune.config.recipes.methods import AnyMethod, GRPOConfig
from droid_tune.config.recipes.preference_methods import PreferenceConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.config.rewards import AccuracyReward, AnyReward
from droid_tune.config.sampling import SamplingConfig
from droid_tune.config.tracking_config import TrackingConfig
from droid_tune.config.training_config import (
    CheckpointConfig,
    EvaluationConfig,
    MemoryConfig,
    OptimizerConfig,
    TrainingConfig,
)

CONFIG_VERSION = 1
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
        if self.environment is not None:
            require_fitting_environment(self.environment, method, self.sampling)
        if isinstance(method, SamplingMethodConfig):
            require_fitting_rewards(self.rewards, self.environment)
            require_fitting_slices(method, self.training)
            require_fitting_sampling(self.sampling, self.training.max_seq_length)
            require_fitting_lengths(method, self.sampling.max_completion_length)
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

    @property
    def starts_as_reference(self) -> bool:
        """Whether a run that goes on from an adapter has that adapter as its reference: pairs are judged against the model
        as training begins, as in TRL, or what SFT moved would count as a preference."""
        compares = isinstance(self.method, PreferenceConfig) and self.method.compares
        return compares and bool(self.model.start_from) and self.model.start_mode == "continue"
