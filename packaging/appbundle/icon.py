"""The application's icon: every size that macOS asks for, drawn from one SVG file of ours."""

from __future__ import annotations

from pathlib import Path

import resvg_py
from icnsutil import IcnsFile

# Apple's types for PNG pictures, and the pixels of each; "@2x" ones are Retina versions of half the points.
SIZES = {
    "icp4": 16, "ic11": 32, "icp5": 32, "ic12": 64, "ic07": 128, "ic13": 256,
    "ic08": 256, "ic14": 512, "ic09": 512, "ic10": 1024,
}  # fmt: skip


def png(svg: Path, pixels: int) -> bytes:
    """The SVG drawn as a square PNG picture."""
    return bytes(
        resvg_py.svg_to_bytes(svg_path=str(svg), width=pixels, height=pixels, skip_system_fonts=True)
    )


def write_icns(svg: Path, target: Path) -> None:
    """Writes an .icns file with all sizes."""
    pictures = {pixels: png(svg, pixels) for pixels in sorted(set(SIZES.values()))}
    icon = IcnsFile()
    for key, pixels in SIZES.items():
        icon.add_media(key, data=pictures[pixels])
    icon.write(str(target))
