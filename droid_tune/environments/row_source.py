"""Rows that an environment brings itself, as data files."""

from __future__ import annotations

from pathlib import Path

from droid_tune.config.run import RunConfig
from droid_tune.control import UNWATCHED, Watch
from droid_tune.data.editing.convert import Written, new_folder, write_rows
from droid_tune.environments.of_reasoning_gym import OfReasoningGym
from droid_tune.environments.of_verifiers import OfVerifiers
from droid_tune.environments.table import open_environment
from droid_tune.errors import UserError
from droid_tune.paths import user_path

#: more are cut off, held-out rows at a tenth of them
MOST_ROWS = 100_000
#: its rows are the same for every model, so that any template will do
_ANY_TEMPLATE = "{{ tools }}<tool_call>"


def write_own_rows(config: RunConfig, folder: Path, seed: int, watch: Watch = UNWATCHED) -> Written:
    """Write train.jsonl, and valid.jsonl where there are held-out rows. Raises UserError, also for a full folder."""
    environment = open_environment(config, template=_ANY_TEMPLATE, watch=watch)
    try:
        if isinstance(environment, OfReasoningGym):
            held = environment.own_rows("valid", MOST_ROWS // 10, seed)
            splits = {
                "train": environment.own_rows("train", MOST_ROWS, seed),
                "valid": held[: max(1, len(held) // 5)],
            }
        elif isinstance(environment, OfVerifiers):
            splits = {
                "train": environment.own_rows("train", MOST_ROWS),
                "valid": environment.own_rows("valid", MOST_ROWS // 10),
            }
        else:
            raise UserError(
                "Functions and classes bring no rows of their own",
                place="environment",
                remedy="name your `data`",
            )
    finally:
        environment.close()
    with new_folder(folder) as target:
        counts = {
            split: write_rows(target / f"{split}.jsonl", iter(rows)) for split, rows in splits.items() if rows
        }
    return Written(user_path(folder), counts)
