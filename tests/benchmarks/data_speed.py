"""How fast a large JSONL file is validated, opened again and drawn from: `python tests/benchmarks/data_speed.py [ROWS] [FOLDER]`.

Ten million rows (1 GB) by default, one in a thousand of them broken; every broken row has to be found. Prints one line
of JSON per measurement. The file stays in FOLDER for the next time.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from droid_tune.data.dataset import open_dataset
from droid_tune.data.order.batches import PromptBatches
from droid_tune.data.validate import validate

ROWS = 10_000_000
#: one row in so many is broken, each in another way
EVERY = 1000
BROKEN = (
    '{"prompt": "p", "answer": NaN}',
    '{"prompt": "p", "answer": 7.5}',
    '{"prompt": "", "answer": "a"}',
    '{"prompt": "p", "answer": "a",}',
    '{"prompt": "p", "prompt": "q", "answer": "a"}',
    "[]",
)
PLAIN_JSON_ROWS = 1_000_000


def generate(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for number in range(rows):
            if number % EVERY == EVERY - 1:
                stream.write(BROKEN[number // EVERY % len(BROKEN)] + "\n")
            else:
                stream.write(
                    f'{{"prompt": "What is {number} plus {number % 977}? Think it over first.", '
                    f'"answer": "{number + number % 977}", "level": {number % 7}}}\n'
                )


def say(what: str, seconds: float, rows: int, **more: object) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    told = {
        "what": what,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
        "peak_bytes": peak,
    }
    print(json.dumps({**told, **more}), flush=True)


def main(rows: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rows-{rows}.jsonl"
    if not path.exists():
        generate(path, rows)
    start = time.perf_counter()
    report = validate(path, "grpo")
    say("validate", time.perf_counter() - start, rows, bytes=path.stat().st_size)
    found = [issue.line for issue in report.issues if issue.severity == "error"]
    expected = list(range(EVERY, rows + 1, EVERY))
    assert found == expected, f"found {len(found):,} broken rows of {len(expected):,}"
    for what in ("open", "open again"):
        start = time.perf_counter()
        data = open_dataset(path, "grpo")
        say(what, time.perf_counter() - start, rows, accepted=len(data))
        batches = PromptBatches(data.train, 64, seed=1)
        start = time.perf_counter()
        for _ in range(1000):
            batches.take()
        say("draw 64,000 rows at random", time.perf_counter() - start, 64_000)
    start = time.perf_counter()
    with path.open("rb") as stream:
        for _, line in zip(range(PLAIN_JSON_ROWS), stream, strict=False):
            try:
                json.loads(line)
            except ValueError:
                continue
    say("plain json.loads, for comparison", time.perf_counter() - start, min(rows, PLAIN_JSON_ROWS))


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    main(wanted, Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.gettempdir()) / "droid-tune-speed")
