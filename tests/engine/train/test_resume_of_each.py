"""Every method there is: a run that is stopped and gone on with ends with the bytes of one that was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from droid_tune.config.recipes.methods import METHOD_CONFIGS
from tests.engine.train.conftest import digest, resume, tiny, train
from tests.engine.train.stopping import stopped_after
from tests.engine.train.test_preference_learner import PAIRS, VERDICTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: what a method needs to be a run of seconds, or to run at all on four words of data
SMALL: dict[str, dict[str, Any]] = {
    "a2po": {"value_samples": 2, "filter_all_incorrect": False},
    "online_dpo": {"skip_ties": False},
    "xpo": {"skip_ties": False},
    "nash_md": {"skip_ties": False},
    "ppo": {"num_iterations": 2},
    "sdpo": {"success_reward_threshold": 0.1},
}


def changes_for(name: str, folder: Path) -> dict[str, Any]:
    """Pairs or verdicts where it asks for them; answers in groups of two where it samples; dropout everywhere."""
    config = METHOD_CONFIGS[name]
    method: dict[str, Any] = {"type": name, **SMALL.get(name, {})}
    changes: dict[str, Any] = {"adapter": {"dropout": 0.1, "rank": 4}}
    if config.samples:
        return changes | {"method": method | {"group_size": 2}}
    if config.need in ("preference", "verdict"):
        rows = VERDICTS if config.need == "verdict" else PAIRS
        (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        changes["data"] = {"path": str(folder)}
    return changes | {"method": method}


@pytest.mark.parametrize("name", METHOD_CONFIGS)
def test_it_ends_with_the_same_bytes(tmp_path: Path, name: str) -> None:
    changes = changes_for(name, tmp_path)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    end, _ = train(tiny(**changes), whole)
    assert end.outcome == "completed", end.why
    stopped_after(parts, 1, **changes)
    assert resume(parts)[0].outcome == "completed"
    assert digest(parts) == digest(whole)
