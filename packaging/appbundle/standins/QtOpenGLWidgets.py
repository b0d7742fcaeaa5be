"""Stands in for PySide6's QtOpenGLWidgets, as QtOpenGL.py beside it does for QtOpenGL.

pyqtgraph derives a class from QOpenGLWidget when it is imported, and makes an object of it only when it draws with
OpenGL, which Droid Tune never asks for.
"""

from PySide6.QtWidgets import QWidget


class QOpenGLWidget(QWidget):
    """A base for a class that is never used."""

    def __init__(self, *_: object) -> None:
        raise RuntimeError("Droid Tune is built without Qt's OpenGL modules.")
