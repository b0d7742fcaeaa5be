"""Environment files as people write them, and settings around them."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from droid_tune.config import resolve
from droid_tune.environments.episode import Answered, Environment, Episode, Seeds
from droid_tune.environments.table import open_environment

TEMPLATE = "{% if tools %}{{ tools | tojson }}{% endif %}<tool_call>{{ message.tool_calls }}"
PLAIN = "{% for m in messages %}{{ m.content }}{% endfor %}"
ROW: dict[str, Any] = {"prompt": "What is 2 + 3?", "answer": "5"}

TOOLS = '''
import time


def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def wait(seconds: float) -> str:
    """Waits, and says from when to when.

    Args:
        seconds: How long.
    """
    began = time.time()
    time.sleep(seconds)
    return f"{began} {time.time()}"


def _hidden(a):
    return a
'''


def call(name: str, **arguments: Any) -> str:
    return "<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}) + "\n</tool_call>"


@contextmanager
def opened(
    folder: Path, source: str, kind: str = "tools", template: str = TEMPLATE, **settings: Any
) -> Generator[Environment]:
    """An environment of a file with that source."""
    file = folder / "environment.py"
    file.write_text(source, encoding="utf-8")
    rewards = settings.pop("rewards", None)
    values: dict[str, Any] = {"environment": {"type": kind, "path": str(file), **settings}}
    config = resolve(values if rewards is None else {**values, "rewards": rewards})
    environment = open_environment(config, template=template)
    try:
        yield environment
    finally:
        environment.close()


def begin(environment: Environment, row: dict[str, Any] | None = None, member: int = 0) -> Episode:
    return environment.open(row or ROW, Seeds(0, 0, 0, member)).result()


def said(episode: Episode, *texts: str) -> Answered:
    """The answer to the last of some turns."""
    answers = [episode.step(text).result() for text in texts]
    return answers[-1]
