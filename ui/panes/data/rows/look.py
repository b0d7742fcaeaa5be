"""How rows are rendered: what of the draft matters to the Data pane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from droid_tune.config import RunConfig
from droid_tune.config.asking.acting_key import acting_key
from droid_tune.control import Watch
from droid_tune.data.templates import TemplateOptions
from droid_tune.errors import UserError
from ui.draft import Draft
from ui.engine_worker import EngineDoor


@dataclass(frozen=True)
class Look:
    """Two are equal where rows look alike by them. `config` is set for a run that acts in an environment, `fault` says
    why there is none where one was chosen."""

    model: str
    method: str
    system_prompt: str
    thinking: str
    acting: str = ""
    config: RunConfig | None = field(default=None, compare=False)
    fault: str = ""

    @classmethod
    def of(cls, draft: Draft) -> Look:
        """What the draft says now."""
        acting, config, fault = "", None, ""
        if draft.environment:
            try:
                config = draft.config()
                acting = f"{acting_key(config)}|{config.training.seed}|{config.data.template_date}"
            except UserError as error:
                fault = str(error)
        return cls(
            draft.model,
            draft.method,
            str(draft.value("data.system_prompt")),
            str(draft.value("data.thinking")),
            acting,
            config if config and config.environment else None,
            fault,
        )

    @property
    def options(self) -> TemplateOptions:
        """The same for the renderer of rows."""
        known = {"on": "on", "off": "off"}
        return TemplateOptions(self.system_prompt, known.get(self.thinking, "template"))  # type: ignore[arg-type]

    def with_tools(self, engine: EngineDoor, tokenizer: Any, watch: Watch) -> TemplateOptions:
        """The options of a run, the tools of its environment among them: rows are measured so. Call it in the background.

        Raises `UserError` where the environment cannot be used, and `Stopped`.
        """
        self.require_whole()
        return self.options if self.config is None else engine.row_options(self.config, tokenizer, watch)

    def require_whole(self) -> None:
        """Raises `UserError` where an environment was chosen and its settings are at fault."""
        if self.fault:
            raise UserError(self.fault)
