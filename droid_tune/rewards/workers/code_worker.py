"""Child: runs one program that a model wrote, then one test after another in what it left behind."""

from __future__ import annotations

from typing import Any

from droid_tune.rewards.workers.protocol import Message, serve

_SPACE: dict[str, Any] = {"__name__": "completion"}


def handle(request: Message) -> Message:
    """`{"passed"}`: whether it ran to its end. The program's mistakes, exits included, are its own and not ours."""
    try:
        exec(compile(request["run"], "<completion>", "exec"), _SPACE)  # noqa: S102 - what this process is for
    except BaseException as error:
        return {"passed": False, "why": f"{type(error).__name__}: {error}"[:500]}
    return {"passed": True}


if __name__ == "__main__":
    serve(handle)
