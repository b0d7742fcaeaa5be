"""The newest completions of a run, as many as a bound of characters lets stay at hand; older ones are read from disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from droid_tune.events import RolloutGroup

#: characters of rollouts kept at hand; older steps stay on disk in rollouts.jsonl
ROLLOUT_CHARACTERS = 48_000_000


@dataclass
class KeptRollouts:
    """Groups of completions by the step at which they were sampled; the newest step's stay whatever their size."""

    most_characters: int = ROLLOUT_CHARACTERS
    by_step: dict[int, list[RolloutGroup]] = field(default_factory=dict[int, list[RolloutGroup]])
    _characters: int = 0

    def keep(self, group: RolloutGroup) -> bool:
        """Take one in and let the oldest go; whether it is new (a step that is made again tells its groups again)."""
        groups = self.by_step.setdefault(group.step, [])
        if any(kept.group == group.group and kept.held_out == group.held_out for kept in groups):
            return False
        groups.append(group)
        self._characters += _characters(group)
        while self._characters > self.most_characters and len(self.by_step) > 1:
            self._drop(min(self.by_step))
        return True

    def rewind(self, step: int) -> None:
        """Take back what came after `step`."""
        for later in [key for key in self.by_step if key > step]:
            self._drop(later)

    def steps(self, *, held_out: bool = False) -> list[int]:
        """The steps with sampled completions, or with answers to held-out rows."""
        return sorted(
            step
            for step, groups in self.by_step.items()
            if any(group.held_out == held_out for group in groups)
        )

    @property
    def newest(self) -> RolloutGroup | None:
        """The group that was sampled last, for training."""
        steps = self.steps()
        groups = self.by_step[steps[-1]] if steps else []
        return next((group for group in reversed(groups) if not group.held_out), None)

    def _drop(self, step: int) -> None:
        for group in self.by_step.pop(step):
            self._characters -= _characters(group)


def _characters(group: RolloutGroup) -> int:
    return len(group.prompt) + sum(len(one.text) + 200 for one in group.completions)
