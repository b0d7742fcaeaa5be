"""What a run's model learnt behind that no file of a model holds: its system prompt, and thinking switched on or off."""

from __future__ import annotations

from droid_tune import words
from droid_tune.config.run import RunConfig
from droid_tune.data.formats.parts.messages import Message
from droid_tune.data.rendering.templates.chat_template import ChatTemplate, has_chat_template
from droid_tune.data.rendering.thinking import thinking_switches
from droid_tune.errors import UserError
from droid_tune.model.policy import Policy

_QUESTION: list[Message] = [{"role": "user", "content": "?"}]
_LONGEST = 60


def prompt_notes(
    config: RunConfig, policy: Policy, *, system_kept: bool = False, thinking_kept: bool = False
) -> list[str]:
    """A sentence for each part of the run's prompts that whoever uses the model has to give it, as it was learnt."""
    notes: list[str] = []
    if config.data.system_prompt and not system_kept:
        said = words.shortened(config.data.system_prompt, _LONGEST)
        notes.append(
            f"It learnt behind the system prompt of its run ({said!r}), which no file of a model holds: give it the same one."
        )
    if not thinking_kept and switches_matter(config, policy):
        notes.append(
            f"It learnt with thinking switched {config.data.thinking}, and its chat template leaves that to the program: "
            f"switch `enable_thinking` {config.data.thinking} there."
        )
    if config.environment is not None:
        notes.append("It learnt with its environment's tools in the prompt: give it the same tools.")
    return notes


def switches_matter(config: RunConfig, policy: Policy) -> bool:
    """Whether the model's template asks for an answer otherwise by the run's thinking switch than by itself."""
    if config.data.thinking == "template" or not has_chat_template(policy.tokenizer):
        return False
    template = ChatTemplate.of(policy.tokenizer)
    switches = thinking_switches(config.data.thinking, template.source)
    try:
        plain, switched = (
            template.render(_QUESTION, answer_next=True, switches=told) for told in ({}, switches)
        )
    except UserError:
        return False
    return plain != switched
