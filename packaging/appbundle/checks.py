"""The checks of `packaging/check-app`: each takes the bundle and yields faults. No Mac is needed for any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from appbundle import checks_binaries as binaries
from appbundle import checks_contents as contents
from appbundle.examined import Bundle, Fault

CHECKS: tuple[Callable[[Bundle], Iterator[Fault]], ...] = (
    contents.properties,
    binaries.readable,
    binaries.architecture,
    binaries.minimum_system,
    binaries.libraries,
    binaries.symbols,
    binaries.signatures,
    binaries.metal_library,
    contents.packages,
    contents.byte_code,
    contents.icon,
    contents.resources,
    contents.machine_paths,
    contents.secrets,
    contents.test_data,
    contents.links,
    contents.size,
)


def check(root: Path) -> list[Fault]:
    """All faults of the bundle, in the order of the checks."""
    bundle = Bundle(root)
    if not bundle.layout.info_plist.is_file():
        return [Fault("Contents/Info.plist", "it is missing: this is no application bundle")]
    return [fault for one in CHECKS for fault in one(bundle)]
