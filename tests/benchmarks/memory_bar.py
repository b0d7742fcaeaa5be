"""How soon the memory bar moves when a field changes: from the key to the painted bar, in the real window.

usage: python -m tests.benchmarks.memory_bar [--edits N] [--json FILE]

For the starter, a dense model of 80 layers and a mixture of experts with 36,000 tensors in 118 files (headers only, made
in a temporary folder), with the sample data's real lengths. Prints the first edit, the median and the slowest of the
others in milliseconds of the wall and of the CPU. No pass or fail. Needs a display; `xvfb-run -a` gives one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droid_tune.estimate.forecast import Estimate

#: for one edit, before it is called lost
PATIENCE_MS = 20_000

Shapes = dict[str, tuple[int, ...]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edits", type=int, default=24, help="per model")
    parser.add_argument("--json", type=Path, help="write every single time there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DROID_TUNE_HOME"] = home
        told = measure(Path(home), given.edits)
    for model, times in told.items():
        wall, cpu = ([1000 * one[clock] for one in times] for clock in ("wall", "cpu"))
        print(
            f"{model:10} first {wall[0]:6.1f} ms, then {statistics.median(wall[1:]):6.1f} ms median and "
            f"{max(wall[1:]):6.1f} ms at most; CPU {cpu[0]:6.1f}, {statistics.median(cpu[1:]):6.1f}, "
            f"{max(cpu[1:]):6.1f} ms"
        )
    if given.json:
        given.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


def measure(home: Path, edits: int) -> dict[str, list[dict[str, float]]]:
    from PySide6.QtWidgets import QApplication

    from ui.engine_worker import Engine
    from ui.main_window import MainWindow
    from ui.session import Session
    from ui.settings import Settings
    from ui.theme import Theme

    models = {
        "starter": "starter",
        "dense": str(fake_model(home / "dense", dense(), files=30)),
        "experts": str(fake_model(home / "experts", experts(), files=118)),
    }
    application = QApplication([])
    Theme(application, "light")
    session = Session(Engine(), Settings(), application)
    window = MainWindow(session)
    window.show()
    watch = Watch(window)
    told: dict[str, list[dict[str, float]]] = {}
    for name, path in models.items():
        session.draft.set_model(path)
        session.draft_changed.emit()
        watch.wait(partial(watch.lengths_known, path))
        watch.settle()
        told[name] = [watch.edit(2 + number % 8) for number in range(edits)]
    window.close()
    return told


class Watch:
    """Types into the field of completions per prompt and sees when the bar below the form was painted anew."""

    def __init__(self, window: object) -> None:
        from PySide6.QtCore import QEvent, QObject

        from ui.panes.setup.readiness.forecast_strip import ForecastStrip, SlimMemoryBar
        from ui.panes.setup.readiness.forecasting import Forecaster

        watch = self

        class Painted(QObject):
            def eventFilter(self, watched: QObject, event: QEvent) -> bool:
                if event.type() == QEvent.Type.Paint:
                    watch.painted = watch.told
                return False

        bar = self.bar = window.findChild(ForecastStrip).findChild(SlimMemoryBar)
        self.window, self.wanted, self.told, self.painted = window, 0, False, False
        self.forecaster = window.findChild(Forecaster)
        self.forecaster.told.connect(self.hear)
        self.filter = Painted(bar)
        bar.installEventFilter(self.filter)

    def lengths_known(self, model: str) -> bool:
        return any(key.startswith(f"{model}|") and found for key, found in self.forecaster._lengths.items())

    def hear(self, found: Estimate) -> None:
        """The form showed the estimate just before, so the next paint event has its numbers."""
        self.told = found.job.group_size == self.wanted

    def edit(self, value: int) -> dict[str, float]:
        from PySide6.QtTest import QTest

        field = (
            self.window.pane("setup").page.settings.groups["method"].rows["method.group_size"].editor.field
        )
        field.selectAll()
        self.wanted, self.told, self.painted = value, False, False
        wall, cpu = time.perf_counter(), time.process_time()
        QTest.keyClicks(field, str(value))
        self.wait(lambda: self.painted)
        taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        self.settle()
        return taken

    def wait(self, done: Callable[[], bool]) -> None:
        """Run the event loop, asleep between events, until something is so."""
        from PySide6.QtCore import QCoreApplication, QDeadlineTimer, QEventLoop, QTimer

        tick = QTimer()
        tick.start(2)  # wakes the loop
        deadline = QDeadlineTimer(PATIENCE_MS)
        while not done():
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
            if deadline.hasExpired():
                raise SystemExit("the memory bar was not painted anew")

    def settle(self) -> None:
        """Until validation and what else follows an edit is over."""
        until = time.monotonic() + 0.4
        self.wait(lambda: time.monotonic() > until)


# --- models that are headers only --------------------------------------------------------------------------------------


def fake_model(folder: Path, shapes: Shapes, files: int) -> Path:
    """A folder as transformers writes it; the weights are holes in the files. The starter's tokenizer."""
    from droid_tune.paths import starter_model_dir

    folder.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((starter_model_dir() / file).read_bytes())
    layers = len({name.split(".")[2] for name in shapes if ".layers." in name})
    config = {
        "model_type": "qwen3_moe" if any("experts" in name for name in shapes) else "llama",
        "hidden_size": 4096,
        "intermediate_size": 12_288,
        "moe_intermediate_size": 1536,
        "num_hidden_layers": layers,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151_936,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    names = list(shapes)
    size = -(-len(names) // files)
    for number in range(files):
        shard = {name: shapes[name] for name in names[number * size : (number + 1) * size]}
        write_header(folder / f"model-{number + 1:05}-of-{files:05}.safetensors", shard)
    return folder


def write_header(file: Path, shapes: Shapes) -> None:
    """A safetensors file whose numbers are a hole."""
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * (shape[0] * shape[1] if len(shape) == 2 else shape[0])
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)


def dense() -> Shapes:
    return dict(_outside()) | {
        f"model.layers.{layer}.{name}": shape
        for layer in range(80)
        for name, shape in [*_attention(), *_gated("mlp", 12_288)]
    }


def experts() -> Shapes:
    return dict(_outside()) | {
        f"model.layers.{layer}.{name}": shape
        for layer in range(94)
        for name, shape in [
            *_attention(),
            ("mlp.gate.weight", (128, 4096)),
            *(one for expert in range(128) for one in _gated(f"mlp.experts.{expert}", 1536)),
        ]
    }


def _outside() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "model.embed_tokens.weight", (151_936, 4096)
    yield "lm_head.weight", (151_936, 4096)
    yield "model.norm.weight", (4096,)


def _attention() -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, width in (("q", 8192), ("k", 1024), ("v", 1024)):
        yield f"self_attn.{name}_proj.weight", (width, 4096)
    yield "self_attn.o_proj.weight", (4096, 8192)
    yield "input_layernorm.weight", (4096,)
    yield "post_attention_layernorm.weight", (4096,)


def _gated(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.gate_proj.weight", (width, 4096)
    yield f"{name}.up_proj.weight", (width, 4096)
    yield f"{name}.down_proj.weight", (4096, width)


if __name__ == "__main__":
    main()
