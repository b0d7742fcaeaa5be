"""Child: makes tasks of Reasoning Gym (0.1.25) and judges answers by the tasks' own scorers."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from typing import Any

from droid_tune.rewards.workers.protocol import Message, serve
from droid_tune.rewards.workers.user_code import described


def handle(request: Message) -> Message:
    """Mistakes become `{"error"}`; this process goes on."""
    try:
        return _DOES[request["do"]](request)
    except BaseException as error:
        return {"error": described(error)}


def set_up(request: Message) -> Message:
    """`{"missing"}` without the library, `{"unknown"}` for a task that it does not have."""
    if importlib.util.find_spec("reasoning_gym") is None:
        return {"missing": True}
    factory: Any = importlib.import_module("reasoning_gym.factory")
    known: list[str] = sorted(factory.DATASETS)
    unknown = [one for one in request["tasks"] if one not in known]
    if unknown:
        return {"unknown": unknown[0], "known": known}
    for task, settings in request["tasks"].items():
        _set(task, settings, 1, 0, request["level"])  # says which of its settings are wrong
    return {}


def rows(request: Message) -> Message:
    """Rows of every task and level, the easiest first, tasks taking turns."""
    made: list[Message] = []
    for level in range(request["level"], request["level"] + request["levels"]):
        kinds = [
            list(_entries(task, settings, request, level)) for task, settings in request["tasks"].items()
        ]
        made += [one for together in zip(*kinds, strict=True) for one in together]
    return {"rows": made}


def _entries(task: str, settings: Message, request: Message, level: int) -> Iterator[Message]:
    for entry in _set(task, settings, request["count"], request["seed"] + level, level):
        plain = json.loads(json.dumps(entry["metadata"], default=str))
        yield {
            "prompt": entry["question"],
            "answer": entry["answer"],
            "metadata": {**plain, "source_dataset": task},
            "level": level,
        }


def _set(task: str, settings: Message, size: int, seed: int, level: int) -> Any:
    factory: Any = importlib.import_module("reasoning_gym.factory")
    if level and task in factory.CURRICULA:
        curriculum: Any = factory.create_curriculum(task)
        curriculum.set_global_level(level)
        config: Any = curriculum.generate_configuration({**settings, "size": size, "seed": seed})
        return factory.DATASETS[task][0](config)
    return factory.create_dataset(task, **{**settings, "size": size, "seed": seed})


def score(request: Message) -> Message:
    """`{"value"}`: 0 to 1."""
    gym: Any = importlib.import_module("reasoning_gym")
    row = request["row"]
    entry = {"question": row.get("prompt"), "answer": row.get("answer"), "metadata": row["metadata"]}
    return {
        "value": float(gym.get_score_answer_fn(row["metadata"]["source_dataset"])(request["answer"], entry))
    }


_DOES: dict[str, Callable[[Message], Message]] = {"set_up": set_up, "rows": rows, "score": score}

if __name__ == "__main__":
    serve(handle)
