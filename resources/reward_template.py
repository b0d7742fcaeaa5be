"""A reward of your own for Droid Tune. Copy this file, change it, and choose it under Rewards > Your Python file.

Try it before you train (nothing is trained, it takes a second), in the window by *Try Rewards…* on Setup, or

    droid-tune test-reward my_reward.py --data my_data/

How it works: for each prompt the model writes several completions. This function is called once for each of them
and says how good it is. Completions that got more than the others of their group become likelier, the others less
likely. So what counts is that better answers get MORE than worse ones; the size of the numbers hardly matters. If all
get the same, the model learns nothing.

The function gets

    completion   what the model wrote, as text
    row          the row of your data as a dictionary: row["prompt"], row["answer"] and every other column

It may also ask for `prompt`, `length` (in tokens), `finish_reason` ("stop", or "length" where it was cut off) and
`prompt_ends` (how the rendered prompt ended; with `<think>` where the thoughts were opened there): just name them.
It gives back a number, or None where it has nothing to say about this row (the completion
is then judged by your other rewards alone). An exception is not a 0: the completion is left out and the mistake is shown
with its line.

The file runs in a process of its own with a time and a memory limit, shut in: it reads what lies in its own folder and
programs, writes to a scratch folder that goes with it, and has no network. What else it may read is named in `readable` of
the reward, the network is switched on by `network`. You may import what is installed beside Droid Tune (numpy, for example)
and modules in the same folder. What you `print` is shown by `test-reward`. A function that takes
whole batches, as for TRL, works as well: `def reward(prompts, completions, **columns)` gives a list of numbers. So does
verl's `def compute_score(data_source, solution_str, ground_truth, extra_info=None)`.

What you draw from `random`, numpy or torch is the same again when a run is resumed: the dice are thrown anew for each
completion. Processes that a call starts end with it; start helpers that are to stay while the file loads.
"""

import re


def reward(completion, row):
    """1 for the right number at the end, and a tenth for saying it in a whole sentence."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", completion)
    if not numbers:
        return 0.0
    is_right = float(numbers[-1]) == float(row["answer"])
    is_sentence = completion.strip().endswith(".")
    return 1.0 * is_right + 0.1 * is_sentence
