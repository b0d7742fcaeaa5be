"""The scripts for a Mac, read by their dry runs; and the workflows that start them."""

from __future__ import annotations

import plistlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.tiny_bundle import make_bundle

SCRIPTS = ("sign", "notarize", "dmg", "smoke-test", "ci-keychain", "release-notes", "appbundle/pin-tools")
IDENTITY = "Developer ID Application: A Developer (TEAM123456)"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "Droid Tune.app").root


def dry_run(packaging_dir: Path, script: str, *arguments: str, **environment: str) -> list[list[str]]:
    """The commands that a script would run, as words."""
    done = subprocess.run(
        [packaging_dir / script, "--dry-run", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    return [shlex.split(text) for text in re.split(r"^\+ ", done.stdout, flags=re.MULTILINE)[1:]]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not on this machine")
@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(packaging_dir: Path, script: str) -> None:
    path = packaging_dir / script
    done = subprocess.run(
        ["shellcheck", "-x", "-P", "..", path.name],
        capture_output=True,
        text=True,
        check=False,
        cwd=path.parent,
    )
    assert done.stdout == ""


# --- sign ----------------------------------------------------------------------------------------------------------


def test_signing_goes_from_the_inside_out_and_ends_with_the_application(
    packaging_dir: Path, app: Path
) -> None:
    commands = dry_run(packaging_dir, "sign", str(app))
    signed = [command[-1] for command in commands if command[:2] == ["codesign", "--force"]]
    depths = [len(Path(path).parts) for path in signed]
    assert depths == sorted(depths, reverse=True)
    assert signed[-1] == str(app)
    assert commands[-1] == ["codesign", "--verify", "--deep", "--strict", "--verbose=2", str(app)]


def test_every_library_is_signed_and_a_framework_as_a_whole(packaging_dir: Path, app: Path) -> None:
    signed = {Path(command[-1]).name for command in dry_run(packaging_dir, "sign", str(app))}
    assert {"libmlx.dylib", "core.so", "libpython3.13.dylib", "QtCore.framework", "QtCore.abi3.so"} <= signed
    assert "QtCore" not in signed


def test_an_ad_hoc_signature_has_no_timestamp_and_a_developers_has_all(
    packaging_dir: Path, app: Path
) -> None:
    for identity, arguments in (("-", ()), (IDENTITY, ("--identity", IDENTITY))):
        command = next(
            words for words in dry_run(packaging_dir, "sign", *arguments, str(app)) if words[0] == "codesign"
        )
        assert command[command.index("--sign") + 1] == identity
        assert ("--timestamp" in command) == ("runtime" in command) == (identity != "-")


def test_the_identity_may_come_from_the_environment(packaging_dir: Path, app: Path) -> None:
    commands = dry_run(packaging_dir, "sign", str(app), DROID_TUNE_SIGN_IDENTITY=IDENTITY)
    assert IDENTITY in commands[1]


def test_only_the_application_has_entitlements_and_only_the_two_it_needs(
    packaging_dir: Path, app: Path
) -> None:
    commands = dry_run(packaging_dir, "sign", "--identity", IDENTITY, str(app))
    assert [words[-1] for words in commands if "--entitlements" in words] == [str(app)]
    entitlements = plistlib.loads((packaging_dir / "entitlements.plist").read_bytes())
    assert entitlements == {
        "com.apple.security.cs.allow-unsigned-executable-memory": True,
        "com.apple.security.cs.disable-library-validation": True,
    }


# --- notarize, dmg, smoke-test -------------------------------------------------------------------------------------


def test_notarising_submits_waits_and_staples(packaging_dir: Path, app: Path) -> None:
    commands = dry_run(packaging_dir, "notarize", str(app), DROID_TUNE_NOTARY_PROFILE="mine")
    programs = [" ".join(words[:3]) for words in commands]
    assert (
        programs.index("ditto -c -k")
        < programs.index("xcrun notarytool submit")
        < programs.index("xcrun stapler staple")
    )
    submit = commands[programs.index("xcrun notarytool submit")]
    assert submit[submit.index("--keychain-profile") + 1] == "mine"
    assert "--wait" in submit


def test_notarising_takes_an_api_key(packaging_dir: Path, app: Path) -> None:
    key = {"NOTARY_KEY_FILE": "/keys/a.p8", "NOTARY_KEY_ID": "KEY1", "NOTARY_ISSUER": "ISSUER1"}
    submit = next(words for words in dry_run(packaging_dir, "notarize", str(app), **key) if "submit" in words)
    assert submit[submit.index("--key") : submit.index("--key") + 6] == [
        *("--key", "/keys/a.p8", "--key-id", "KEY1", "--issuer", "ISSUER1")
    ]


def test_the_disk_image_has_the_application_a_link_and_a_background(packaging_dir: Path, app: Path) -> None:
    commands = dry_run(packaging_dir, "dmg", "--identity", IDENTITY, str(app))
    assert ["ln", "-s", "/Applications", "dist/dmg/content/Applications"] in commands
    assert any(words[:2] == ["cp", "dist/dmg-background.png"] for words in commands)
    image = "dist/Droid-Tune-macos-arm64.dmg"
    assert ["codesign", "--force", "--timestamp", "--sign", IDENTITY, image] in commands
    assert not any(words[0] == "codesign" for words in dry_run(packaging_dir, "dmg", str(app)))


def test_the_smoke_test_compares_halves_with_the_whole_and_opens_the_window(
    packaging_dir: Path, app: Path
) -> None:
    commands = dry_run(packaging_dir, "smoke-test", "--data", "/my data", str(app))
    programs = [words[0] for words in commands]
    trained = [words[1:] for words in commands if words[0].endswith("droid-tune")]
    assert [words[0] for words in trained[-3:]] == ["train", "train", "resume"]
    assert programs.index("cmp") < programs.index("open") < programs.index("screencapture")
    assert next(words for words in commands if words[0] == "open")[-1] == "/my data"


@pytest.mark.parametrize("script", ["sign", "notarize", "dmg", "smoke-test"])
def test_a_mistake_is_one_sentence(packaging_dir: Path, script: str) -> None:
    done = subprocess.run([packaging_dir / script, "--wrong"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{script}: unknown option --wrong; see {script} --help\n"
    shown = subprocess.run([packaging_dir / script, "--help"], capture_output=True, text=True, check=True)
    assert f"packaging/{script}" in shown.stdout


# --- release notes -------------------------------------------------------------------------------------------------


def test_release_notes_are_the_changelogs_section(packaging_dir: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "packaging").mkdir(parents=True)
    (project / "droid_tune").mkdir()
    shutil.copy2(packaging_dir / "release-notes", project / "packaging")
    (project / "droid_tune" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    log = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-01-02\n\n- new\n\n## [1.2.2]\n\n- old\n"
    (project / "CHANGELOG.md").write_text(log)

    def notes(version: str) -> subprocess.CompletedProcess[str]:
        command = [project / "packaging" / "release-notes", version]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert notes("1.2.3").stdout == "- new\n"
    assert "the package is version 1.2.3, not 1.2.2" in notes("1.2.2").stderr
    (project / "CHANGELOG.md").write_text("# Changelog\n")
    assert 'no section "## [1.2.3]"' in notes("1.2.3").stderr


# --- workflows -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["tests.yml", "release.yml"])
def workflow(request: pytest.FixtureRequest, project_root: Path) -> dict[str, Any]:
    loaded = yaml.safe_load((project_root / ".github" / "workflows" / request.param).read_text())
    assert isinstance(loaded, dict)
    return loaded


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_actions_are_pinned_by_commit(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []


def test_permissions_are_the_least(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] in ({}, {"contents": "read"})
    writers = [name for name, job in workflow["jobs"].items() if "write" in str(job.get("permissions", ""))]
    assert writers in ([], ["publish"])


def test_secrets_reach_scripts_through_the_environment_only(workflow: dict[str, Any]) -> None:
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), "a value written into a script can change the script"
        assert "secrets." not in str(step.get("with", ""))


def test_every_script_that_a_workflow_starts_exists(workflow: dict[str, Any], packaging_dir: Path) -> None:
    started = {
        name for step in steps(workflow) for name in re.findall(r"packaging/([\w-]+)", step.get("run", ""))
    }
    assert started
    assert [name for name in started if not (packaging_dir / name).is_file()] == []
