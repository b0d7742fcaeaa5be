"""What a signal check found, and what that means in words: will this run learn anything (no engine in here)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from droid_tune import words
from droid_tune.config import RunConfig
from droid_tune.config.recipes.policy_method import PolicyMethodConfig
from droid_tune.estimate.finding import Finding, Remedy
from droid_tune.estimate.readiness import DataReadiness
from droid_tune.events import PlayedTurn
from droid_tune.metrics import flat
from droid_tune.names import EpisodeCut

Verdict = Literal["good", "weak", "bad"]

#: shares from which a finding is worth a word
MUCH_CUT, MUCH_FLAT, MOSTLY_FLAT = 0.3, 0.5, 0.8


@dataclass(frozen=True)
class Answer:
    """One completion; `passed` None where the row has no answer to compare with."""

    text: str
    reward: float | None
    rewards: dict[str, float | None]
    length: int
    cut: bool
    passed: bool | None = None
    #: of an episode: all turns behind its prompt, and what cut it short
    turns: tuple[PlayedTurn, ...] = ()
    ended: EpisodeCut = ""


@dataclass(frozen=True)
class Group:
    """A prompt with its completions."""

    row: int
    prompt: str
    answer: str | None
    completions: tuple[Answer, ...]

    @property
    def flat(self) -> bool:
        """Nothing can be learnt from it."""
        return flat(one.reward for one in self.completions)

    @property
    def passes(self) -> int:
        """How many completions are right."""
        return sum(bool(one.passed) for one in self.completions)

    @property
    def judged(self) -> bool:
        """Whether anything could say right or wrong."""
        return any(one.passed is not None for one in self.completions)


@dataclass(frozen=True)
class Measured:
    """What the engine saw: groups (none in SFT), one backward pass, memory and time."""

    groups: tuple[Group, ...]
    loss: float
    gradient_norm: float
    finite: bool
    peak_bytes: int
    budget_bytes: int
    estimated_peak_bytes: int
    seconds_per_step: float
    total_seconds: float
    failures: tuple[str, ...] = ()
    data: DataReadiness | None = None
    shortened: tuple[str, ...] = ()  # what was left out to stay within the check's time
    #: the most tokens of a sampled completion, where that is fewer than the run's; 0: as many
    sampled_tokens: int = 0

    @property
    def telling(self) -> tuple[Group, ...]:
        """The groups that say something of the run: what the check itself cut might have ended otherwise."""
        if not self.sampled_tokens:
            return self.groups
        return tuple(group for group in self.groups if not any(one.cut for one in group.completions))


@dataclass(frozen=True)
class CheckReport:
    """Everything the check says. Rates are shares of 1, None where nothing could be judged."""

    measured: Measured
    pass_rate: float | None
    pass_at_group: float | None
    rewards: dict[str, dict[str, float]]
    flat_share: float | None
    too_hard_share: float | None
    too_easy_share: float | None
    cut_share: float | None
    mean_length: float
    findings: tuple[Finding, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, for `check --json`."""
        return asdict(
            self,
            dict_factory=lambda pairs: {
                name: [turn.model_dump() for turn in value] if name == "turns" else value
                for name, value in pairs
            },
        )


def report_of(measured: Measured, config: RunConfig) -> CheckReport:
    """Rates, findings and the verdict."""
    groups = measured.telling
    answers = [one for group in groups for one in group.completions]
    judged = [one for one in answers if one.passed is not None]
    judged_groups = [group for group in groups if group.judged]
    flat = [group for group in groups if group.flat]
    best = max((one.reward for one in answers if one.reward is not None), default=0.0)
    easy = [group for group in flat if _all_good(group, best)]
    findings = tuple(_findings(measured, config, len(easy)))
    return CheckReport(
        measured=measured,
        pass_rate=_share(sum(bool(one.passed) for one in judged), len(judged)),
        pass_at_group=_share(sum(group.passes > 0 for group in judged_groups), len(judged_groups)),
        rewards=_by_reward(answers),
        flat_share=_share(len(flat), len(groups)),
        too_hard_share=_share(len(flat) - len(easy), len(groups)),
        too_easy_share=_share(len(easy), len(groups)),
        cut_share=_share(sum(one.cut for one in answers), 0 if measured.sampled_tokens else len(answers)),
        mean_length=sum(one.length for one in answers) / max(1, len(answers)),
        findings=findings,
        verdict=_verdict(findings),
    )


def _all_good(group: Group, best: float) -> bool:
    """A flat group is too easy where all pass (or, without answers to compare, all have the best reward seen)."""
    if group.judged:
        return group.passes == len(group.completions)
    rewards = [one.reward for one in group.completions]
    return rewards[0] is not None and rewards[0] >= best > 0


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _by_reward(answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Mean and spread of the total and of every reward."""
    columns = {"total": [one.reward for one in answers]}
    for name in dict.fromkeys(name for one in answers for name in one.rewards):
        columns[name] = [one.rewards.get(name) for one in answers]
    found: dict[str, dict[str, float]] = {}
    for name, column in columns.items():
        values = [value for value in column if value is not None]
        if values:
            mean = sum(values) / len(values)
            spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
            found[name] = {"mean": mean, "std": spread, "least": min(values), "most": max(values)}
    return found


def _verdict(findings: Sequence[Finding]) -> Verdict:
    levels = [finding.level for finding in findings]
    return "bad" if "error" in levels else "weak" if "warning" in levels else "good"


def _findings(measured: Measured, config: RunConfig, easy: int) -> Iterator[Finding]:
    yield from _about_numbers(measured, config)
    yield from _about_memory(measured, config)
    if measured.shortened:
        yield Finding("info", f"This machine is slow for the whole check: {'; '.join(measured.shortened)}.")
    if measured.data is not None:
        yield from measured.data.findings()
    if measured.failures:
        remedy = Remedy("Mend the reward; `droid-tune test-reward` tries it on rows of the data.")
        yield Finding("error", f"A reward failed: {measured.failures[0]}", (remedy,))
    if not isinstance(config.method, PolicyMethodConfig):
        return
    if measured.telling:
        yield from _about_signal(measured.telling, config, config.method, easy)
        yield from _about_lengths(measured, config)
    elif measured.groups:
        yield _unknown_signal(measured.sampled_tokens, config.sampling.max_completion_length)


def _about_numbers(measured: Measured, config: RunConfig) -> Iterator[Finding]:
    if measured.finite:
        return
    remedies = [
        Remedy("Choose the model in bfloat16 or 4 bit from another source: its weights may be damaged.")
    ]
    if config.optimizer.learning_rate:
        remedies.insert(
            0,
            Remedy(
                "Lower the learning rate", {"optimizer.learning_rate": config.optimizer.learning_rate / 10}
            ),
        )
    yield Finding(
        "error", "The loss or its gradient is not a number: training would end at once.", tuple(remedies)
    )


def _about_memory(measured: Measured, config: RunConfig) -> Iterator[Finding]:
    said = (
        f"A step with the longest prompt and full completions takes {words.size(measured.peak_bytes)} "
        f"of the {words.size(measured.budget_bytes)} that a run may use"
    )
    if measured.peak_bytes <= measured.budget_bytes:
        yield Finding("good", f"{said}.")
        return
    remedies = [Remedy("Compute gradients layer by layer", {"memory.backward": "layerwise"})]
    length = config.sampling.max_completion_length
    if config.samples and length >= 32:
        remedies.append(
            Remedy(f"Halve the completions to {length // 2}", {"sampling.max_completion_length": length // 2})
        )
    yield Finding("error", f"{said}: it may fail or slow the whole system down.", tuple(remedies))


def _unknown_signal(sampled: int, longest: int) -> Finding:
    said = (
        f"Whether there is something to learn is not known: the check cut its completions at {sampled:,} of the {longest:,} "
        "tokens that they may have."
    )
    return Finding("warning", said, (Remedy("Look at the rewards of the run's first steps."),))


def _about_signal(
    groups: Sequence[Group], config: RunConfig, method: PolicyMethodConfig, easy: int
) -> Iterator[Finding]:
    flat = [group for group in groups if group.flat]
    share = len(flat) / len(groups)
    hard = len(flat) - easy
    if share < MUCH_FLAT:
        yield Finding(
            "good",
            f"There is something to learn from in {len(groups) - len(flat)} of {words.count(len(groups), 'group')}.",
        )
        return
    why = _why_flat(hard, easy)
    said = f"In {len(flat)} of {len(groups)} groups all completions got the same reward{why}: nothing is learnt there."
    yield Finding(
        "error" if share >= MOSTLY_FLAT else "warning",
        said,
        tuple(_for_flat(config, method, groups, hard, easy)),
    )


def _why_flat(hard: int, easy: int) -> str:
    if hard and easy:
        return f" ({hard} too hard, {easy} too easy)"
    return " (too hard)" if hard else " (too easy)"


def _for_flat(
    config: RunConfig, method: PolicyMethodConfig, groups: Sequence[Group], hard: int, easy: int
) -> Iterator[Remedy]:
    if method.group_size < 16:
        larger = min(16, 2 * method.group_size)
        yield Remedy(f"Sample {larger} completions per prompt", {"method.group_size": larger})
    temperature = config.sampling.temperature
    same = [group for group in groups if len({one.text for one in group.completions}) == 1]
    if (same or easy >= hard) and temperature < 1.3:
        warmer = round(max(1.0, temperature + 0.2), 2)
        yield Remedy(f"Raise the temperature to {warmer:g}", {"sampling.temperature": warmer})
    if easy >= hard:
        yield Remedy("Choose harder rows: the model answers these already.")
        return
    yield Remedy("Choose easier rows, or begin with supervised training (SFT) on some right answers.")
    yield Remedy("Add a reward with steps in between, such as a format or a similarity to the answer.")


def _about_lengths(measured: Measured, config: RunConfig) -> Iterator[Finding]:
    answers = [one for group in measured.telling for one in group.completions]
    cut = sum(one.cut for one in answers)
    length = config.sampling.max_completion_length
    if cut < MUCH_CUT * len(answers):
        return
    said = f"{cut} of {len(answers)} completions were cut off at {length} tokens, often before the answer."
    remedies: list[Remedy] = []
    if 2 * length < config.training.max_seq_length:
        remedies.append(Remedy(f"Allow {2 * length} tokens", {"sampling.max_completion_length": 2 * length}))
    remedies.append(Remedy("Ask for short answers in the system prompt."))
    yield Finding("warning", said, tuple(remedies))
