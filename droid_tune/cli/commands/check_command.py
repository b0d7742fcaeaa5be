"""`droid-tune check`: a minute with the starting model before hours are committed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from droid_tune import words
from droid_tune.cli.ending import STOPPED, stopping_gracefully
from droid_tune.cli.output import amount, print_json, print_table
from droid_tune.cli.run_arguments import add_run_arguments, asked_config, positive

if TYPE_CHECKING:
    from droid_tune.estimate.signal import CheckReport, Group

HELP = "sample a few prompts with the starting model: will the run learn anything, does it fit, how long?"
VERDICTS = {
    "good": "Ready to train.",
    "weak": "It may learn little; see below.",
    "bad": "Do not start yet; see below.",
}
SHOWN_GROUPS, SHOWN_WIDTH = 3, 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "--prompts",
        type=positive,
        default=8,
        metavar="N",
        help="prompts to sample (8), each with the run's group",
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 where training can begin, 1 where the verdict is bad, 130 stopped. Raises UserError as train does."""
    from droid_tune.check.signal_check import check_signal
    from droid_tune.cli.preparation import check_model
    from droid_tune.control import Control
    from droid_tune.errors import Stopped
    from droid_tune.train.engine import release_memory

    config = asked_config(arguments)
    check_model(config)
    control = Control()
    try:
        with stopping_gracefully(control, "nothing is kept"):
            report = check_signal(config, prompts=arguments.prompts, control=control)
            control.pause_point()  # asked for behind the last look
    except Stopped:
        return STOPPED
    finally:
        release_memory()
    if arguments.json:
        print_json(report.to_json())
    else:
        print_report(report)
    return 0 if report.verdict != "bad" else 1


def print_report(report: CheckReport) -> None:
    """Rates, rewards, some completions, findings with remedies."""
    measured = report.measured
    print(VERDICTS[report.verdict])
    rates = {
        "Right answers": report.pass_rate,
        "Prompts answered right at least once": report.pass_at_group,
        "Groups with equal rewards": report.flat_share,
        "Cut off at the limit": report.cut_share,
    }
    rows = [(name, amount(rate, "share")) for name, rate in rates.items() if rate is not None]
    rows += [
        (
            "Peak memory",
            f"{amount(measured.peak_bytes, 'bytes')} of {amount(measured.budget_bytes, 'bytes')}",
        ),
        ("Time per step", words.pace(measured.seconds_per_step)),
        ("Time of the run", f"about {words.duration(measured.total_seconds)}"),
    ]
    print_table(("", ""), rows)
    if report.rewards:
        print_table(
            ("REWARD", "MEAN", "SPREAD"),
            [(name, amount(one["mean"]), amount(one["std"])) for name, one in report.rewards.items()],
            right=(1, 2),
        )
    for group in measured.groups[:SHOWN_GROUPS]:
        print_group(group)
    for finding in report.findings:
        print(finding.text)
        for remedy in finding.remedies:
            print(f"  - {remedy.text}{as_settings(remedy.values)}")


def as_settings(values: dict[str, object]) -> str:
    """` (--set a.b=1)`, nothing where the remedy is no setting."""
    return "".join(f" (--set {path}={value})" for path, value in values.items())


def print_group(group: Group) -> None:
    """The prompt and its best four completions, a line each."""
    from droid_tune.metrics import rank

    prompt = words.shortened(group.prompt, SHOWN_WIDTH)
    answer = words.shortened(group.answer or "", SHOWN_WIDTH)
    print(f"\n{prompt}" + (f"  [answer: {answer}]" if answer else ""))
    for one in sorted(group.completions, key=lambda one: -rank(one.reward))[:4]:
        text = words.shortened(one.text, SHOWN_WIDTH)
        print(f"  {amount(one.reward):>6}  {text}{' [cut]' if one.cut else ''}")
