"""Has it forgotten? A fixed set of general prompts, and how likely their answers were before and after training.

HeldOutValue by `droid_tune.forgetting`, which needs the model; what it found is kept in the run's folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict

from droid_tune.paths import resources_dir
from droid_tune.runs.disk.durable import TRY_AGAIN, write_text

#: in a run's folder
GENERAL_FILE = "general.json"
#: nats a token that an answer may become less likely by without being told of: a tenth in perplexity
FORGOTTEN = 0.1


class GeneralRow(BaseModel):
    """A prompt of the set, and the answer whose likelihood is measured."""

    model_config = ConfigDict(frozen=True)

    kind: str
    prompt: str
    completion: str


class GeneralAnswer(BaseModel):
    """One prompt of the set: negative log-likelihood of its answer, in nats a token."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: str
    prompt: str
    tokens: int
    before: float
    after: float


class General(BaseModel):
    """All of them, for the weights after `step` updates (None where the run's log does not say)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    step: int | None
    answers: tuple[GeneralAnswer, ...]

    @property
    def before(self) -> float:
        """Nats a token over all answers, before training."""
        return _mean((one.before, one.tokens) for one in self.answers)

    @property
    def after(self) -> float:
        """Nats a token over all answers, after it."""
        return _mean((one.after, one.tokens) for one in self.answers)

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """Before and after of each kind of prompt, what got worse most first."""
        kinds = dict.fromkeys(one.kind for one in self.answers)
        found = {
            kind: (
                _mean((one.before, one.tokens) for one in self.answers if one.kind == kind),
                _mean((one.after, one.tokens) for one in self.answers if one.kind == kind),
            )
            for kind in kinds
        }
        return dict(sorted(found.items(), key=lambda item: item[1][0] - item[1][1]))

    @property
    def has_forgotten(self) -> bool:
        """Whether general answers became so much less likely that a person should know."""
        return self.after - self.before > FORGOTTEN


def _mean(values: Iterable[tuple[float, int]]) -> float:
    pairs = list(values)
    return sum(value * tokens for value, tokens in pairs) / max(1, sum(tokens for _, tokens in pairs))


@lru_cache(maxsize=1)
def general_rows() -> tuple[GeneralRow, ...]:
    """The bundled set."""
    lines = (resources_dir() / "general.jsonl").read_bytes().splitlines()
    return tuple(GeneralRow.model_validate(orjson.loads(line)) for line in lines if line.strip())


def read_general(run_dir: Path) -> General | None:
    """What was measured of a run; None where nothing was, or the file is damaged."""
    try:
        return General.model_validate_json((run_dir / GENERAL_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_general(run_dir: Path, found: General) -> None:
    """Keep it with the run. Raises UserError where the disk refuses."""
    write_text(run_dir / GENERAL_FILE, found.model_dump_json(indent=1), TRY_AGAIN)
