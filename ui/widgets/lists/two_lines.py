"""Rows of two lines (title, detail) with an icon or dot in front and a word at the right."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from ui import icons
from ui.theme import current_theme

Index = QModelIndex | QPersistentModelIndex


class Role(IntEnum):
    """What a model gives to the delegate besides DisplayRole (the title)."""

    DETAIL = Qt.ItemDataRole.UserRole + 1
    ICON = Qt.ItemDataRole.UserRole + 2  # the name of one of our icons
    DOT = Qt.ItemDataRole.UserRole + 3  # the name of a theme colour
    TRAILING = Qt.ItemDataRole.UserRole + 4
    KEY = Qt.ItemDataRole.UserRole + 5
    TONE = Qt.ItemDataRole.UserRole + 6  # of the trailing words


class TwoLineDelegate(QStyledItemDelegate):
    """Draws title, detail, icon or dot, trailing word; leaves a check box where the model has one."""

    height = 50

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, self.height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        tokens = current_theme().tokens
        area = _rect(option)
        state: Any = option.state  # pyright: ignore[reportAttributeAccessIssue]
        font: QFont = option.font  # pyright: ignore[reportAttributeAccessIssue]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        inner = area.adjusted(4, 2, -4, -2)
        if state & QStyle.StateFlag.State_Selected:
            _fill(painter, inner, tokens.accent_soft)
        elif state & QStyle.StateFlag.State_MouseOver:
            _fill(painter, inner, tokens.raised)
        if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_Selected:
            painter.setPen(QColor(tokens.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(inner, 6, 6)
        left = inner.left() + 10
        left += self._lead(painter, index, left, inner)
        trailing = str(index.data(Role.TRAILING) or "")
        small = QFont(font)
        small.setPixelSize(12)
        width = QFontMetrics(small).horizontalAdvance(trailing) + 12 if trailing else 0
        text = QRect(left, inner.top(), inner.right() - left - 8 - width, inner.height())
        self._texts(painter, index, text, font, small)
        if trailing:
            painter.setFont(small)
            painter.setPen(QColor(getattr(tokens, str(index.data(Role.TONE) or "secondary"))))
            where = inner.adjusted(0, 0, -10, 0)
            painter.drawText(where, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, trailing)
        painter.restore()

    def _lead(self, painter: QPainter, index: Index, left: int, area: QRect) -> int:
        """The icon or dot in front; the width it took."""
        tokens = current_theme().tokens
        name, dot = index.data(Role.ICON), index.data(Role.DOT)
        middle = area.center().y()
        if name:
            painter.drawPixmap(left, middle - 10, icons.pixmap(str(name), tokens.secondary, 20))
            return 30
        if dot:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(getattr(tokens, str(dot))))
            painter.drawEllipse(left, middle - 4, 9, 9)
            return 20
        return 0

    def _texts(self, painter: QPainter, index: Index, area: QRect, font: QFont, small: QFont) -> None:
        tokens = current_theme().tokens
        title = str(index.data(Qt.ItemDataRole.DisplayRole) or "")
        detail = str(index.data(Role.DETAIL) or "")
        painter.setFont(font)
        painter.setPen(QColor(tokens.text))
        metrics = QFontMetrics(font)
        upper = QRect(area.left(), area.top() + 5, area.width(), 20) if detail else area
        painter.drawText(upper, Qt.AlignmentFlag.AlignVCenter, _elided(metrics, title, area.width()))
        if detail:
            painter.setFont(small)
            painter.setPen(QColor(tokens.secondary))
            lower = QRect(area.left(), area.top() + 24, area.width(), 18)
            painter.drawText(
                lower, Qt.AlignmentFlag.AlignVCenter, _elided(QFontMetrics(small), detail, area.width())
            )


def _elided(metrics: QFontMetrics, text: str, width: int) -> str:
    return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)


def _fill(painter: QPainter, area: QRect, color: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
    painter.drawRoundedRect(area, 6, 6)


def _rect(option: QStyleOptionViewItem) -> QRect:
    found: QRect = option.rect  # pyright: ignore[reportAttributeAccessIssue]
    return found
