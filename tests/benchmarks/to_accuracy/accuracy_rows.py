"""Writes the rows of a task with 500 held-out ones: `python -m tests.benchmarks.to_accuracy.accuracy_rows TASK FOLDER`.

Tasks are those of `tests/benchmarks/self_teaching.py`: `sample`, the starter's own; `carry`, where every problem has one;
`borrow`, differences with one alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.benchmarks.self_teaching import exercises


def main() -> None:
    task, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, count, held_out in (("train", 2_000, False), ("valid", 500, True)):
        rows = [
            {"prompt": one.question, "answer": one.answer}
            for one in exercises(task, count, 7, held_out=held_out)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
