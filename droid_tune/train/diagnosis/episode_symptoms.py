"""What the metrics of episodes can show: calls that come to nothing, and episodes that are cut before their end."""

from __future__ import annotations

from droid_tune import words
from droid_tune.train.diagnosis.history import History
from droid_tune.train.diagnosis.symptom_facts import Facts, Said

_FEW = 5


def refused_calls(history: History, facts: Facts, told: bool) -> Said | None:
    """Tries to call a tool that were not carried out: from half of them, until fewer than 30 %."""
    valid = history.mean("episodes/valid_calls", _FEW)
    if valid is None or 1 - valid < (0.3 if told else 0.5):
        return None
    return Said(
        f"{words.share(1 - valid)} of the tries to call a tool came to nothing in the last {_FEW} steps: they could not be "
        "read, did not fit the tool, or failed.",
        "Read in Rollouts what the calls were answered. Show the form of a call in the system prompt, make the docstrings "
        "plainer, train on examples of calls by SFT first, or give part of the reward for a call that is carried out.",
    )


def cut_episodes(history: History, facts: Facts, told: bool) -> Said | None:
    """Episodes that ran out of turns or tokens: from half of them, until fewer than 30 %."""
    turns, tokens = (history.mean(f"episodes/cut_{cut}", _FEW) for cut in ("turns", "tokens"))
    if turns is None or tokens is None or turns + tokens < (0.3 if told else 0.5):
        return None
    if turns >= tokens:
        return Said(
            f"{words.share(turns)} of the episodes were cut in the last {_FEW} steps because the model still called a tool in "
            f"the last of its {words.count(facts.max_turns, 'turn')}.",
            "Raise `environment.max_turns`, or say in the system prompt how many calls there are before the answer.",
        )
    return Said(
        f"{words.share(tokens)} of the episodes were cut by their length in the last {_FEW} steps: a turn may have "
        f"{words.count(facts.max_turn_tokens, 'token')}, the whole episode {facts.max_completion_length:,}.",
        "Raise `environment.max_turn_tokens` or the longest completion (which counts the environment's words too), or let "
        "the tools answer more shortly (`environment.result_characters`).",
    )
