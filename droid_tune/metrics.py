"""The metric catalogue: one name, label, unit and good direction for each number a run reports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["up", "down", "neither"]


def rank(reward: float | None) -> float:
    """A completion's place when the best comes first or last: what no reward judged is below everything."""
    return -math.inf if reward is None else reward


def flat(rewards: Iterable[float | None]) -> bool:
    """Whether a group teaches nothing: all of its completions that were judged earned the same, or none was judged."""
    return len(set(rewards) - {None}) <= 1


#: a completion is right from here on, by its accuracy or, where none is told, by its whole reward
FULL_MARKS = 0.999


def is_right(reward: float | None, parts: Mapping[str, float | None]) -> bool:
    """Whether a completion counts as solved: by the reward `accuracy` where there is one, else by full marks."""
    judged = parts.get("accuracy", reward)
    return judged is not None and judged >= FULL_MARKS


@dataclass(frozen=True)
class Metric:
    """How a metric is shown. `good` is the direction a user hopes for."""

    name: str
    label: str
    unit: str = ""
    good: Direction = "neither"
    help: str = ""


#: what preference methods report of training rows and, under eval/, of held-out ones: label, unit, direction, help
_PREFERENCES: dict[str, tuple[str, str, Direction, str]] = {
    "rewards/chosen": ("Reward of chosen answers", "", "up", "How much likelier than under the reference."),
    "rewards/rejected": ("Reward of rejected answers", "", "down", "The same of the rejected ones."),
    "rewards/margins": ("Margin", "", "up", "Reward of the chosen less that of the rejected answers."),
    "rewards/accuracies": (
        "Preferred rightly",
        "share",
        "up",
        "Pairs of which the chosen answer has more reward.",
    ),
    "rewards/mean": (
        "Mean reward of both answers",
        "",
        "neither",
        "Only differences between rewards are learnt.",
    ),
    "rewards/min": ("Least reward", "", "neither", "Of the step's answers."),
    "rewards/max": ("Greatest reward", "", "neither", "Of the step's answers."),
    "logps/chosen": ("Likelihood of chosen answers", "nats", "up", "Log-probability of whole answers."),
    "logps/rejected": ("Likelihood of rejected answers", "nats", "neither", "The same of the rejected ones."),
    "nll_loss": ("Imitation loss", "", "down", "Loss of the answers that are imitated besides."),
    "log_odds_chosen": ("Log odds", "", "up", "ORPO: of the chosen against the rejected answer."),
    "log_odds_ratio": ("Log odds ratio", "", "up", "ORPO: what its preference term is made of."),
    "delta": ("Threshold", "", "neither", "BCO: the mean reward of all answers so far."),
}


def _preferences(prefix: str) -> list[Metric]:
    held_out = "Held-out " if prefix else ""
    return [
        Metric(
            f"{prefix}{name}",
            f"{held_out}{label[0].lower()}{label[1:]}" if prefix else label,
            unit,
            good,
            text,
        )
        for name, (label, unit, good, text) in _PREFERENCES.items()
    ]


CATALOGUE: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "loss",
            "Loss",
            "",
            "neither",
            "Near 0 is normal for group-relative methods; watch the reward instead.",
        ),
        Metric("reward", "Reward", "", "up", "Mean of the completions' total reward."),
        Metric("reward/min", "Lowest reward", "", "up", "The least total reward of the step's completions."),
        Metric(
            "reward/max", "Highest reward", "", "up", "The greatest total reward of the step's completions."
        ),
        *(
            Metric(f"reward/q{percent}", f"Reward, {percent}th percentile", "", "up")
            for percent in (10, 25, 50, 75, 90)
        ),
        Metric("reward/zero", "Rewards of exactly 0", "share", "down"),
        Metric("reward/one", "Rewards of exactly 1", "share", "up"),
        Metric("groups/all_right", "All right", "share", "neither", "Groups with nothing left to learn."),
        Metric("groups/mixed", "Mixed", "share", "up", "Groups that teach: some right, some wrong."),
        Metric("groups/all_wrong", "All wrong", "share", "down", "Groups without a right completion."),
        Metric("pass@1", "pass@1", "share", "up", "The share of right completions."),
        Metric("pass@G", "pass@G", "share", "up", "Prompts with a right completion in their group."),
        Metric(
            "reward_std",
            "Reward spread",
            "",
            "neither",
            "Of all the step's completions together; what teaches is the spread within a group.",
        ),
        Metric(
            "frac_reward_zero_std",
            "Groups without signal",
            "share",
            "down",
            "Groups whose rewards are all equal.",
        ),
        Metric(
            "kl",
            "KL penalty (k3)",
            "nats",
            "neither",
            "What the penalty is taken on; one rare token can make it jump.",
        ),
        Metric(
            "kl/k1",
            "KL to the reference",
            "nats",
            "neither",
            "How far the model has moved from where it began; may be a little below 0 in a small batch.",
        ),
        Metric(
            "entropy",
            "Entropy",
            "nats",
            "neither",
            "How undecided the model is per token; near 0 it has collapsed.",
        ),
        Metric("completions/mean_length", "Completion length", "tokens"),
        Metric("completions/min_length", "Shortest completion", "tokens"),
        Metric("completions/max_length", "Longest completion", "tokens"),
        Metric("completions/mean_terminated_length", "Length of finished completions", "tokens"),
        Metric("completions/min_terminated_length", "Shortest finished completion", "tokens"),
        Metric("completions/max_terminated_length", "Longest finished completion", "tokens"),
        Metric("completions/clipped_ratio", "Cut off at the limit", "share", "down"),
        Metric("episodes/turns", "Turns of an episode", "", help="How often the model speaks."),
        Metric("episodes/calls", "Calls in an episode", ""),
        Metric(
            "episodes/valid_calls", "Calls that were carried out", "share", "up", "Not refused, not failed."
        ),
        Metric("episodes/cut_turns", "Cut by the most turns", "share", "down"),
        Metric(
            "episodes/cut_tokens", "Cut by tokens", "share", "down", "A turn or an episode grew too long."
        ),
        Metric("episodes/cut_time", "Cut by time", "share", "down", "The environment took too long."),
        Metric("episodes/cut_failed", "Failed episodes", "share", "down", "Left out of what is learnt."),
        Metric("episodes/seconds", "Time of the environment", "s", "down", "In one episode."),
        Metric(
            "episodes/stood_seconds",
            "Time stood still",
            "s",
            "down",
            "All episodes waited for an answer; a larger `waiting_share` hides more of it.",
        ),
        Metric("episodes/read_tokens", "Tokens read", "tokens", help="Prompts and the environment's words."),
        Metric(
            "episodes/turn_advantage", "Advantage of turns", "", help="Mean size, in equal states (GiGPO)."
        ),
        Metric("clip_ratio/region_mean", "Clipped tokens", "share"),
        Metric("clip_ratio/low_mean", "Clipped below", "share"),
        Metric("clip_ratio/high_mean", "Clipped above", "share"),
        Metric("clip_ratio/low_min", "Clipped below, least of a completion", "share"),
        Metric("clip_ratio/high_max", "Clipped above, most of a completion", "share"),
        Metric("cispo_clip_ratio", "Capped tokens", "share"),
        Metric(
            "self_distillation/distillation_loss",
            "Distance to the teacher",
            "nats",
            "down",
            "How far the model's answers are from what the teacher, who reads more, would have said.",
        ),
        Metric(
            "distillation/divergence",
            "Distance to the teacher",
            "nats",
            "down",
            "Per token, between what the model and its teacher would say next.",
        ),
        Metric("distillation/on_policy", "Own answers", "share"),
        Metric("objective/scores", "Scores", "", "up", "Mean reward of the answers that are compared."),
        Metric("objective/scores_margin", "Difference of scores", "", "neither", "Between the two answers."),
        Metric("objective/kl", "KL to the reference", "nats"),
        Metric("objective/entropy", "Surprise of an answer", "nats", "neither", "Summed over its tokens."),
        Metric("val/contain_eos_token", "Answers that ended", "share", "up"),
        Metric("loss/dpo", "Preference loss"),
        Metric("loss/xpo", "Bonus for exploring"),
        Metric("loss/score", "Preferred beyond chance", "", "up"),
        Metric("loss/kl", "KL to the reference", "nats"),
        Metric("iw_opd/mean_advantage", "Teacher's word", "nats", "up"),
        Metric("iw_opd/mean_abs_advantage", "Size of the teacher's word", "nats", "down"),
        Metric("iw_opd/mean_weight", "Weight of a token"),
        Metric("iw_opd/min_weight", "Least weight of a token"),
        Metric("iw_opd/max_weight", "Largest weight of a token"),
        Metric("self_distillation/policy_loss", "Policy loss"),
        Metric(
            "self_distillation/reprompt_sample_fraction",
            "Answers with a teacher",
            "share",
            "up",
            "Completions whose teacher read more than the prompt; the others teach nothing.",
        ),
        Metric(
            "self_distillation/success_group_fraction",
            "Groups with a success",
            "share",
            "up",
            "Groups in which some answer earned enough to be shown to the teacher of the others.",
        ),
        Metric(
            "implicit_reward",
            "Implicit reward",
            "",
            "neither",
            "A*-PO: what the model's move away from the reference says of its answers.",
        ),
        Metric(
            "advantage",
            "Reward above the best value",
            "",
            "up",
            "A*-PO: below 0 while answers are worse than the best that the starting model gave.",
        ),
        Metric(
            "vespo/phi_seq_mean",
            "VESPO weight",
            "",
            "neither",
            "Near 1 while the model stays close to the sampler.",
        ),
        Metric(
            "ratio/mean",
            "Probability ratio",
            "",
            "neither",
            "Near 1 while the model stays close to the sampler.",
        ),
        Metric("ratio/min", "Least probability ratio"),
        Metric("ratio/max", "Largest probability ratio"),
        Metric("entropy_filter/kept", "Tokens kept by entropy", "share"),
        Metric("policy_loss", "Policy loss"),
        Metric("critic/loss", "Critic's loss", "", "down", "Half the squared error of what it foretold."),
        Metric(
            "critic/explained_variance",
            "Explained by the critic",
            "share",
            "up",
            "1: it foretells every return; 0: no more than their mean; below 0 it misleads.",
        ),
        Metric("critic/clipped", "Values clipped", "share"),
        Metric("critic/value", "Mean value", "", "neither", "What the critic foretells, over all tokens."),
        Metric("critic/return", "Mean return", "", "neither", "What it should have foretold."),
        Metric("entropy_coef", "Entropy bonus"),
        Metric("grad_norm", "Gradient norm", "", "neither"),
        Metric("learning_rate", "Learning rate"),
        Metric("sampling/logp_difference/mean", "Sampler difference", "nats", "down"),
        Metric("sampling/logp_difference/max", "Largest sampler difference", "nats", "down"),
        Metric("sampling/importance_sampling_ratio/min", "Least sampler correction"),
        Metric("sampling/importance_sampling_ratio/mean", "Sampler correction"),
        Metric("sampling/importance_sampling_ratio/max", "Largest sampler correction"),
        Metric(
            "dynamic_sampling/rounds",
            "Extra sampling rounds",
            "",
            "down",
            "How often groups without signal were replaced by fresh prompts in this step.",
        ),
        Metric(
            "prompts/expected_signal",
            "Signal expected of the prompts",
            "share",
            "up",
            "What the chosen prompts' earlier groups let expect of this one: 1 is half right, half wrong.",
        ),
        Metric("prompts/seen_before", "Prompts seen before", "share"),
        Metric("dynamic_sampling/dropped_groups", "Groups replaced", "", "down"),
        *_preferences(""),
        *_preferences("eval/"),
        Metric(
            "eval/preference_accuracy",
            "Held-out preference accuracy",
            "share",
            "up",
            "Held-out pairs of which the chosen answer is the likelier one per token.",
        ),
        Metric("perplexity", "Perplexity", "", "down"),
        Metric("num_tokens", "Tokens seen", "tokens"),
        Metric("tokens_per_second", "Sampling speed", "tokens/s", "up"),
        Metric("memory/active_bytes", "Memory in use", "bytes", "down"),
        Metric("memory/peak_bytes", "Peak memory", "bytes", "down"),
        Metric("memory/cache_bytes", "Memory kept for reuse", "bytes", "down"),
        Metric("memory/process_bytes", "Memory of the process", "bytes", "down"),
        Metric(
            "memory/pressure",
            "Memory pressure",
            "",
            "down",
            "As the system judges it: 0 normal, 1 warning, 2 critical.",
        ),
        Metric("seconds/rollout", "Sampling", "s", "down"),
        Metric("seconds/reward", "Scoring", "s", "down"),
        Metric("seconds/update", "Learning", "s", "down"),
        Metric("step_time", "Time per step", "s", "down"),
        Metric(
            "eval/accuracy",
            "Held-out accuracy",
            "share",
            "up",
            "Greedy answers to held-out rows that are right.",
        ),
        Metric(
            "eval/accuracy/least",
            "Held-out accuracy, at least",
            "share",
            "up",
            "What it may be at least, at 95 %, where rows were answered only until it was known well enough.",
        ),
        Metric(
            "eval/accuracy/most",
            "Held-out accuracy, at most",
            "share",
            "up",
            "What it may be at most, at 95 %, where rows were answered only until it was known well enough.",
        ),
        Metric(
            "eval/teacher_accuracy",
            "Teacher's held-out accuracy",
            "share",
            "up",
            "Greedy answers of the teacher before training; a student hardly becomes better than it.",
        ),
        Metric("eval/teacher_reward", "Teacher's held-out reward", "", "up"),
        Metric("eval/reward", "Held-out reward", "", "up"),
        Metric("eval/loss", "Held-out loss", "", "down"),
        Metric("eval/perplexity", "Held-out perplexity", "", "down"),
        Metric("eval/completion_length", "Held-out completion length", "tokens"),
        Metric("eval/clipped_ratio", "Held-out cut off", "share", "down"),
        Metric("eval/episodes/turns", "Held-out turns", ""),
        Metric("eval/episodes/calls", "Held-out calls", ""),
        Metric("eval/episodes/valid_calls", "Held-out calls carried out", "share", "up"),
    )
}


def describe(name: str) -> Metric:
    """The catalogue's entry; `rewards/<name>/mean` and anything unknown get one made for them."""
    known = CATALOGUE.get(name)
    if known is not None:
        return known
    if name.startswith(("rewards/", "eval/rewards/")):
        parts = name.split("/")
        reward, statistic = parts[-2], parts[-1]
        held_out = "held-out reward: " if name.startswith("eval/") else ""
        spoken = reward.replace("_", " ")
        label = f"{held_out}{spoken}" if statistic == "mean" else f"{held_out}{spoken} (spread)"
        return Metric(name, label.capitalize(), "", "up" if statistic == "mean" else "neither")
    return Metric(name, name.replace("_", " ").replace("/", " "))
