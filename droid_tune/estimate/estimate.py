"""The answer before the run: does it fit, how long does it take, what would help.

Instant: config.json and the weights' headers are read (and remembered), the rest is arithmetic.
"""

from __future__ import annotations

from dataclasses import replace

from droid_tune.config import RunConfig
from droid_tune.estimate.calibration import Calibration, calibration_file, read_calibration
from droid_tune.estimate.forecast import Estimate, facts_for, forecast
from droid_tune.estimate.job import DataLengths
from droid_tune.estimate.other_runs import beside, other_runs
from droid_tune.estimate.suggestions import suggestions_for
from droid_tune.machine.host import Host, read_host
from droid_tune.model_files.facts import ModelFacts


def estimate(
    config: RunConfig,
    lengths: DataLengths | None = None,
    host: Host | None = None,
    calibration: Calibration | None = None,
    *,
    facts: ModelFacts | None = None,
    suggesting: bool = True,
) -> Estimate:
    """Memory, time and verdict of a run, with computed suggestions where it does not fit well.

    What is not given is looked up: the host, the model's facts, and what earlier runs of this model taught.
    """
    host = host or beside(read_host(), other_runs())
    facts = facts or facts_for(config)
    calibration = calibration or read_calibration(calibration_file(facts, host.chip))
    found = forecast(config, lengths, host, calibration, facts)
    if not suggesting or found.verdict in ("fits", "unknown"):
        return found

    def again(changed: RunConfig) -> Estimate:
        return forecast(changed, lengths, host, calibration, facts)

    return replace(found, suggestions=suggestions_for(config, found, again))
