"""What the measurement before a run (`memory.measure_rows`) finds for random Llamas, and how much it gains over the formulas.

    python -m tests.benchmarks.rows_at_once [--sizes s m] [--models FOLDER ...] [--wall]

Each line: the work, seconds of each number of rows that was timed (the formulas' choice first; CPU seconds without
--wall), what was chosen. Models are those of ../shared/bench, and folders that are named.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[3] / "shared" / "bench")]

import make_model  # noqa: E402
import workload  # noqa: E402

from droid_tune.config import merge, resolve  # noqa: E402
from droid_tune.control import Control, Watch  # noqa: E402
from droid_tune.data.dataset import open_configured  # noqa: E402
from droid_tune.estimate.quickest import Quickest, quickest  # noqa: E402
from droid_tune.train.assembly import build_session, rewards_of  # noqa: E402
from droid_tune.train.distributed import World  # noqa: E402
from droid_tune.train.starting import measuring  # noqa: E402
from droid_tune.train.starting.start import starting_policy  # noqa: E402
from droid_tune.train.training_session import Conduct  # noqa: E402

PLAIN: dict[str, Any] = {"training": {"iterations": 1000}, "memory": {"measure_rows": "always"}}
WORKS: dict[str, dict[str, Any]] = {
    "grpo 1x8 128+64": {
        "method": {"type": "grpo", "group_size": 8},
        "training": {"batch_size": 1},
        "sampling": {"max_completion_length": 64},
        "rewards": [{"type": "length", "target": 8}],
    },
    "grpo 4x8 128+64": {
        "method": {"type": "grpo", "group_size": 8},
        "training": {"batch_size": 4},
        "sampling": {"max_completion_length": 64},
        "rewards": [{"type": "length", "target": 8}],
    },
    "sft 16 rows": {"method": {"type": "sft"}, "training": {"batch_size": 16}},
}


def written(folder: Path) -> Path:
    """Rows of about 128 tokens and answers of about 64."""
    text = Path(json.__file__).read_text(encoding="utf-8")
    rows = (
        json.dumps({"prompt": text[at : at + 400], "answer": text[at + 400 : at + 600]})
        for at in range(0, 12_000, 100)
    )
    (folder / "train.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def models(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for size in options.sizes:
        yield size, make_model.make(workload.load({"size": size, "vocab": 32768 if size == "m" else 8192}))
    for folder in options.models:
        yield Path(folder).name, folder


def measured(model: str, data: Path, work: dict[str, Any], clock: Callable[[], float]) -> str:
    """What was timed in one session, in words."""
    config = resolve(merge(merge(PLAIN, work), {"model": {"path": model}, "data": {"path": str(data)}}))
    found: list[str] = []

    def recorded(ways: Sequence[Callable[[], float]], usual: int, _: float) -> Quickest | None:
        told = quickest(ways, usual, 600.0)
        assert told is not None
        found.append(" ".join(f"{seconds:.3f}" for seconds in told.least))
        return told

    def tell(code: str, text: str, remedy: str = "", *, level: str = "warning") -> None:
        found.append(text)

    measuring.quickest = recorded
    with tempfile.TemporaryDirectory() as folder:
        policy = starting_policy(config, Path(folder))
        conduct = Conduct(Control(), lambda _: None, World())
        dataset = open_configured(config.data, config.method.type, Watch())
        with rewards_of(config) as rewards:
            session = build_session(config, policy, dataset, rewards, conduct)
            measuring.measure_rows(session, tell, clock)
    return f"{' | '.join(one for one in found if one)} -> {session.plan.decode_rows} decoded, {session.plan.sentence}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="*", default=["s", "m"])
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--wall", action="store_true")
    options = parser.parse_args()
    clock = time.perf_counter if options.wall else time.process_time
    with tempfile.TemporaryDirectory() as folder:
        data = written(Path(folder))
        for name, model in models(options):
            for title, work in WORKS.items():
                print(name, title, measured(model, data, work, clock), flush=True)


if __name__ == "__main__":
    main()
