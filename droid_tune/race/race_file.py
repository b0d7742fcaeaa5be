"""A race on disk: which settings run against each other, in which run folders, over which rungs.

What stands there is only the plan; how far each run is and what it was worth is read from its own files. So a kill loses
nothing of a race, and nothing is trained twice.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from droid_tune.config import RunConfig, build, parse_overrides
from droid_tune.config.asking.trust import trust
from droid_tune.config.files.load import merge_words
from droid_tune.errors import UsageError, UserError
from droid_tune.paths import RunPaths, private_folder, races_dir, runs_dir
from droid_tune.race.ladder import Ladder
from droid_tune.runs.disk.durable import TRY_AGAIN, disk_error, write_text
from droid_tune.runs.folder import create_run, fresh_name, read_config, run_name, slug

PLAN_FILE = "race.json"
#: more than these are a search that halving does not carry
MOST_RUNNERS = 64
#: decided by the race itself: the runs must be of one length and looked at together
OWN_SETTINGS = frozenset(
    {
        "name",
        "evaluation.patience",
        "evaluation.rows",
        "evaluation.steps_per_eval",
        "training.iterations",
        "training.stop_at",
    }
)


class Runner(BaseModel):
    """One setting of the race: `label` says it in words (`learning_rate 3e-5`), `run` is the run's folder."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    label: str
    run: str
    settings: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.run)

    def config(self) -> RunConfig:
        """Its settings: those in its folder, where that is made. Raises UserError."""
        made = RunPaths(self.folder).config.exists()
        return read_config(self.folder) if made else build(self.settings, self.label)

    def make(self) -> None:
        """Make the run's folder, where a kill came before it. Raises UserError where the disk refuses."""
        if not RunPaths(self.folder).config.exists():
            create_run(self.config(), self.folder)


class Race(BaseModel):
    """The plan. `ends` are the updates at which the rungs end."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    name: str
    created: float
    ends: tuple[PositiveInt, ...] = Field(min_length=1)
    every: int
    runners: tuple[Runner, ...] = Field(min_length=1)

    @property
    def ladder(self) -> Ladder:
        """Its rungs."""
        return Ladder(self.ends, self.every)


def variants(config: RunConfig, varied: Sequence[str]) -> dict[str, RunConfig]:
    """A config for each combination of `--vary KEY=VALUE,VALUE,...`, by what is special about it.

    Raises UsageError for a setting that the race decides itself, a value that does not fit or fewer than two combinations.
    """
    axes = [_axis(text) for text in varied]
    base = config.model_dump(mode="json")
    found: dict[str, RunConfig] = {}
    for pairs in itertools.product(*axes):
        label = ", ".join(pair.replace("=", " ", 1) for pair in pairs)
        overrides = parse_overrides(pairs, "--vary")
        if own := OWN_SETTINGS & set(_paths(overrides)):
            raise UsageError(f"`{sorted(own)[0]}` cannot vary: the race decides it", place="--vary")
        try:
            made = build(merge_words(base, {**overrides, "name": f"{run_name(config)} · {label}"[:120]}))
        except UserError as error:
            raise UsageError(f"{label}: {error}", place="--vary") from None
        found[label] = made
    if not 2 <= len(found) <= MOST_RUNNERS:
        raise UsageError(
            f"a race needs 2 to {MOST_RUNNERS} different settings, and these are {len(found)}",
            place="--vary",
            remedy="e.g. --vary learning_rate=1e-5,3e-5,1e-4",
        )
    return found


def _axis(text: str) -> list[str]:
    """`learning_rate=1e-5,3e-5` -> ["learning_rate=1e-5", "learning_rate=3e-5"]. Raises UsageError."""
    key, equals, values = text.partition("=")
    found = [value.strip() for value in values.split(",") if value.strip()]
    if not (key.strip() and equals and found):
        raise UsageError(f"`{text}` needs the form setting=value,value,...", place="--vary")
    return [f"{key.strip()}={value}" for value in dict.fromkeys(found)]


def _paths(nested: Mapping[str, Any], above: str = "") -> list[str]:
    """The dotted paths of nested values."""
    found: list[str] = []
    for key, value in nested.items():
        found += _paths(value, f"{above}{key}.") if isinstance(value, dict) else [f"{above}{key}"]
    return found


def create_race(config: RunConfig, found: Mapping[str, RunConfig], ladder: Ladder) -> Race:
    """Write the plan; the runs' folders are made as their turn comes. What they reach for was asked about.

    Raises UserError where the disk refuses.
    """
    base = races_dir()
    name = fresh_name(config, lambda candidate: (base / candidate).exists())
    runners = [
        Runner(
            label=label,
            run=str(runs_dir() / f"{name}-{number}-{slug(label)}"),
            settings=_looked_at(made, ladder).model_dump(mode="json"),
        )
        for number, (label, made) in enumerate(found.items(), start=1)
    ]
    race = Race(
        id=name,
        name=run_name(config),
        created=time.time(),
        ends=ladder.ends,
        every=ladder.every,
        runners=tuple(runners),
    )
    for made in found.values():
        trust(made)
    try:
        private_folder(base / name)
    except OSError as error:
        raise disk_error(error, base / name) from error
    write_text(base / name / PLAN_FILE, race.model_dump_json(indent=1), TRY_AGAIN)
    return race


def _looked_at(config: RunConfig, ladder: Ladder) -> RunConfig:
    """Evaluated where the rungs end, and ended by nothing but the race."""
    evaluation = config.evaluation.model_copy(update={"steps_per_eval": ladder.every, "patience": 0})
    training = config.training.model_copy(update={"stop_at": 0})
    return config.model_copy(update={"evaluation": evaluation, "training": training})


def read_race(name: str) -> Race:
    """A race by its id, or a beginning of it that fits one only. Raises UserError."""
    base = races_dir()
    found = sorted(path.parent.name for path in base.glob(f"*/{PLAN_FILE}"))
    fitting = [one for one in found if one == name] or [one for one in found if one.startswith(name)]
    if len(fitting) != 1:
        known = f"there are {', '.join(found[-5:])}" if found else "there is none yet"
        raise UserError(f"`{name}` fits {len(fitting)} races; {known}")
    file = base / fitting[0] / PLAN_FILE
    try:
        return Race.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise UserError(f"The plan of a race cannot be read ({why})", place=str(file)) from None
