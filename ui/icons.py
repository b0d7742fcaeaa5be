"""Our own line icons: SVG files in `resources/icons`, tinted to any colour of the theme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QIcon, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from droid_tune.paths import resources_dir


@lru_cache(maxsize=64)
def _source(name: str) -> str:
    return (resources_dir() / "icons" / f"{name}.svg").read_text(encoding="utf-8")


def pixmap(name: str, color: str, size: int = 18, ratio: float = 0.0) -> QPixmap:
    """The icon drawn with `currentColor` = `color`, `size` logical pixels wide."""
    ratio = ratio or _device_ratio()
    key, known = f"{name} {color} {size} {ratio}", QPixmap()
    if not QPixmapCache.find(key, known):
        known = _drawn(name, color, size, ratio)
        QPixmapCache.insert(key, known)
    return known


def _drawn(name: str, color: str, size: int, ratio: float) -> QPixmap:
    drawn = QPixmap(round(size * ratio), round(size * ratio))
    drawn.setDevicePixelRatio(ratio)
    drawn.fill(Qt.GlobalColor.transparent)
    renderer = QSvgRenderer(QByteArray(_source(name).replace("currentColor", color).encode()))
    painter = QPainter(drawn)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return drawn


def icon(name: str, color: str, *, disabled: str = "", size: int = 18) -> QIcon:
    """An icon for buttons and menus, sharp at 1x and 2x."""
    result = QIcon()
    for ratio in (1.0, 2.0):
        result.addPixmap(pixmap(name, color, size, ratio))
        if disabled:
            result.addPixmap(pixmap(name, disabled, size, ratio), QIcon.Mode.Disabled)
    return result


def app_icon() -> QIcon:
    """The application's icon in the sizes that Qt asks for."""
    result = QIcon()
    for size in (16, 32, 64, 128, 256, 512):
        result.addPixmap(pixmap("app-icon", "#ffffff", size, 1.0))
    return result


def _device_ratio() -> float:
    screen = QGuiApplication.primaryScreen()
    return screen.devicePixelRatio() if screen else 1.0
