"""From words to an exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from droid_tune.cli import entry, main
from droid_tune.errors import UsageError, UserError, refused_by_system


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert [name for name in entry.COMMANDS if name not in said] == []


@pytest.mark.parametrize("name", entry.COMMANDS)
def test_each_command_has_a_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert entry.command(name).HELP.split(";")[0].split()[0] in capsys.readouterr().out


def test_help_is_quick_because_it_imports_no_engine() -> None:
    code = (
        "import sys; from droid_tune.cli import entry; entry.parser().format_help(); "
        "print({'mlx', 'pydantic', 'numpy', 'rich', 'PySide6', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["methods", "--jsn"], "unrecognized arguments: --jsn; `droid-tune --help` shows what is possible."),
        (["metods"], "there is no command and no folder `metods`; did you mean `droid-tune methods`?"),
        (
            ["no-such-folder"],
            "there is no command and no folder `no-such-folder`; `droid-tune --help` lists the commands.",
        ),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == f"droid-tune: {sentence}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("no data"), 1),
        (UsageError("no such thing"), 2),
        (KeyboardInterrupt(), 130),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), 1),
    ],
)
def test_each_kind_of_end_has_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_words: list[str]) -> int:
        raise error

    monkeypatch.setattr(entry, "run", fail)
    assert main(["methods"]) == code


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display_the_terminal_is_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 1
    assert "`droid-tune train` trains in the terminal" in capsys.readouterr().err


def test_a_bug_is_not_hidden_behind_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_words: list[str]) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(entry, "run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["methods"])


def test_a_package_that_is_missing_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_words: list[str]) -> int:
        raise ModuleNotFoundError("No module named 'gguf'", name="gguf")

    monkeypatch.setattr(entry, "run", fail)
    assert main(["export"]) == 1
    said = capsys.readouterr().err
    assert "The package `gguf`" in said
    assert said.count("\n") == 1


def test_help_reads_no_catalogue_and_no_settings() -> None:
    """It is asked for often, and each would take longer than all the rest."""
    code = (
        "import sys\nfrom droid_tune.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print({'droid_tune.metrics', 'droid_tune.config', 'droid_tune.events', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_what_the_system_refuses_is_a_sentence_and_a_mistake_of_ours_is_none() -> None:
    refused = PermissionError(errno.EACCES, "Permission denied", "/x/config.yaml")
    assert refused_by_system(refused) == "The system refuses /x/config.yaml (Permission denied)."
    assert refused_by_system(FileNotFoundError(errno.ENOENT, "No such file", "/x")) == ""
    assert refused_by_system(ValueError("x")) == ""


def test_a_working_folder_that_is_gone_and_a_temporary_one_that_never_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_words: list[str]) -> int:
        Path.cwd()
        raise AssertionError

    monkeypatch.setattr(entry, "run", fail)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "never"))
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["methods"]) == 1
    assert capsys.readouterr().err.startswith("droid-tune: The folder that this was started in is gone;")
    assert "TMPDIR" not in os.environ
