"""`droid-tune generate`: ask a model, or what a run has made of it, and read the answer as it is written."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from droid_tune.cli.output import say
from droid_tune.cli.run_arguments import add_checkpoint_argument, positive
from droid_tune.errors import UsageError

if TYPE_CHECKING:
    from droid_tune.playground.playground import Playground

HELP = "answer a prompt with a model or a run's result"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--run", metavar="RUN", dest="run_name", help="a run: its model with what it has learnt")
    who.add_argument(
        "--model", metavar="M", default="starter", help="`starter`, a model folder or a Hugging Face id"
    )
    add_checkpoint_argument(parser, "of --run: the weights that answer")
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--system", metavar="TEXT", help="a system prompt; by default the run's own")
    parser.add_argument("--without-adapter", action="store_true", help="the run's model as it was before")
    parser.add_argument("--max-tokens", type=positive, default=256, metavar="N")
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 (the default) is greedy"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Prints the reply as it is sampled. Raises UsageError for a temperature outside 0 to 5."""
    from droid_tune.config.sampling import SamplingConfig

    if not 0 <= arguments.temperature <= 5:
        raise UsageError(f"--temperature {arguments.temperature:g} must lie between 0 and 5")
    sampling = SamplingConfig(max_completion_length=arguments.max_tokens, temperature=arguments.temperature)
    system = [{"role": "system", "content": arguments.system}] if arguments.system else []
    model = playground(arguments)
    from droid_tune.playground.playground import WITHOUT

    if model.step is not None and not arguments.without_adapter:
        say(f"the run's weights of step {model.step:,}")
    reply = model.reply(
        [*system, {"role": "user", "content": arguments.prompt}],
        sampling,
        with_adapter=not arguments.without_adapter,
        on_text=lambda piece: print(piece, end="", flush=True),
        seed=arguments.seed,
    )
    print()
    if reply.aside:
        say(reply.aside)
    if reply.aside.startswith(WITHOUT):
        say("`droid-tune play --config` plays in one")
    return 0


def playground(arguments: argparse.Namespace) -> Playground:
    """The loaded model of a run, or of `--model`. Raises UserError where there is none."""
    from droid_tune.playground.playground import Playground
    from droid_tune.runs.folder import find_run

    if arguments.run_name is None:
        return Playground.of_model(arguments.model)
    return Playground.of_run(find_run(arguments.run_name), arguments.checkpoint)
