#!/usr/bin/env bash
# reasoning-gym 0.1.25: rows whose answer is null.
#
# A good guess: every row of a procedural task carries its reference answer, so rewards can compare with `answer`. Seen: boxnet,
# graph_color, propositional_logic, rubiks_cube and rush_hour give `answer: None` (their scorer checks rules): a reward that
# compares with the answer has nothing to say about them, and a trainer that reads None as text rewards the word "None".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q reasoning-gym==0.1.25
"$work/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import reasoning_gym

print("reasoning-gym", version("reasoning-gym"))
for task in ("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour", "basic_arithmetic"):
    row = reasoning_gym.create_dataset(task, size=1, seed=1)[0]
    print(f"{task}: answer {row['answer']!r}, metadata.source_dataset {row['metadata']['source_dataset']!r}")
    assert (row["answer"] is None) == (task != "basic_arithmetic")
    assert row["metadata"]["source_dataset"] == task
PYTHON
echo "as described"
