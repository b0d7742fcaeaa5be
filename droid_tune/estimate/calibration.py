"""What this machine has shown of a model: how much faster or slower, larger or smaller than the formulas say.

One small file per model and machine in the cache folder; losing it costs accuracy, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from droid_tune.config import RunConfig
from droid_tune.config.environments import EnvironmentConfig
from droid_tune.config.recipes.sampling_method import SamplingMethodConfig
from droid_tune.errors import DiskError
from droid_tune.estimate.busy_tokens import UNMEASURED, Busy
from droid_tune.model_files.facts import ModelFacts
from droid_tune.paths import cache_dir
from droid_tune.runs.disk.durable import write_text

VERSION = 1
#: how much a new run's factor weighs against what was known; the newest tell most
NEWEST = 0.6
#: factors outside this are a mistake of measurement, not of the formulas
LEAST, MOST = 1e-3, 1e3
#: no bytes and no seconds are more, whatever a damaged file says
_LARGEST = 1e18

#: so many environments' times are kept with a model
MOST_ENVIRONMENTS = 16
#: and of so many kinds of work how much is best done at once
MOST_WORKS = 32

Source = Literal["measured", "run"]


@dataclass(frozen=True)
class Calibration:
    """Observed divided by predicted, per phase; 0 where nothing was seen yet. `runs` counts what taught it."""

    rollout: float = 0.0
    update: float = 0.0
    memory: float = 0.0
    #: share of the longest completion that completions really took
    completion_share: float = 0.0
    runs: int = 0
    source: Source = "measured"
    #: of the last run: what was estimated and what came
    predicted_peak_bytes: int = 0
    observed_peak_bytes: int = 0
    predicted_seconds: float = 0.0
    observed_seconds: float = 0.0
    #: seconds of a rollout in which the model stood still for its environment, by what was acted in
    standing: dict[str, float] = field(default_factory=dict[str, float])
    #: how much at a time was measured to keep the machine busy, by the work (`work_key`)
    busy: dict[str, Busy] = field(default_factory=dict[str, Busy])

    def with_busy(self, work: str, busy: Busy) -> Calibration:
        """The same with what was measured of such work; the newest are kept."""
        kept = {key: value for key, value in self.busy.items() if key != work}
        return replace(self, busy=dict([*kept.items(), (work, busy)][-MOST_WORKS:]))

    def with_standing(self, environment: str, seconds: float) -> Calibration:
        """The same with what an environment took; the newest are kept."""
        kept = {key: value for key, value in self.standing.items() if key != environment}
        return replace(self, standing=dict([*kept.items(), (environment, seconds)][-MOST_ENVIRONMENTS:]))

    @property
    def rollout_factor(self) -> float:
        """By how much sampling is slower than estimated; the update's factor where unknown, else 1."""
        return self.rollout or self.update or 1.0

    @property
    def update_factor(self) -> float:
        """By how much an update is slower than estimated; the rollout's factor where unknown, else 1."""
        return self.update or self.rollout or 1.0

    def learnt(
        self,
        *,
        rollout: float = 0.0,
        update: float = 0.0,
        memory: float = 0.0,
        completion_share: float = 0.0,
        source: Source = "run",
    ) -> Calibration:
        """With new ratios of observed to predicted; 0 teaches nothing."""
        return replace(
            self,
            rollout=_mixed(self.rollout, rollout),
            update=_mixed(self.update, update),
            memory=_mixed(_at_least_one(self.memory), _at_least_one(memory)),
            completion_share=_mixed(self.completion_share, completion_share),
            runs=self.runs + 1,
            source=source,
        )


def _at_least_one(ratio: float) -> float:
    """A peak that stayed below its estimate is no news: it may only have met short rows. 0 stays 0."""
    return max(1.0, ratio) if ratio else 0.0


def _mixed(old: float, new: float) -> float:
    """The geometric mean of both, weighted towards the newer."""
    if not (math.isfinite(new) and LEAST < new < MOST):
        return old
    if not old:
        return new
    return math.exp((1 - NEWEST) * math.log(old) + NEWEST * math.log(new))


def environment_key(section: EnvironmentConfig) -> str:
    """What is acted in, for `Calibration.standing`."""
    values = section.model_dump(mode="json")
    named = {
        key: values[key]
        for key in ("type", "path", "name", "id", "args", "tasks", "server", "reset")
        if values.get(key)
    }
    return json.dumps({**named, "waiting_share": section.waiting_share}, sort_keys=True)


def work_key(config: RunConfig) -> str:
    """What decides how much is best done at once, for `Calibration.busy`."""
    method, training = config.method, config.training
    sampled = isinstance(method, SamplingMethodConfig)
    work = {
        "method": method.type,
        "adapter": config.adapter.type,
        "rows": [training.batch_size, *((method.group_size, method.learnt_group) if sampled else ())],
        "tokens": [training.max_seq_length, config.sampling.max_completion_length if sampled else 0],
        "backward": config.memory.backward,
    }
    return json.dumps(work, sort_keys=True)


def busy_in(calibration: Calibration | None, config: RunConfig) -> Busy:
    """What was measured of a run's work, unless its settings want none of it."""
    if calibration is None or config.memory.measure_rows == "never":
        return UNMEASURED
    return calibration.busy.get(work_key(config), UNMEASURED)


def calibration_file(facts: ModelFacts, chip: str) -> Path:
    """Where the calibration of a model on this machine is kept."""
    key = f"{facts.fingerprint}|{chip}|{platform.machine()}|{os.cpu_count()}"
    digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    return cache_dir() / "calibration" / f"{digest}.json"


def read_calibration(file: Path) -> Calibration | None:
    """What is known, None where nothing is (or the file is damaged)."""
    try:
        values: Any = json.loads(file.read_text(encoding="utf-8"))
        if values.pop("version") != VERSION:
            return None
        busy = {name: Busy(**one) for name, one in values.pop("busy", {}).items()}
        found = Calibration(**values, busy=busy)
        return found if _is_sound(found) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _is_sound(found: Calibration) -> bool:
    """Whether all numbers can be meant. Raises TypeError and AttributeError for what is no number, or no table of them."""
    factors = (found.rollout, found.update, found.memory, found.completion_share)
    peaks = (found.predicted_peak_bytes, found.observed_peak_bytes)
    seconds = (found.predicted_seconds, found.observed_seconds, *found.standing.values())
    return (
        all(0 <= n < MOST for n in factors)
        and all(0 <= n < _LARGEST for n in (*peaks, *seconds, found.runs))
        and all(map(_counts, found.busy.values()))
    )


def _counts(busy: Busy) -> bool:
    numbers = (busy.shared, busy.whole, busy.wave)
    return all(type(number) is int and number >= 0 for number in numbers)


def write_calibration(file: Path, calibration: Calibration) -> None:
    """Replace the file whole. A cache that cannot be written is no fault of the run's."""
    with contextlib.suppress(OSError, DiskError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"version": VERSION, **asdict(calibration)}))
