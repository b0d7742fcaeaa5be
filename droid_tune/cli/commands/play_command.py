"""`droid-tune play`: episodes of an environment with the starting model, turn by turn, without training."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from droid_tune import words
from droid_tune.cli.commands.show_command import marked
from droid_tune.cli.ending import STOPPED, stopping_gracefully
from droid_tune.cli.output import amount, print_json, say
from droid_tune.cli.run_arguments import add_run_arguments, asked_config, positive

if TYPE_CHECKING:
    from droid_tune.data.formats.parts.messages import Message
    from droid_tune.playground.playing import PlayedOut

HELP = (
    "play episodes of an environment without training: which calls are made, what they give, what is earned"
)
ENDINGS = {
    "answered": "answered",
    "environment": "ended by the environment",
    "turns": "cut: too many turns",
    "tokens": "cut: too many tokens",
    "time": "cut: too long",
    "failed": "failed",
    "": "could not begin",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--rows", type=positive, default=2, metavar="N", help="rows to play (2)")
    parser.add_argument(
        "--tokens",
        action="store_true",
        help="each episode as the model sees it, with its template; what a run learns from stands between [[ and ]]",
    )
    parser.add_argument("--json", action="store_true", help="the episodes as one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 where every episode was played, 1 where one failed, 130 stopped. Raises UserError as train does."""
    from droid_tune.cli.preparation import check_model
    from droid_tune.control import Control, Watch
    from droid_tune.data.dataset import open_configured
    from droid_tune.errors import Stopped, UserError
    from droid_tune.playground.playing import Player

    config = asked_config(arguments)
    check_model(config)
    control = Control()
    played: list[PlayedOut] = []
    try:
        with stopping_gracefully(control, "nothing is kept"):
            watch = Watch(should_stop=control.stop_requested)
            rows = open_configured(config.data, config.method.type, watch).train[: arguments.rows]
            if not rows:
                raise UserError("The data have no rows to play", place=config.data.path)
            player = Player(config, watch)
            try:
                player.environment.check_rows(rows)
                if player.environment.caution:
                    say(player.environment.caution)
                for number, row in enumerate(rows):
                    played.append(player.play(row, number))
                    if not arguments.json:
                        print_episode(number, played[-1], player.tokenizer if arguments.tokens else None)
            finally:
                player.close()
    except Stopped:
        return STOPPED
    if arguments.json:
        print_json([one.to_json() for one in played])
    return 1 if any(one.failed for one in played) else 0


def print_episode(number: int, played: PlayedOut, tokenizer: Any = None) -> None:
    """Its turns, or with a tokenizer all that the model saw, and how it ended."""
    print(f"\nEpisode {number + 1}")
    if tokenizer is not None:
        counted = words.count(len(played.tokens), "token")
        print(f"--- {counted}, {sum(played.learnt):,} of them learnt")
        print(marked(played.tokens, played.learnt, tokenizer))
    else:
        for turn in (*played.opening, *played.turns):
            print_turn(turn)
    path = played.path
    reward = "" if path.reward is None else f", reward {amount(path.reward)}"
    spoken = words.count(len(path.spans), "turn")
    print(f"  [{ENDINGS[played.ending]}, {spoken}{reward}]{' ' + played.failed if played.failed else ''}")


def print_turn(turn: Message) -> None:
    """Who speaks, and what; calls as they were read."""
    who = f"{turn['role']} {turn['name']}" if turn.get("name") else turn["role"]
    if turn.get("reasoning_content"):
        print(f"  {who} thinks: {indented(turn['reasoning_content'])}")
    calls = [one["function"] for one in turn.get("tool_calls") or ()]
    if turn["content"] or not calls:
        print(f"  {who}: {indented(turn['content'])}")
    for call in calls:
        given = ", ".join(f"{name}={value!r}" for name, value in call["arguments"].items())
        print(f"  {who} calls {call['name']}({given})")


def indented(text: str) -> str:
    """Further lines below the first one."""
    return text.strip().replace("\n", "\n    ")
