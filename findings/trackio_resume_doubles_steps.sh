#!/usr/bin/env bash
# trackio 0.43.0 goes on with a run by `trackio.init(..., resume="allow")`.
#
# A good guess, from the API that it takes over (`wandb.init(resume=...)`, where a step that is told again does not stand
# twice): a training that goes on from the checkpoint of step 4, after a crash at step 6, has one value for each step. Seen:
# steps 5 and 6 stand in the run twice, with both values, and nothing warns; curves go back there. A run has to be deleted
# (`trackio.Api().runs(project)`) and told again to be whole.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q trackio==0.43.0
export TRACKIO_DIR="$work/trackio"
cat >"$work/session.py" <<'PYTHON'
import sys

import trackio

first, last = int(sys.argv[1]), int(sys.argv[2])
run = trackio.init(project="p", name="r", resume="allow", embed=False, auto_log_gpu=False, auto_log_cpu=False)
for step in range(first, last + 1):
    run.log({"reward": step + first / 10}, step=step)
run.finish()
PYTHON
"$work/venv/bin/python" "$work/session.py" 1 6 >/dev/null
"$work/venv/bin/python" "$work/session.py" 5 8 >/dev/null
"$work/venv/bin/python" - <<'PYTHON'
import importlib.metadata

from trackio.sqlite_storage import SQLiteStorage

told = [(row["step"], round(row["reward"], 1)) for row in SQLiteStorage.get_logs("p", "r")]
print("trackio", importlib.metadata.version("trackio"), told)
assert importlib.metadata.version("trackio") == "0.43.0"
assert sorted(step for step, _ in told) == [1, 2, 3, 4, 5, 5, 6, 6, 7, 8]
assert {value for step, value in told if step == 5} == {5.1, 5.5}
PYTHON
