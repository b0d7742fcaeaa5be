"""`droid-tune generate`: ask a model, or what a run has made of it, and read the answer as it is written."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from droid_tune.cli.run_arguments import positive
from droid_tune.errors import UsageError

if TYPE_CHECKING:
    from droid_tune.model.policy import Policy

HELP = "answer a prompt with a model or a run's result"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--run", metavar="RUN", dest="run_name", help="a run: its model with what it has learnt")
    who.add_argument(
        "--model", metavar="M", default="starter", help="`starter`, a model folder or a Hugging Face id"
    )
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--system", default="", metavar="TEXT", help="a system prompt")
    parser.add_argument("--max-tokens", type=positive, default=256, metavar="N")
    parser.add_argument(
        "--temperature", type=float, default=0.0, metavar="T", help="0 (the default) is greedy"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.temperature <= 5:
        raise UsageError(f"--temperature {arguments.temperature:g} must lie between 0 and 5")
    policy = load(arguments)
    for text in answer(policy, arguments):
        print(text, end="", flush=True)
    print()
    return 0


def load(arguments: argparse.Namespace) -> Policy:
    """The model as it is, or with what a run has learnt so far. Raises UserError."""
    from droid_tune.model.loading import load_policy

    if arguments.run_name is None:
        return load_policy(arguments.model)
    from droid_tune.train.runs import find_run, read_config

    folder = find_run(arguments.run_name)
    config = read_config(folder)
    policy = load_policy(config.model.path, config.adapter, revision=config.model.revision)
    load_learnt(policy, folder)
    return policy


def load_learnt(policy: Policy, folder: Path) -> None:
    """A run's newest good checkpoint; its finished result where the checkpoints are gone."""
    from droid_tune.model.adapter_files import load_adapter, load_arrays
    from droid_tune.paths import RunPaths
    from droid_tune.train.checkpoint import CheckpointStore

    newest, _bad = CheckpointStore(RunPaths(folder).checkpoints).newest_good()
    if newest is not None:
        load_arrays(policy, newest.tensors("adapters"), place=str(newest.folder))
    else:
        load_adapter(policy, folder)


def answer(policy: Policy, arguments: argparse.Namespace) -> Iterator[str]:
    """The completion, piece by piece as it is sampled."""
    import mlx.core as mx
    from mlx_lm import stream_generate
    from mlx_lm.sample_utils import make_sampler

    from droid_tune.data.templates import TemplateOptions, render_prompt

    prompt = render_prompt(policy.tokenizer, {"prompt": arguments.prompt}, TemplateOptions(arguments.system))
    for token in policy.stop_tokens:
        policy.tokenizer.add_eos_token(token)
    mx.random.seed(arguments.seed)
    pieces = stream_generate(
        policy.model,
        policy.tokenizer,
        prompt.tokens,
        max_tokens=arguments.max_tokens,
        sampler=make_sampler(temp=arguments.temperature),
    )
    return (piece.text for piece in pieces)
