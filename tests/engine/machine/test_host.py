"""Facts of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from droid_tune.config.training_config import MemoryConfig
from droid_tune.machine.budget import budget_of
from droid_tune.machine.chips import APPLE, speed_of
from droid_tune.machine.host import Host, _cgroup_limits, read_host, recommended_working_set
from droid_tune.machine.pressure import pressure_in, process_bytes, read_pressure

GB = 2**30


@pytest.mark.parametrize(
    ("memory", "share"),
    [(8 * GB, 2 / 3), (16 * GB, 2 / 3), (36 * GB, 2 / 3), (48 * GB, 3 / 4), (192 * GB, 3 / 4)],
)
def test_metal_may_use_two_thirds_of_small_machines_and_three_quarters_of_large_ones(
    memory: int, share: float
) -> None:
    assert recommended_working_set(memory) == int(memory * share)


def test_this_machine_has_memory_and_a_name() -> None:
    host = read_host()
    assert 0 < host.gpu_limit_bytes <= host.memory_bytes
    assert 0 <= host.used_by_others_bytes <= host.memory_bytes
    assert host.chip


def test_a_container_has_what_its_group_allows(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/docker/abc\n")
    (tmp_path / "docker" / "abc").mkdir(parents=True)
    (tmp_path / "docker" / "abc" / "memory.max").write_text("4294967296\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert _cgroup_limits(tmp_path, membership) == [4 * GB]


@pytest.mark.parametrize(
    ("settings", "budget"),
    [({"budget_mb": 512}, GB // 2), ({"budget_fraction": 0.5}, 2 * GB), ({"budget_mb": 9000}, 9000 * 2**20)],
)
def test_a_budget_is_what_was_said_or_a_share_of_what_the_gpu_may_hold(
    settings: dict[str, float], budget: int
) -> None:
    assert budget_of(MemoryConfig(**settings), Host(8 * GB, 4 * GB, "")) == budget  # type: ignore[arg-type]


def test_no_groups_no_limit(tmp_path: Path) -> None:
    assert _cgroup_limits(tmp_path, tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("some", "full", "pressure"),
    [(0, 0, "normal"), (19.9, 1, "normal"), (20, 0, "warning"), (80, 20, "critical")],
)
def test_linux_pressure_is_read_by_its_shares(some: float, full: float, pressure: str) -> None:
    text = f"some avg10={some} avg60=0.00 avg300=0.00 total=5\nfull avg10={full} avg60=0.00 avg300=0.00 total=5\n"
    assert pressure_in(text) == pressure


def test_the_system_can_be_asked() -> None:
    assert read_pressure() in ("normal", "warning", "critical")
    assert process_bytes() > 1_000_000


def test_a_larger_chip_is_never_slower() -> None:
    for generation in ("M1", "M2", "M3", "M4", "M5"):
        plain, largest = (
            speed_of(f"Apple {generation}", "metal"),
            speed_of(f"Apple {generation} Max", "metal"),
        )
        assert largest.bandwidth > plain.bandwidth
        assert largest.arithmetic > plain.arithmetic
    assert len(APPLE) == 18


def test_an_unknown_chip_is_a_guess_that_says_so() -> None:
    guess = speed_of("Apple M9", "metal")
    assert not guess.known
    assert guess.bandwidth <= min(speed_of(chip, "metal").bandwidth for chip in APPLE if chip != "Apple M1")
    assert not speed_of("AMD EPYC", "cpu").known


def test_a_preloaded_openblas_makes_the_cpu_s_float32_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    plain = speed_of("AMD EPYC", "cpu")
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/openblas-serial/libopenblas.so.0")
    preloaded = speed_of("AMD EPYC", "cpu")
    assert preloaded.arithmetic > 10 * plain.arithmetic
    assert preloaded.narrow == plain.narrow
