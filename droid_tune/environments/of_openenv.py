"""OpenEnv environments: a server's application in a child without a socket, or one that runs on this computer already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from droid_tune.config.environments import OpenEnvEnvironment
from droid_tune.control import Watch
from droid_tune.environments.episode import Message
from droid_tune.environments.lane_environment import LaneEnvironment
from droid_tune.environments.openings import refuse_without
from droid_tune.environments.own_episode import BY_TURNS
from droid_tune.environments.showing import Showing
from droid_tune.errors import UserError
from droid_tune.rewards.children.process import Child, ChildError
from droid_tune.rewards.children.sandbox import Rules, offers

_WORKER = "droid_tune.environments.workers.openenv_worker"
_LOADING_SECONDS = 120.0
_REMEDY = "try it with `droid-tune play` once it is mended"


class OfOpenEnv(LaneEnvironment):
    """Loads the server, or looks for it, at once. Raises UserError where it cannot be used."""

    judge = BY_TURNS

    def __init__(
        self, config: OpenEnvEnvironment, system_prompt: str, showing: Showing, watch: Watch
    ) -> None:
        super().__init__(config, system_prompt, watch)
        self._section = config
        self._shows(showing, self._load()["tools"])

    @property
    def caution(self) -> str:
        """What a person should know of what its code can reach."""
        offer, network = offers(), self.config.network
        if self._section.is_address or (offer.files and offer.network and not network):
            return ""
        return f"Code of the environment {self._section.server} runs on this computer. {offer.sentence(network=network)}"

    def check_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Raises UserError for rows without a prompt."""
        refuse_without(("prompt",), rows)

    def _child(self) -> Child:
        section = self._section
        folder = section.folder
        readable = () if folder is None else (str(folder), *section.readable)
        return Child(
            _WORKER,
            memory_mb=section.memory_mb,
            setup={
                "do": "set_up",
                "server": section.server if folder is None else str(folder),
                "kind": "address" if section.is_address else "folder" if folder else "package",
                "reset": section.reset,
                "shown": section.shown,
            },
            setup_seconds=max(section.timeout_seconds, _LOADING_SECONDS),
            # our own code alone speaks to a server of this computer
            rules=Rules(readable, section.network or section.is_address),
            watch=self.watch,
        )

    def _load(self) -> Message:
        name = self._section.server
        try:
            reply = self._first_words()
        except ChildError as error:
            raise UserError(
                f"The environment {name} could not be loaded: it {error}", place="environment", remedy=_REMEDY
            ) from None
        if "missing" in reply:
            self.close()
            ours = reply["missing"] in ("openenv", "starlette", "websockets")
            raise UserError(
                f"The environment {name} needs the package `{reply['missing']}`, which is not installed",
                place="environment",
                remedy="install it with `pip install 'droid-tune[openenv]'`"
                if ours
                else "install it with pip",
            )
        if "error" in reply:
            self.close()
            raise UserError(f"The environment {name} {reply['error']}", place="environment", remedy=_REMEDY)
        return reply
