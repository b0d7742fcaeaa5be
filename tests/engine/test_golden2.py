"""The second golden vectors (../shared/golden2): every case of the sections that are there, none left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ADAPTER = Path(__file__).with_name("golden2_adapter.py")
#: the methods of each section
SECTIONS = {
    "preference": ("dpo", "cpo", "orpo", "tpo", "kto", "bco"),
    "online": ("rloo", "gmpo", "a2po", "online_dpo", "xpo", "nash_md"),
    "distillation": (
        *("gkd", "distillation", "topk_jsd", "server_distillation", "iw_opd"),
        *("sdft", "sdpo", "gold_uld", "minillm_single_step"),
    ),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_case_of_a_section_passes_and_none_is_left_out(
    shared_dir: Path, project_root: Path, section: str
) -> None:
    methods = SECTIONS[section]
    done = checked(shared_dir, project_root, "--only", ",".join(methods))
    assert done.returncode == 0, done.stdout + done.stderr
    for gap in ("skipped (", "not returned", "not provided"):
        assert gap not in done.stdout, done.stdout
    cases = json.loads((shared_dir / "golden2" / "golden.json").read_text())["loss_cases"]
    for method in methods:
        count = sum(case["method"] == method for case in cases)
        assert f"{method} loss".ljust(34) + f" {count:5d} ok     0 wrong" in done.stdout


def test_what_else_the_checker_asks_for_is_right(shared_dir: Path, project_root: Path) -> None:
    done = checked(shared_dir, project_root)
    assert " 0 wrong" in done.stdout.splitlines()[-1], done.stdout
    assert "kto_kl_pairs                           1 ok     0 wrong" in done.stdout


def checked(shared_dir: Path, project_root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(shared_dir / "golden2" / "check_engine.py"), str(ADAPTER), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(project_root)},
    )
