"""Colours, fonts and the style sheet: light or dark with the system, one accent colour.

Every colour has a name (`Tokens`); widgets and the style sheet use the names only, so that a change of the system's
appearance is one call of `Theme.apply`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from droid_tune.paths import resources_dir

#: the property of a page that was out of sight when the style changed
UNDRESSED = "undressed"

Appearance = Literal["system", "light", "dark"]


@dataclass(frozen=True)
class Tokens:
    """Named colours, `#rrggbb`."""

    window: str
    sidebar: str
    surface: str  # cards and fields
    raised: str  # hovered rows, chips, segmented tracks
    border: str
    separator: str
    text: str
    secondary: str
    tertiary: str
    accent: str
    accent_hover: str
    accent_soft: str  # tinted backgrounds: selection, drop zone
    on_accent: str
    good: str
    good_soft: str
    warning: str
    warning_soft: str
    bad: str
    bad_soft: str
    grid: str  # lines inside plots


LIGHT = Tokens(
    window="#f5f5f7",
    sidebar="#eaeaee",
    surface="#ffffff",
    raised="#eeeef2",
    border="#dcdce2",
    separator="#e6e6eb",
    text="#1d1d1f",
    secondary="#63636a",
    tertiary="#8a8a92",
    accent="#2f62e8",
    accent_hover="#2554d2",
    accent_soft="#e4ebfd",
    on_accent="#ffffff",
    good="#1a7f4b",
    good_soft="#dff3e7",
    warning="#9a5b00",
    warning_soft="#fcefd6",
    bad="#c22f26",
    bad_soft="#fbe4e2",
    grid="#ececf0",
)
DARK = Tokens(
    window="#1c1c1f",
    sidebar="#242428",
    surface="#28282c",
    raised="#343439",
    border="#3d3d43",
    separator="#333338",
    text="#f2f2f5",
    secondary="#a8a8b0",
    tertiary="#7f7f88",
    accent="#6f9bff",
    accent_hover="#86abff",
    accent_soft="#2a3858",
    on_accent="#10131a",
    good="#5fd08f",
    good_soft="#1f3d2c",
    warning="#f0b357",
    warning_soft="#43341b",
    bad="#ff8a80",
    bad_soft="#4a2725",
    grid="#38383d",
)

#: Curves, told apart by lightness as well as hue (Okabe and Ito's palette, tuned per background).
CURVES_LIGHT = ("#2f62e8", "#d0560b", "#14856a", "#a23b94", "#8a6d00", "#2a8fbd", "#6b5bd2", "#c23a55")
CURVES_DARK = ("#7fa6ff", "#ff9a57", "#4fcfa8", "#e48bd6", "#e0c24f", "#67c6ef", "#a99bff", "#ff8fa3")


class Theme(QObject):
    """The application's look. `changed` after every switch, for what paints itself."""

    changed = Signal()

    def __init__(
        self, application: QApplication, appearance: Appearance = "system", *, strong: bool = False
    ) -> None:
        super().__init__(application)
        self._application = application
        self._appearance: Appearance = appearance
        self.tokens = LIGHT
        self._strong = strong
        application.setStyle("Fusion")
        application.setFont(system_font())
        application.styleHints().colorSchemeChanged.connect(self._system_changed)
        self.follow_contrast()
        self.apply(appearance)

    @property
    def dark(self) -> bool:
        """Whether the dark colours are shown."""
        return self.tokens.window == DARK.window

    @property
    def curves(self) -> tuple[str, ...]:
        """The colours of curves on the present background."""
        return CURVES_DARK if self.dark else CURVES_LIGHT

    def color(self, name: str) -> QColor:
        """A colour by its name among the tokens."""
        return QColor(getattr(self.tokens, name))

    def apply(self, appearance: Appearance) -> None:
        """Switch the whole application; `system` follows the system from now on."""
        self._appearance = appearance
        hints = self._application.styleHints()
        scheme = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(
            appearance, Qt.ColorScheme.Unknown
        )
        # Tells the platform too: title bar and native menus follow on macOS.
        hints.setColorScheme(scheme)
        dark = appearance == "dark" or (appearance == "system" and hints.colorScheme() == Qt.ColorScheme.Dark)
        tokens = with_accent(DARK if dark else LIGHT, system_accent())
        self.tokens = strengthened(tokens) if self._strong or wants_contrast() else tokens
        self._application.setPalette(palette(self.tokens))
        dress(self._application, style_sheet(self.tokens))
        self.changed.emit()

    def follow_contrast(self) -> None:
        """From now on, where Qt tells of the system's wish for contrast."""
        if (hints := accessibility_hints()) is not None:
            hints.contrastPreferenceChanged.connect(self._contrast_changed)

    def strengthen(self, on: bool) -> None:
        """Stronger text, lines and borders, whatever the system asks for."""
        self._strong = on
        self.apply(self._appearance)

    @Slot()
    def _system_changed(self) -> None:
        if self._appearance == "system":
            self.apply("system")

    @Slot()
    def _contrast_changed(self) -> None:
        self.apply(self._appearance)


def dress(application: QApplication, sheet: str) -> None:
    """Set the style sheet. One that takes the place of another differs from it in colours alone: nothing is laid out anew.

    Taken away and set anew, each widget is polished once; to replace one sheet by another takes Qt four times as long. Nor is
    any widget told twice that its style is another one, which would be half of the time: Qt spares those that say to have
    a style of their own (tests/benchmarks/theme_switch.py, 2026-11-30). Pages out of sight are dressed when they are shown.
    """
    style, marked = application.style(), Qt.WidgetAttribute.WA_SetStyle
    dressed = application.allWidgets() if application.styleSheet() else []
    spared = [one for one in dressed if one.style() is style and not one.testAttribute(marked)]
    for one in spared:
        one.setAttribute(marked, True)
    application.setStyleSheet("")
    for page in (one for one in dressed if one.property("role") == "page" and one.isHidden()):
        _undress(page)
    application.setStyleSheet(sheet)
    for one in spared:
        one.setAttribute(marked, False)
    for window in application.topLevelWidgets():
        window.update()


def _undress(page: QWidget) -> None:
    """Qt polishes what it takes for polished before: these wait for `dress_late`."""
    page.setProperty(UNDRESSED, True)
    for one in page.findChildren(QWidget):
        if not one.isVisible():  # a sheet of the page may be
            one.setAttribute(Qt.WidgetAttribute.WA_WState_Polished, False)


def dress_late(page: QWidget) -> None:
    """A page is shown again: it takes the style that was set meanwhile."""
    if not page.property(UNDRESSED):
        return
    page.setProperty(UNDRESSED, False)
    polished = Qt.WidgetAttribute.WA_WState_Polished
    for one in page.findChildren(QWidget):
        if not one.testAttribute(polished):
            one.style().polish(one)
            one.setAttribute(polished, True)


def current_theme() -> Theme:
    """The application's theme, made on first use (tests build single widgets)."""
    application = QApplication.instance()
    assert isinstance(application, QApplication), "the theme needs the application"
    found = application.findChild(Theme)
    return found if found is not None else Theme(application, "light")


def system_accent() -> QColor | None:
    """The accent colour the user chose in System Settings; elsewhere ours."""
    if sys.platform != "darwin":
        return None
    accent = QGuiApplication.palette().color(QPalette.ColorRole.Accent)
    return accent if accent.isValid() and accent.saturation() > 40 else None


def with_accent(tokens: Tokens, accent: QColor | None) -> Tokens:
    """The same colours around another accent."""
    if accent is None:
        return tokens
    window = QColor(tokens.window)
    soft = QColor.fromRgbF(*(0.18 * a + 0.82 * w for a, w in zip(_rgb(accent), _rgb(window), strict=True)))
    values = asdict(tokens) | {
        "accent": accent.name(),
        "accent_hover": accent.darker(112).name(),
        "accent_soft": soft.name(),
        "on_accent": "#ffffff" if accent.lightness() < 150 else "#10131a",
    }
    return Tokens(**values)


def wants_contrast() -> bool:
    """Whether the system asks for more contrast; Qt says so from 6.10 on (`QAccessibilityHints`)."""
    hints = accessibility_hints()
    return hints is not None and "High" in str(hints.contrastPreference())


def accessibility_hints() -> Any:
    """Qt's `QAccessibilityHints`; None before 6.10."""
    asked: Any = getattr(QGuiApplication.styleHints(), "accessibility", None)
    return None if asked is None else asked()


def strengthened(tokens: Tokens) -> Tokens:
    """The same colours with text, lines and borders that stand out: 7 to 1 for words, 3 to 1 for lines."""
    dark = QColor(tokens.window).lightness() < 128
    return replace(
        tokens,
        text="#ffffff" if dark else "#000000",
        secondary="#dcdce2" if dark else "#3a3a40",
        tertiary="#b9b9c2" if dark else "#4d4d54",
        border="#9a9aa3" if dark else "#75757d",
        separator="#8a8a93" if dark else "#8a8a92",
        grid="#6a6a73" if dark else "#b5b5bd",
    )


def _rgb(color: QColor) -> tuple[float, float, float]:
    return color.redF(), color.greenF(), color.blueF()


def system_font() -> QFont:
    """San Francisco on a Mac, Inter where it is installed, else what the system has; 13 px."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    if sys.platform != "darwin" and "Inter" in QFontDatabase.families():
        font.setFamily("Inter")
    font.setPixelSize(13)
    return font


def mono_font(pixels: int = 12) -> QFont:
    """The system's fixed-width font."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    if not QFontInfo(font).fixedPitch():
        font.setFamily("monospace")
    font.setPixelSize(pixels)
    return font


def palette(tokens: Tokens) -> QPalette:
    """The same colours for what Qt draws itself."""
    roles = {
        QPalette.ColorRole.Window: tokens.window,
        QPalette.ColorRole.WindowText: tokens.text,
        QPalette.ColorRole.Base: tokens.surface,
        QPalette.ColorRole.AlternateBase: tokens.raised,
        QPalette.ColorRole.Text: tokens.text,
        QPalette.ColorRole.Button: tokens.surface,
        QPalette.ColorRole.ButtonText: tokens.text,
        QPalette.ColorRole.BrightText: tokens.bad,
        QPalette.ColorRole.Highlight: tokens.accent,
        QPalette.ColorRole.HighlightedText: tokens.on_accent,
        QPalette.ColorRole.Accent: tokens.accent,
        QPalette.ColorRole.ToolTipBase: tokens.surface,
        QPalette.ColorRole.ToolTipText: tokens.text,
        QPalette.ColorRole.PlaceholderText: tokens.tertiary,
        QPalette.ColorRole.Link: tokens.accent,
        QPalette.ColorRole.Mid: tokens.border,
        QPalette.ColorRole.Light: tokens.raised,
        QPalette.ColorRole.Dark: tokens.border,
    }
    result = QPalette()
    for role, value in roles.items():
        result.setColor(role, QColor(value))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, QColor(tokens.tertiary))
    return result


def style_sheet(tokens: Tokens) -> str:
    """`resources/style/app.qss` with each `@name` replaced by its colour (and `@icons` by the icon folder)."""
    file = resources_dir() / "style" / "app.qss"
    names = {**asdict(tokens), "icons": (resources_dir() / "icons").as_posix()}
    return re.sub(r"@(\w+)", lambda found: names[found[1]], file.read_text(encoding="utf-8"))
