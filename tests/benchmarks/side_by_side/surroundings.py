"""Where the sides of a benchmark run: the machine, the peers' environments, what both read."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

OPENBLAS = (
    "/usr/lib/x86_64-linux-gnu/openblas-serial/libopenblas.so.0",
    "/usr/lib/aarch64-linux-gnu/openblas-serial/libopenblas.so.0",
)
MLX = "mlx[cpu]==0.32.4" if sys.platform == "linux" else "mlx==0.32.4"
#: environment -> what is installed with all that it needs, and what without
PACKAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mlx-lm-lora": ((MLX, "mlx-lm==0.32.2", "mlx-lm-lora==5.10.2"), ()),
    "inductive-mlxrl": ((MLX, "mlx-lm==0.32.2"), ("inductive-mlxrl==0.2.4",)),
    "unsloth-zoo": (
        (MLX, "mlx-lm==0.32.2", "transformers<=5.17", "datasets<5", "psutil", "pillow"),
        ("unsloth-zoo==2026.10.9",),
    ),
    "trl": (("torch==2.13.0", "trl==1.16.0", "peft==0.21.2", "psutil"), ()),
}


def cache() -> Path:
    """Where environments and models are kept from run to run, outside the tree."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "droid-tune-bench"


def peer_python(peer: str, ours: str) -> Path:
    """The Python of a peer's environment, made by `ours` on first use. Ends the program where it cannot be made."""
    folder = cache() / peer
    python, made = folder / "bin" / "python", folder / "made.json"
    wanted = [list(packages) for packages in PACKAGES[peer]]
    if made.is_file() and json.loads(made.read_text(encoding="utf-8")) == wanted:
        return python
    print(f"Making {folder}: {', '.join(name for part in wanted for name in part)}", flush=True)
    try:
        subprocess.run([ours, "-m", "venv", "--clear", str(folder)], check=True)
        for packages, further in zip(wanted, ([], ["--no-deps"]), strict=True):
            if packages:
                subprocess.run([str(python), "-m", "pip", "install", "-q", *further, *packages], check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench: the environment of {peer} could not be made ({error})")
    made.write_text(json.dumps(wanted), encoding="utf-8")
    return python


def sides_environment(bench: Path) -> tuple[dict[str, str], bool]:
    """The environment variables of all sides, and whether OpenBLAS is among them."""
    environment = {**os.environ, "PYTHONPATH": str(bench), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    blas = next((path for path in OPENBLAS if Path(path).exists()), None)
    if sys.platform == "linux" and blas:
        environment["LD_PRELOAD"] = blas
    return environment, blas is not None


def described(blas: bool) -> str:
    """The machine, in one line."""
    name = platform.processor() or platform.machine()
    if sys.platform == "darwin":
        name = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        ).stdout.strip()
    elif Path("/proc/cpuinfo").exists():
        models = [
            row.partition(":")[2].strip()
            for row in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if row.startswith("model name")
        ]
        name = models[0] if models else name
    return (
        f"{platform.system()} {platform.release()}, {name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"OpenBLAS {'yes' if blas else 'no'}; CPU seconds per step"
    )


def held_out_rows(data: Path) -> Path:
    """A folder whose held-out rows are all of the example's 500, to measure how dear they are."""
    folder = cache() / "held-out-500"
    folder.mkdir(parents=True, exist_ok=True)
    rows = {name: (data / f"{name}.jsonl").read_text(encoding="utf-8") for name in ("train", "valid")}
    (folder / "train.jsonl").write_text(rows["train"], encoding="utf-8")
    (folder / "valid.jsonl").write_text(rows["train"] + rows["valid"], encoding="utf-8")
    return folder


def accuracy_rows(task: str, ours: str, root: Path) -> Path:
    """A folder with a task's rows, 500 of them held out, written on first use."""
    folder = cache() / f"task-{task}"
    if not (folder / "valid.jsonl").is_file():
        writing = [ours, "-m", "tests.benchmarks.to_accuracy.accuracy_rows", task, str(folder)]
        subprocess.run(writing, check=True, cwd=root)
    return folder


def stories() -> Path:
    """A folder of prompts whose completions are never over soon."""
    folder = cache() / "stories"
    folder.mkdir(parents=True, exist_ok=True)
    things = ("a fox", "a lighthouse", "an old clock", "two sisters", "a lost letter", "the first snow")
    places = ("by the sea", "in a big city", "on a farm", "in the mountains")
    rows = [
        json.dumps({"prompt": f"Write a long story about {thing} {place}."})
        for thing in things
        for place in places
    ]
    for name in ("train", "valid"):
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def full_width(python: Path, shared: Path) -> Path | None:
    """SmolLM2-135M with its 4-bit weights written out in float32; None where the shared models are not at hand."""
    source = shared / "models" / "SmolLM2-135M-Instruct-4bit"
    folder = cache() / "SmolLM2-135M-float32"
    if not source.is_dir():
        return None
    if not (folder / "config.json").is_file():
        writing = (
            "from mlx_lm.utils import *; import sys, mlx.core as mx, pathlib;"
            "m, t, c = load(sys.argv[1], return_config=True); m = dequantize_model(m); m.set_dtype(mx.float32);"
            "[c.pop(k, None) for k in ('quantization', 'quantization_config')]; c['torch_dtype'] = 'float32';"
            "save(sys.argv[2], sys.argv[1], m, t, c)"
        )
        subprocess.run([str(python), "-c", writing, str(source), str(folder)], check=True)
    return folder
