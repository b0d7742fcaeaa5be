"""A process shuts itself in, for good and with all that it starts: Landlock and a network of its own on Linux, the
sandbox of the system's own services on macOS. Run as a program it says what the system offers. Standard library only.

Landlock: Documentation/userspace-api/landlock.rst of Linux; it also keeps a process from the memory of those outside.
The rules come from `droid_tune.rewards.children.sandbox`.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ABI_VERSION = 1  # flag of create_ruleset
_PATH_BENEATH = 1  # kind of rule
_NO_NEW_PRIVILEGES = 38
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000

#: bits of Landlock's file rights
_EXECUTE, _READ_FILE, _READ_FOLDER, _MAKE_BLOCK = 1 << 0, 1 << 2, 1 << 3, 1 << 11
_OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # what a rule for a single file may name
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many of them an ABI knows; later ones add none
_ALL_TCP, _ALL_SCOPES = 0b11, 0b11


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def confine(rules: Mapping[str, Any]) -> None:
    """Apply the rules (`sandbox.Rules.told`). Raises OSError where the system refuses what it offered."""
    if sys.platform == "darwin":
        if rules["profile"]:
            enter_seatbelt(rules["profile"])
        return
    if rules["no_network"]:
        leave_network()
    if rules["files"]:
        landlock(rules["read"], rules["list"], rules["write"], no_tcp=rules["no_network"])


def shut_off_from_parent() -> None:
    """A fork gives up all power over the process that forked it, where the system has a way."""
    with suppress(OSError):
        restrict(_MAKE_BLOCK, (), no_tcp=False)


def landlock(read: Iterable[str], listed: Iterable[str], write: Iterable[str], *, no_tcp: bool) -> None:
    """Files beneath `read` may be read and run, names beneath `listed` be seen, beneath `write` anything; nothing else.

    Raises OSError.
    """
    every = (1 << _FILE_RIGHTS[min(landlock_version(), 5)]) - 1
    reading = _EXECUTE | _READ_FILE | _READ_FOLDER
    allowed = [(path, reading) for path in read] + [(path, _READ_FOLDER) for path in listed]
    restrict(every, [*allowed, *((path, every) for path in write)], no_tcp=no_tcp)


def restrict(handled: int, allowed: Iterable[tuple[str, int]], *, no_tcp: bool) -> None:
    """Refuse the `handled` rights except the `allowed` ones of each path; no signals to outside where Linux knows that."""
    version = landlock_version()
    attributes = _RulesetAttributes(
        handled, _ALL_TCP if no_tcp and version >= 4 else 0, _ALL_SCOPES if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _called(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        for path, rights in allowed:
            _allow(ruleset, path, rights)
        _prctl(_NO_NEW_PRIVILEGES, 1)
        _called(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def landlock_version() -> int:
    """Its ABI. Raises OSError where this Linux has none."""
    return _called(_CREATE_RULESET, None, 0, _ABI_VERSION)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """A path that is not there needs no rule."""
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        own = rights if Path(path).is_dir() else rights & _OF_FILES
        rule = _PathBeneath(own, file)
        _called(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(file)


def leave_network() -> None:
    """A network without any interface that is up. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) == 0:
        return
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW_USER | _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "no network of its own")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", name).write_text(text)


def enter_seatbelt(profile: str) -> None:
    """macOS: `sandbox_init` with a profile of our own, as `sandbox-exec -p` does. Raises OSError."""
    library = ctypes.CDLL("/usr/lib/libSystem.B.dylib", use_errno=True)
    why = ctypes.c_char_p()
    if library.sandbox_init(profile.encode(), ctypes.c_uint64(0), ctypes.byref(why)) != 0:
        raise OSError(f"the sandbox profile is refused: {(why.value or b'').decode(errors='replace')}")


def _called(number: int, *args: Any) -> int:
    """A system call's result. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(number), *args))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def main() -> None:
    """Print which of the measures named on the command line (JSON: name to rules) this process could take."""
    taken: list[str] = []
    measures: dict[str, Mapping[str, Any]] = json.loads(sys.argv[-1])
    for name, rules in measures.items():
        with suppress(OSError, AttributeError):
            confine(rules)
            taken.append(name)
    sys.stdout.write(json.dumps(taken))


if __name__ == "__main__":
    main()
