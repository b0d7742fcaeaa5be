"""Environments from a Python file of the user's: its functions as tools, or a class with an object for each episode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from droid_tune.config.environments import ClassEnvironment, OwnCodeConfig, ToolsEnvironment
from droid_tune.control import Watch
from droid_tune.environments.episode import Message
from droid_tune.environments.lane_environment import LaneEnvironment
from droid_tune.environments.openings import refuse_without
from droid_tune.environments.showing import Showing
from droid_tune.errors import UserError
from droid_tune.rewards.children.process import Child, ChildError
from droid_tune.rewards.user_file import caution_of, read_source, rules_of

_WORKER = "droid_tune.environments.workers.own_code_worker"
_LOADING_SECONDS = 60.0
_REMEDY = "mend it and try it with `droid-tune play`"


class OwnCode(LaneEnvironment):
    """Loads the file at once, so that its mistakes are said before the training starts. Raises UserError.

    The source is read once: an edit while the run goes on counts from the next run.
    """

    def __init__(
        self, config: OwnCodeConfig, path: Path, system_prompt: str, showing: Showing, watch: Watch
    ) -> None:
        super().__init__(config, system_prompt, watch)
        self._section, self.path = config, path
        self.source = read_source(path)
        self.caution = caution_of(path, network=config.network)
        loaded = self._load()
        #: columns that a row must have
        self.needs: tuple[str, ...] = tuple(loaded["needs"])
        self.judge = loaded["judge"]
        self.keeps_state = isinstance(config, ClassEnvironment)
        self._shows(showing, loaded["tools"])

    def _child(self) -> Child:
        config = self._section
        kind: Message = {"kind": "tools", "functions": []}
        if isinstance(config, ToolsEnvironment):
            kind["functions"] = list(config.functions)
        elif isinstance(config, ClassEnvironment):
            kind = {"kind": "class", "name": config.name, "reward": config.reward}
        return Child(
            _WORKER,
            memory_mb=config.memory_mb,
            setup={"do": "set_up", "source": self.source, "path": str(self.path), **kind},
            setup_seconds=max(config.timeout_seconds, _LOADING_SECONDS),
            rules=rules_of(self.path, config.readable, network=config.network),
            watch=self.watch,
        )

    def _load(self) -> Mapping[str, Any]:
        """What the first child says about the file. Raises UserError."""
        try:
            reply = self._first_words()
        except ChildError as error:
            raise UserError(
                f"The environment's file could not be loaded: it {error}",
                place=str(self.path),
                remedy=_REMEDY,
            ) from None
        if "error" in reply:
            self.close()
            told = f"could not be run: {reply['error']}" if reply.get("raised") else reply["error"]
            raise UserError(f"The environment's file {told}", place=reply["place"], remedy=_REMEDY)
        return reply

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Refuse data without a column that `reset` cannot do without. Raises UserError naming it."""
        refuse_without(self.needs, rows)
