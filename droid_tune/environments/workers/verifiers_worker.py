"""Child: an environment of the `verifiers` library (its 0.1 and 0.2 lines), many episodes in one loop.

An environment asks its model over OpenAI's interface. Here the requests go to no socket but to whoever asks this process:
a request is an event that is told, its answer comes with a later message. Chance is thrown anew before each message's
answer; code of several episodes that waits at the same time shares it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import importlib.util
import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from droid_tune.rewards.workers.protocol import Message, serve, throw_dice
from droid_tune.rewards.workers.user_code import described

_ENDED = "maximum context length is 0 tokens, the episode is over"
_NO_NETWORK = (errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL, errno.ECONNREFUSED)
_NETWORK_ERRORS = (
    "ConnectError",
    "ConnectionError",
    "gaierror",
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
)
#: turns of the loop after each message, so that what it sets going draws its chances before the next one does
_SETTLE = 20


class PlayedEpisode:
    """One rollout: its task, and the request that waits for the model."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.task: asyncio.Task[None] | None = None
        self.pending: asyncio.Future[Message | None] | None = None
        #: the model says nothing more
        self.over = False


class Bench:
    """What this process holds."""

    loop = asyncio.new_event_loop()
    environment: Any = None
    episodes: dict[int, PlayedEpisode] = {}  # noqa: RUF012 - of the one process
    events: list[Message] = []  # noqa: RUF012
    news = asyncio.Event()


def handle(request: Message) -> Message:
    """Mistakes of the environment's become `{"error"}`; this process goes on."""
    try:
        return _DOES[request["do"]](request)
    except BaseException as error:
        return {"error": described(error), "network": wants_network(error)}
    finally:
        sys.stdout.flush()


def set_up(request: Message) -> Message:
    """Load the environment: `{"tools"}`, or `{"missing"}` where a package is not installed."""
    logging.disable(logging.CRITICAL)
    if importlib.util.find_spec("verifiers") is None:
        return {"missing": "verifiers"}
    verifiers: Any = importlib.import_module("verifiers")
    if not hasattr(verifiers, "load_environment") or not hasattr(verifiers, "SingleTurnEnv"):
        return {"error": f"it needs verifiers before 0.3, and {verifiers.__version__} is installed"}
    name: str = request["environment"]
    own = name.removeprefix("verifiers.")
    if own != name:
        Bench.environment = getattr(verifiers, own)(**request["args"])
    elif importlib.util.find_spec(name.replace("-", "_").split("/")[-1]) is None:
        return {"missing": name}
    else:
        Bench.environment = verifiers.load_environment(name, **request["args"])
    if getattr(Bench.environment, "requires_group_rollouts", False):
        return {"error": "judges all members of a group together, which is not offered here"}
    return {"tools": [as_openai(one) for one in getattr(Bench.environment, "tool_defs", None) or []]}


def as_openai(tool: Any) -> Message:
    """A tool of verifiers' as chat templates read it."""
    given: Message = tool if isinstance(tool, dict) else tool.model_dump()
    if "function" in given:
        return given
    kept = {key: given[key] for key in ("name", "description", "parameters") if given.get(key) is not None}
    return {"type": "function", "function": kept}


def rows(request: Message) -> Message:
    """The environment's own rows of a split, at most `count`; none where it has no such split."""
    environment = Bench.environment
    train = request["split"] == "train"
    if (
        not train
        and getattr(environment, "eval_dataset", None) is None
        and not getattr(environment, "eval_dataset_source", None)
    ):
        return {"rows": []}
    held: Any = environment.get_dataset() if train else environment.get_eval_dataset()
    count = min(len(held), request["count"])
    return {"rows": [json.loads(json.dumps(held[place], default=str)) for place in range(count)]}


def turn(request: Message) -> Message:
    """Hand over what has come, and tell what has happened by the time that something has."""
    return {"events": Bench.loop.run_until_complete(_turn(request["posts"], request["wait"]))}


async def _turn(posts: list[Message], wait: float) -> list[Message]:
    for post in posts:
        throw_dice(post.get("seed", 0))
        _POSTS[post["do"]](post)
        for _ in range(_SETTLE):
            await asyncio.sleep(0)
    if not Bench.events:
        Bench.news.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(Bench.news.wait(), wait)
    told, Bench.events = Bench.events, []
    return told


def begin(post: Message) -> None:
    """A new rollout of a row."""
    one = PlayedEpisode(post["episode"])
    Bench.episodes[one.number] = one
    one.task = Bench.loop.create_task(_play(one, post["row"]))


def answer(post: Message) -> None:
    """The model's turn, for the request that waits; with `over` it is the last one."""
    one = Bench.episodes.get(post["episode"])
    if one is None or one.pending is None or one.pending.done():
        _tell({"episode": post["episode"], "lost": True})
        return
    one.over = post["over"]
    one.pending.set_result(post["message"])


def end(post: Message) -> None:
    """Forget a rollout."""
    one = Bench.episodes.pop(post["episode"], None)
    if one is not None and one.task is not None:
        one.task.cancel()


def _tell(event: Message) -> None:
    Bench.events.append(event)
    Bench.news.set()


async def _play(one: PlayedEpisode, row: Mapping[str, Any]) -> None:
    try:
        output: Any = await Bench.environment.run_rollout(row, client_of(one), "model", {})
        _tell({"episode": one.number, "done": outcome(output)})
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        _tell({"episode": one.number, "error": described(error), "network": wants_network(error)})


def outcome(output: Mapping[str, Any]) -> Message:
    """What is told of a rollout that is over."""
    metrics: Mapping[str, Any] = output.get("metrics") or {}
    error: Any = output.get("error")
    said = error.get("error_chain_repr") or error.get("error") if isinstance(error, Mapping) else error
    return {
        "reward": None if output.get("reward") is None else float(output["reward"]),
        "parts": {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))},
        "error": "" if error is None else str(said)[:500],
        "stop": str(output.get("stop_condition") or ""),
    }


# -- OpenAI's interface without a socket -------------------------------------------------------------------------------


def client_of(one: PlayedEpisode) -> Any:
    """A client of the library's whose requests become events of this episode."""
    openai: Any = importlib.import_module("openai")
    base: Any = importlib.import_module("openai._base_client")
    http: Any = getattr(base, "httpx2", None) or base.httpx

    class Here(http.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            body = json.loads(await request.aread())
            status, told = await _asked(one, body)
            return http.Response(status, json=told, request=request)

    client = openai.AsyncOpenAI(
        api_key="none",
        base_url="http://droid-tune.invalid/v1",
        max_retries=0,
        timeout=None,
        http_client=http.AsyncClient(transport=Here()),
    )
    if importlib.util.find_spec("verifiers.clients") is None:
        return client
    return importlib.import_module("verifiers.clients").OpenAIChatCompletionsClient(client)


async def _asked(one: PlayedEpisode, body: Message) -> tuple[int, Message]:
    """`(status, answer)` of one request."""
    if one.over or one.pending is not None:
        why = _ENDED if one.over else "one request at a time"
        return 400, {
            "error": {"message": why, "type": "invalid_request_error", "code": "context_length_exceeded"}
        }
    one.pending = Bench.loop.create_future()
    _tell({"episode": one.number, "messages": body.get("messages", []), "tools": body.get("tools") or []})
    message = await one.pending
    one.pending = None
    assert message is not None
    reason = "tool_calls" if message.get("tool_calls") else "length" if one.over else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    whole = {"id": "here", "object": "chat.completion", "created": 0, "model": "model", "choices": [choice]}
    return 200, {**whole, "usage": usage}


def wants_network(error: BaseException | None) -> bool:
    """Whether an exception, or what caused it, is of a network that is not there."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if type(error).__name__ in _NETWORK_ERRORS or (
            isinstance(error, OSError) and error.errno in _NO_NETWORK
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


_DOES: dict[str, Callable[[Message], Message]] = {"set_up": set_up, "rows": rows, "turn": turn}
_POSTS: dict[str, Callable[[Message], None]] = {"begin": begin, "answer": answer, "end": end}

if __name__ == "__main__":
    serve(handle)
