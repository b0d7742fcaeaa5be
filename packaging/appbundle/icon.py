"""The application's icon in every size that macOS asks for, and the disk image's background, from SVG files of ours."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import resvg_py
from icnsutil import IcnsFile

# Apple's types for PNG pictures, and the pixels of each; "@2x" ones are Retina versions of half the points.
SIZES = {
    "icp4": 16, "ic11": 32, "icp5": 32, "ic12": 64, "ic07": 128, "ic13": 256,
    "ic08": 256, "ic14": 512, "ic09": 512, "ic10": 1024,
}  # fmt: skip


# Pixels per metre at 144 pixels an inch: the Finder then draws two pixels to a point.
RETINA_DENSITY = 5669
PNG_HEADER_END = 33


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


def write_retina_picture(svg: Path, target: Path, points: tuple[int, int]) -> None:
    """Draws an SVG at twice its size in points, and says so in the picture."""
    width, height = (2 * side for side in points)
    picture = bytes(
        resvg_py.svg_to_bytes(svg_path=str(svg), width=width, height=height, skip_system_fonts=True)
    )
    target.write_bytes(picture[:PNG_HEADER_END] + density_chunk(RETINA_DENSITY) + picture[PNG_HEADER_END:])


def density_chunk(pixels_per_metre: int) -> bytes:
    """PNG's pHYs chunk, which follows the header chunk."""
    content = b"pHYs" + struct.pack(">IIB", pixels_per_metre, pixels_per_metre, 1)
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
