"""The work of one step in numbers: rows, lengths and passes, from a run's config and its data's lengths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from droid_tune.config import RunConfig
from droid_tune.config.recipes.methods import SFTConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.config.recipes.ppo_method import PPOConfig
from droid_tune.config.recipes.preference_methods import (
    BCOConfig,
    DPOConfig,
    KTOConfig,
    PreferenceConfig,
    RewardModelConfig,
)
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.config.recipes.teaching_methods import TaughtConfig
from droid_tune.estimate.bucketed_lengths import bucketed
from droid_tune.model_files.facts import ModelFacts

#: lengths to go by while nothing is known of the data
ASSUMED_PROMPT, ASSUMED_ANSWER = 128, 128


@dataclass(frozen=True)
class DataLengths:
    """Tokens of the training rows (the whole row in SFT: prompt and answer); `rows` per split where known."""

    median_prompt: int
    longest_prompt: int
    median_answer: int = ASSUMED_ANSWER
    longest_answer: int = ASSUMED_ANSWER
    rows: int | None = None
    held_out_rows: int | None = None
    #: the longest row, prompt and answer together; None: as long as the longest prompt with the longest answer
    longest_row: int | None = None

    @classmethod
    def of(cls, statistics: Any) -> DataLengths:
        """From `droid_tune.data.statistics.Statistics`."""
        train = statistics.splits["train"]
        valid = statistics.splits.get("valid")
        prompt, answer = train.prompt_tokens, train.answer_tokens
        return cls(
            prompt.median,
            prompt.longest,
            answer.median,
            answer.longest,
            train.rows,
            valid.rows if valid is not None else 0,
        )


@dataclass(frozen=True)
class StepJob:
    """One step: `prompts` x `group_size` rows. In SFT a group is one row and its whole text is the completion.

    `longest_*` decide memory, `usual_*` decide time. `score_passes` are forward passes over all rows without
    gradient (old policy, reference, entropies); `passes` is how often a rollout's rows are trained on per step
    that samples, `rollouts_per_step` how many rollouts an update needs on average. `entropy`: there is an entropy bonus.
    `teacher_arrays`: float32 arrays (tokens of a head chunk x vocabulary) while distributions are compared with a
    teacher's, 0 where none are.
    """

    reinforcement: bool
    prompts: int
    group_size: int
    longest_prompt: int
    longest_completion: int
    usual_prompt: int
    usual_completion: int
    steps: int
    rows_per_slice: int
    slices_per_step: int = 1
    rollouts_per_step: float = 1.0
    score_passes: float = 0.0
    evaluation_rows: int = 0
    evaluations: int = 0
    entropy: bool = False
    teacher_arrays: float = 0.0
    filters: bool = False
    #: rows that are compared, so that they should run in one micro-batch; and whether entropies are reported of them
    together: int = 1
    reports_entropy: bool = False
    #: one number is read behind each row, and no vocabulary looked at
    numbers: bool = False
    #: a critic learns beside the policy, from the same rows
    critic: bool = False
    #: of each group's rows those that are trained on; 0: all
    trained: int = 0

    @property
    def rows(self) -> int:
        """Completions of a rollout (SFT: rows of an update)."""
        return self.prompts * self.group_size

    @property
    def learnt_group(self) -> int:
        """Rows of a group that an update has."""
        return self.trained or self.group_size


def job_of(config: RunConfig, facts: ModelFacts, lengths: DataLengths | None) -> StepJob:
    """The step that `config` asks for. Without `lengths` prompts of `ASSUMED_PROMPT` tokens are assumed."""
    training, method = config.training, config.method
    limit = min(training.max_seq_length, facts.context or training.max_seq_length)
    known = lengths or DataLengths(ASSUMED_PROMPT, ASSUMED_PROMPT)
    held_out = config.evaluation.rows if known.held_out_rows is None else known.held_out_rows
    evaluation_rows = min(config.evaluation.rows, held_out)
    evaluations = _evaluations(config) if evaluation_rows else 0
    if isinstance(method, PreferenceConfig):
        supervised = _supervised_job(config, known, limit, evaluation_rows, evaluations)
        return _preference_job(config, method, supervised, known)
    if not isinstance(method, SamplingMethodConfig):
        return _supervised_job(config, known, limit, evaluation_rows, evaluations)
    room = max(1, limit - config.sampling.max_completion_length)
    rows = training.batch_size * method.learnt_group
    slices = method.steps_per_generation
    rollouts = training.gradient_accumulation_steps / (slices * method.num_iterations)
    rounds = 1.0
    if isinstance(method, PolicyMethodConfig) and method.dynamic_sampling:
        rounds += 0.5 * method.dynamic_sampling_rounds
    return StepJob(
        reinforcement=True,
        prompts=training.batch_size,
        group_size=method.group_size,
        longest_prompt=_between(known.longest_prompt, room),
        longest_completion=config.sampling.max_completion_length,
        usual_prompt=_between(known.median_prompt, room),
        usual_completion=usual_completion(config),
        steps=training.iterations,
        rows_per_slice=max(1, rows // slices),
        slices_per_step=training.gradient_accumulation_steps,
        rollouts_per_step=rollouts * rounds,
        score_passes=_score_passes(config, method) * rollouts,
        evaluation_rows=evaluation_rows,
        evaluations=evaluations,
        entropy=has_entropy_bonus(method),
        teacher_arrays=_teacher_arrays(method, facts.vocabulary),
        filters=_filters(config),
        critic=isinstance(method, PPOConfig),
        trained=method.learnt_group,
    )


def usual_completion(config: RunConfig) -> int:
    """Tokens of a completion that decide time: all that it may have, or all that the turns of an episode may."""
    longest, environment = config.sampling.max_completion_length, config.environment
    return (
        longest if environment is None else min(longest, environment.max_turns * environment.max_turn_tokens)
    )


def _supervised_job(
    config: RunConfig, known: DataLengths, limit: int, evaluation_rows: int, evaluations: int
) -> StepJob:
    """SFT: rows that are read up to the answer and learnt from there (or learnt whole)."""
    whole = known.longest_prompt + known.longest_answer
    longest = bucketed(_between(known.longest_row or whole, limit))
    usual = _between(known.median_prompt + known.median_answer, limit)
    answers_only = not isinstance(config.method, SFTConfig) or config.method.answer_only_loss
    learnt = _between(known.longest_answer, longest) if answers_only else longest
    usually = _between(known.median_answer, usual) if answers_only else usual
    training = config.training
    return StepJob(
        reinforcement=False,
        prompts=training.batch_size,
        group_size=1,
        longest_prompt=longest - learnt,
        longest_completion=learnt,
        usual_prompt=usual - usually,
        usual_completion=usually,
        steps=training.iterations,
        rows_per_slice=training.batch_size,
        slices_per_step=training.gradient_accumulation_steps,
        evaluation_rows=evaluation_rows,
        evaluations=evaluations,
    )


def _preference_job(
    config: RunConfig, method: PreferenceConfig, rows: StepJob, known: DataLengths
) -> StepJob:
    """The answers of a row behind its prompt, which they share unless the prompt is learnt too."""
    answers = method.answers
    shared = 1 if method.learns_prompt else answers
    return replace(
        rows,
        prompts=rows.prompts * answers // shared,
        group_size=shared,
        rows_per_slice=rows.prompts * answers,
        score_passes=_looks(config, method, known) * rows.slices_per_step,
        evaluation_rows=rows.evaluation_rows * answers,
        together=answers,
        reports_entropy=not reads_numbers(method),
        numbers=reads_numbers(method),
    )


def reads_numbers(method: PreferenceConfig) -> bool:
    """Whether an answer is read as one number, behind its end."""
    return isinstance(method, RewardModelConfig)


def _looks(config: RunConfig, method: PreferenceConfig, known: DataLengths) -> float:
    """Forward passes over a batch besides the update's own: the reference's, once for each row of the data; what weighs or
    sorts pairs, and KTO's and BCO's look at the whole batch."""
    training = config.training
    drawn = training.iterations * training.batch_size * training.gradient_accumulation_steps
    passes = min(1.0, (known.rows or drawn) / drawn) if method.compares else 0.0
    if isinstance(method, DPOConfig):
        passes += float(method.use_weighting) + float(bool({"aot", "aot_unpaired"} & set(method.loss_type)))
    if isinstance(method, KTOConfig):
        passes += 2.0 if method.loss_type == "kto" else 0.0
    return passes + float(isinstance(method, BCOConfig))


def _between(value: int, most: int) -> int:
    return max(1, min(value, most))


def _evaluations(config: RunConfig) -> int:
    every, steps = config.evaluation.steps_per_eval, config.training.iterations
    between = (steps - 1) // every if every else 0
    return int(config.evaluation.at_start) + between + 1


def _score_passes(config: RunConfig, method: SamplingMethodConfig) -> float:
    """Forward passes over a rollout besides the update's own."""
    accumulated = config.training.gradient_accumulation_steps
    old = float(method.needs_old_logprobs(accumulated, config.sampling.cache_bits))
    if not isinstance(method, PolicyMethodConfig):
        return old + method.num_iterations  # the teacher's, each time
    entropies = method.num_iterations if method.top_entropy_quantile < 1 else 0
    return old + float(method.needs_reference) + entropies


def has_entropy_bonus(method: SamplingMethodConfig) -> bool:
    """Whether the entropies are differentiated; they are reported in any case."""
    if not isinstance(method, PolicyMethodConfig):
        return False
    return bool(method.entropy_coef) or method.entropy_target is not None


def _teacher_arrays(method: SamplingMethodConfig, vocabulary: int) -> float:
    """Measured on chunks of 64 x 8,192, 64 x 32,768 and 256 x 512 (2026-12-01). A mixture of both sides (Jensen-Shannon) takes
    more than one of them; of the likeliest tokens there are few in a large vocabulary, and many arrays of them."""
    if not isinstance(method, TaughtConfig) or method.distillation_mode == "sampled_token":
        return 0.0
    mixed = 0 < method.distillation_alpha < 1
    if method.distillation_mode == "topk_logits":
        compared = min(vocabulary, method.distillation_topk * (2 if mixed else 1))
        return 10.0 + 20.0 * compared / max(1, vocabulary)
    return 17.0 if mixed else 13.0


def _filters(config: RunConfig) -> bool:
    sampling = config.sampling
    return bool(
        sampling.top_p < 1
        or sampling.top_k
        or sampling.min_p
        or sampling.xtc_probability
        or sampling.repetition_penalty != 1
    )
