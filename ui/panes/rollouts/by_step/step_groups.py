"""A step's groups of completions: which of them a filter shows, and what is said of each."""

from __future__ import annotations

from droid_tune import words
from droid_tune.events import RolloutGroup
from droid_tune.metrics import flat
from ui.widgets.lists.simple_list import Entry


def chosen_groups(groups: list[RolloutGroup], key: str) -> list[RolloutGroup]:
    """The groups of a step that a filter shows, in its order."""
    sampled = [group for group in groups if not group.held_out]
    match key:
        case "best":
            return sorted(sampled, key=mean_reward, reverse=True)
        case "worst":
            return sorted(sampled, key=mean_reward)
        case "equal":
            return [group for group in sampled if without_signal(group)]
        case "cut":
            return [
                group for group in sampled if any(one.finish_reason == "length" for one in group.completions)
            ]
        case "held_out":
            return [group for group in groups if group.held_out]
        case _:
            return sampled


def mean_reward(group: RolloutGroup) -> float:
    """Mean of the rewards that apply; -inf where none does, so that such a group is the worst."""
    rewards = [one.reward for one in group.completions if one.reward is not None]
    return sum(rewards) / len(rewards) if rewards else float("-inf")


def without_signal(group: RolloutGroup) -> bool:
    """The group teaches nothing."""
    return flat(one.reward for one in group.completions)


def prompt_entry(group: RolloutGroup) -> Entry:
    """A prompt in the list: its last line, the mean reward, and what is odd about the group."""
    mean = mean_reward(group)
    first = next(
        (text for text in reversed(group.prompt.strip().splitlines()) if text.strip()), "(empty prompt)"
    )
    parts = [f"mean {words.number(mean)}" if mean > float("-inf") else "no reward applies"]
    if without_signal(group) and not group.held_out:
        parts.append("no signal")
    cut = sum(one.finish_reason == "length" for one in group.completions)
    if cut:
        parts.append(f"{cut} cut off")
    dot = "good" if mean >= 0.999 else "bad" if mean <= 1e-9 else "warning"
    key = f"{group.step}/{group.group}/{group.held_out}"
    return Entry(key, words.literal(first.strip()), " · ".join(parts), dot=dot)


def held_out_summary(groups: list[RolloutGroup], answered: int) -> str:
    """`64 held-out prompts`, or `16 of 100 held-out prompts` where not all that were answered are kept."""
    kept = sum(group.held_out for group in groups)
    said = words.count(max(kept, answered), "held-out prompt")
    return f"{kept:,} of {said}" if kept < answered else said


def summary_of(groups: list[RolloutGroup]) -> str:
    """`4 prompts, 8 completions, 3 without signal`, of what was sampled for training."""
    sampled = [group for group in groups if not group.held_out]
    completions = sum(len(group.completions) for group in sampled)
    said = f"{words.count(len(sampled), 'prompt')}, {words.count(completions, 'completion')}"
    equal = sum(without_signal(group) for group in sampled)
    return f"{said}, {equal} without signal" if equal else said
