"""What every method sets that lets the model answer prompts while it learns: how many answers, how often they are used."""

from __future__ import annotations

from typing import Annotated, ClassVar

from droid_tune.config.base import MethodConfig, setting

GroupSize = Annotated[int, setting(title="Completions per prompt", ge=2, le=64)]
SmallGroup = Annotated[int, setting(title="Completions per prompt", ge=1, le=64)]
Passes = Annotated[int, setting(title="Passes over a rollout", ge=1, le=16)]
MaskTruncated = Annotated[bool, setting(title="Leave out cut-off completions", advanced=True)]


class SamplingMethodConfig(MethodConfig):
    """Methods that learn from the model's own completions. `judged`: they cannot do without a reward that applies; to the
    others rewards are something to watch.
    """

    judged: ClassVar[bool] = True

    group_size: GroupSize = 8
    """The group: how many answers are sampled for each prompt and compared with each other. More gives a
    steadier signal and takes longer.
    """
    num_iterations: Passes = 1
    """How often one batch of completions is used for training (mu in the paper)."""
    steps_per_generation: int = setting(1, "Slices per rollout", advanced=True, ge=1, le=64)
    """Cut a rollout into this many slices, each trained on in turn. With more slices than are accumulated, one
    rollout feeds several updates.
    """
    mask_truncated_completions: MaskTruncated = False
    """Completions that hit the length limit set the group's baseline but are not trained on."""

    @property
    def learnt_group(self) -> int:
        """How many of a prompt's completions are trained on."""
        return self.group_size

    def outlives_update(self, accumulated: int) -> bool:
        """Whether a rollout is still trained on after the weights have changed; `accumulated` slices are an update."""
        return accumulated % (self.steps_per_generation * self.num_iterations) != 0

    def needs_old_logprobs(self, accumulated: int, cache_bits: int = 0) -> bool:
        """Whether the log-probabilities at rollout time must be computed before an update is made of it; `cache_bits` are
        those of the sampler's keys and values (0: as they are).

        They need not where every slice is used before the weights change; then the current ones, without gradient,
        are the same numbers.
        """
        return self.outlives_update(accumulated)

    @property
    def needs_reference(self) -> bool:
        """Whether the model as it was (or its moving average) must be at hand."""
        return False

    @property
    def keeps_reference(self) -> bool:
        """Whether that is a copy of what is trained even where an adapter could be bypassed."""
        return False
