"""The tools: what an assistant may ask, and what it must confirm first.

A docstring is what the assistant reads; it says what comes back and what the tool changes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from droid_tune.assistant.own_calls import ask, begin, stop
from droid_tune.assistant.tool_words import RunWords, named, options

Answer = dict[str, Any]
Settings = dict[str, Any]


def validate(path: str, method: str = "", model: str = "") -> Answer:
    """Check a data file or folder: every rejected row with its place and reason, formats, statistics. Changes nothing."""
    return _told(ask(["validate", "--json", *options(method=method, model=model), *named(path)]))


def estimate(
    config: str = "",
    model: str = "",
    data: str = "",
    method: str = "",
    preset: str = "",
    settings: Settings | None = None,
) -> Answer:
    """Memory and time of a run before it begins, the verdict (fits, tight, too_large) and what would help.

    `config` is a YAML file; `settings` are single ones, e.g. {"group_size": 8, "learning_rate": 1e-5}. Changes nothing.
    """
    run = RunWords(config, model, data, method, preset, settings=settings or {})
    return _told(ask(["estimate", "--json", *run.words()]))


def check(
    config: str = "",
    model: str = "",
    data: str = "",
    method: str = "",
    preset: str = "",
    settings: Settings | None = None,
    prompts: int = 8,
) -> Answer:
    """Sample a few prompts with the starting model: pass rate, flat groups, measured memory and time, advice.

    Takes about a minute and loads the model. Changes nothing.
    """
    run = RunWords(config, model, data, method, preset, settings=settings or {})
    return _told(ask(["check", "--json", *options(prompts=prompts), *run.words()]))


def train(
    config: str = "",
    model: str = "",
    data: str = "",
    method: str = "",
    preset: str = "",
    name: str = "",
    settings: Settings | None = None,
    queued: bool = False,
    confirm: bool = False,
) -> Answer:
    """Begin a run (or, with `queued`, put it at the end of the queue). It goes on when this server ends; ask `status`.

    Without `confirm` it only says what would be done: show that to the user, and ask.
    """
    run = RunWords(config, model, data, method, preset, name, settings or {}).words()
    words = ["queue", "add", *run] if queued else ["train", *run]
    return _confirmed(words, confirm, (lambda: ask([*words, "--json"])) if queued else (lambda: begin(words)))


def status(run: str = "") -> Answer:
    """The runs with state, step and newest metrics, newest first, and the queue; of one run alone where it is named."""
    runs: list[Answer] = ask(["runs", "--json"])
    if run:
        runs = [one for one in runs if one["id"].startswith(run) or one["folder"] == run]
    return {"runs": runs, "queue": ask(["queue", "list", "--json"])}


def stop_run(run: str, confirm: bool = False) -> Answer:
    """Save a run that trains and end it; `resume` goes on exactly from there. Without `confirm` it only says so."""
    return _confirmed(["steer", run, "stop_at=1"], confirm, lambda: stop(run))


def resume(run: str, steps: int | None = None, confirm: bool = False) -> Answer:
    """Go on with a stopped or interrupted run, or `steps` further with a completed one. Without `confirm` it only says so."""
    words = ["resume", *options(steps=steps), *named(run)]
    return _confirmed(words, confirm, lambda: begin(words))


def rollouts(
    run: str,
    search: str = "",
    where: list[str] | None = None,
    sort: str = "",
    descending: bool = False,
    held_out: bool = False,
    limit: int = 20,
) -> Answer:
    """Completions of a run: prompt, text, rewards. `where` are bounds such as "reward=1:", "length=:40". Changes nothing."""
    words = ["rollouts", "--json", *options(search=search, sort=sort, limit=limit)]
    words += [f"--where={bound}" for bound in where or []]
    words += ["--descending"] if descending else []
    words += ["--held-out"] if held_out else []
    return _told(ask([*words, *named(run)]))


def report(runs: list[str] | None = None, out: str = "", confirm: bool = False) -> Answer:
    """What runs (none named: the queue's) came to: before and after with 95 % bounds, what was forgotten, what to read first.

    With `out` it writes the page there as HTML, which needs `confirm`.
    """
    which = ["--", *runs] if runs else ["--queue"]
    if not out:
        return _told(ask(["report", "--json", "--no-model", *which]))
    words = ["report", f"--out={out}", *which]
    return _confirmed(words, confirm, lambda: ask(words))


def export(
    run: str,
    out: str = "",
    to: str = "adapter",
    checkpoint: str = "",
    quantise: str = "",
    repository: str = "",
    check: int | None = None,
    force: bool = False,
    confirm: bool = False,
) -> Answer:
    """Write a run's result into the new folder `out` for other programs and score it again there.

    `to`, `checkpoint` (best, last, a step), `quantise` and `check` (held-out rows) are those of `droid-tune export --help`;
    `force` keeps what the comparison refuses. For the Hub it only writes: the user uploads by `droid-tune export`. Without
    `confirm` it only says so.
    """
    words = [
        "export",
        "--json",
        *options(out=out, to=to, checkpoint=checkpoint, quantise=quantise, check=check),
    ]
    words += [*options(repository=repository), *(["--force"] if force else []), *named(run)]
    return _confirmed(words, confirm, lambda: ask(words))


#: tools that change nothing, and those that must be confirmed; by the name under which they are offered
READING: dict[str, Callable[..., Answer]] = {
    "validate": validate,
    "estimate": estimate,
    "check": check,
    "status": status,
    "rollouts": rollouts,
}
WRITING: dict[str, Callable[..., Answer]] = {
    "train": train,
    "stop": stop_run,
    "resume": resume,
    "report": report,
    "export": export,
}


def _confirmed(words: list[str], confirm: bool, do: Callable[[], Any]) -> Answer:
    """What was done, or what would be."""
    if not confirm:
        would = shlex.join(["droid-tune", *words])
        return {
            "needs_confirmation": True,
            "would_do": would,
            "then": "call again with confirm=true once the user agrees",
        }
    return _told(do())


def _told(value: Any) -> Answer:
    return value if isinstance(value, dict) else {"result": value}
