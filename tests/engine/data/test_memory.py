"""A file is never in memory: validating and reading 60 MB costs a bounded few more than starting."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LEAST_ROWS = 600_000
#: the promise is 300 MB for a file of any size; hashes of 600,000 rows and their index need far less
MOST_MB = 120

PROGRAM = """
import json, resource, sys
from droid_tune.data.dataset import open_dataset
from droid_tune.data.order.batches import PromptBatches
def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
open_dataset(sys.argv[2], "grpo")
before = peak()
data = open_dataset(sys.argv[1], "grpo")
batches = PromptBatches(data.train, 64, seed=1)
for _ in range(200):
    batches.take()
told = {"grown": peak() - before, "rows": len(data), "rejected": data.report.rejected}
print(json.dumps(told))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path, data_home: Path) -> None:
    large, small = tmp_path / "large.jsonl", tmp_path / "small.jsonl"
    small.write_text('{"prompt": "a", "answer": "b"}\n')
    with large.open("w") as stream:
        for number in range(LEAST_ROWS):
            answer = number if number % 1000 == 7 else f'"{number}"'
            prompt = f"What is {number}, and what comes after it when one counts on as usual?"
            stream.write(f'{{"prompt": "{prompt}", "answer": {answer}}}\n')
    assert large.stat().st_size > 40_000_000
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(large), str(small)], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert (told["rows"], told["rejected"]) == (LEAST_ROWS - 600, 600)
    assert told["grown"] < MOST_MB * 1_000_000
