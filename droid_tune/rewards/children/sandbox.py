"""What the system offers to shut a child process in: only its scratch folder to write to, no network, nobody's files.

The worker shuts itself in before it reads a line of foreign code (`workers/confine.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from droid_tune.machine.isolated import harmless_environment, isolated_python

#: what programs are made of, and no person's own
_LINUX_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix", "/snap", "/etc", "/sys"),
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/run/systemd/resolve"),
    # of processes only its own: Landlock leaves /proc/PID/environ of those outside open to the same user
    *("/proc/self", "/proc/sys", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems"),
)
#: where people keep their files, on a Mac
_MAC_PERSONAL = ("/Users", "/Volumes", "/private/var/folders", "/private/tmp")
#: folders of the home folder in which a file's neighbours are not its own
_DRAWERS = ("Desktop", "Documents", "Downloads", "Library", "Movies", "Music", "Pictures", "Public")
_PROBE_SECONDS = 20.0
#: other processes: no signals, no arguments and environments, no other program asked to act for it
_STRICTER = "".join(
    (
        "(deny signal)(allow signal (target same-sandbox))",
        '(deny process-info*)(allow process-info* (target same-sandbox))(deny sysctl-read (sysctl-name "kern.procargs2"))',
        "(deny mach-lookup)(deny appleevent-send)(deny lsopen)(deny job-creation)",
    )
)


@dataclass(frozen=True)
class Offer:
    """What this system can keep from a child process."""

    files: bool
    network: bool
    #: a Mac that knows every word of the stricter profile
    strict: bool = True

    def sentence(self, *, network: bool = False) -> str:
        """`It cannot reach your files or the network.`, or plainly what it can; `network`: it may use that."""
        kept = [name for name, able in (("your files", self.files), ("the network", self.network)) if able]
        kept = [name for name in kept if not (network and name == "the network")]
        open_to_it = [name for name in ("your files", "the network") if name not in kept]
        parts = [f"It cannot reach {' or '.join(kept)}"] if kept else []
        if not self.files or (not self.network and not network):
            parts.append(f"this system offers no way to keep {' or '.join(open_to_it)} from it")
        elif network:
            parts.append("the network is switched on for it")
        said = "; ".join(parts)
        return f"{said[0].upper()}{said[1:]}."


@dataclass(frozen=True)
class Rules:
    """What a child may read besides programs, and whether it may use the network. It writes to its scratch folder alone."""

    readable: tuple[str, ...] = ()
    network: bool = False
    #: folders whose names of files may be seen, so that Python finds what it may import
    listed: tuple[str, ...] = ()

    def told(self, scratch: Path) -> dict[str, Any]:
        """What `confine` is told; only what this system offers."""
        offer = offers()
        read = [*programs(), *self.readable]
        return {
            "files": offer.files,
            "no_network": offer.network and not self.network,
            "read": [*_LINUX_SYSTEM, *read],
            "list": list(self.listed),
            "write": [str(scratch), "/dev/null"],
            "profile": self._profile(scratch, read, offer) if sys.platform == "darwin" else "",
        }

    def _profile(self, scratch: Path, read: Sequence[str], offer: Offer) -> str:
        if not offer.files:
            return ""
        return profile(scratch, read, self.listed, network=self.network, strict=offer.strict)


@cache
def offers() -> Offer:
    """Found out once, by a child that tries each measure on itself."""
    told = {
        "files": True,
        "no_network": False,
        "read": list(_LINUX_SYSTEM),
        "list": [],
        "write": [],
        "profile": "",
    }
    nowhere = Path("/private/tmp/none")
    strict, plain = (
        profile(nowhere, programs(), (), network=False, strict=strictly) for strictly in (True, False)
    )
    measures = {
        "network": {**told, "files": False, "no_network": True},
        "files": {**told, "profile": strict},
        "plain": {**told, "profile": plain},  # refused where the stricter one is in force already
    }
    command = isolated_python("droid_tune.rewards.workers.confine", json.dumps(measures))
    try:
        found = subprocess.run(
            command, capture_output=True, timeout=_PROBE_SECONDS, env=harmless_environment(), check=True
        )
        taken: list[str] = json.loads(found.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return Offer(files=False, network=False)
    if sys.platform != "darwin":
        return Offer(files="files" in taken, network="network" in taken)
    able = "files" in taken or "plain" in taken
    return Offer(files=able, network=able, strict="files" in taken)


def programs() -> list[str]:
    """The interpreter, its libraries and this package."""
    package = Path(__file__).resolve().parents[2]
    places = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(package)]
    places += [str(Path(sys.executable).resolve().parent)]
    places += [path for path in sys.path if path.endswith("site-packages")]
    return list(dict.fromkeys(str(Path(place).resolve()) for place in places))


def beside(file: Path, home: Path | None = None) -> list[str]:
    """What a person's Python file may read of what lies beside it: its folder.

    In the home folder itself, above it, or in one of its drawers (Documents, Downloads) only the other Python files.
    """
    folder, home = file.parent, (home or Path.home()).resolve()
    is_drawer = folder.parent == home and folder.name in _DRAWERS
    if is_drawer or home.is_relative_to(folder):
        return [str(one) for one in sorted(folder.glob("*.py"))]
    return [str(folder)]


def profile(scratch: Path, read: Sequence[str], listed: Sequence[str], *, network: bool, strict: bool) -> str:
    """macOS: a profile in the language of `sandbox-exec`. `strict`: other processes and services are out of reach too."""
    seen = " ".join(f"(literal {json.dumps(str(Path(one).resolve()))})" for one in listed)
    quoted = " ".join(f"(subpath {json.dumps(str(Path(one).resolve()))})" for one in [*read, str(scratch)])
    personal = " ".join(f'(subpath "{one}")' for one in _MAC_PERSONAL)
    return "".join(
        (
            "(version 1)(allow default)",
            "" if network else "(deny network*)",
            "(deny file-write*)",
            f'(allow file-write* (subpath {json.dumps(str(scratch.resolve()))}) (literal "/dev/null"))',
            f"(deny file-read* {personal})(allow file-read-metadata)(allow file-read* {quoted} {seen})",
            _STRICTER if strict else "",
        )
    )
