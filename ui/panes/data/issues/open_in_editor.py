"""Opening a file at a line: in an editor that can be told the line, else in the system's own choice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

#: arguments by the name of the editor's command; those of `$VISUAL` and `$EDITOR` are tried first
_AT_LINE: dict[str, tuple[str, ...]] = {
    "code": ("--goto", "{path}:{line}:{column}"),
    "cursor": ("--goto", "{path}:{line}:{column}"),
    "codium": ("--goto", "{path}:{line}:{column}"),
    "windsurf": ("--goto", "{path}:{line}:{column}"),
    "zed": ("{path}:{line}:{column}",),
    "subl": ("{path}:{line}:{column}",),
    "bbedit": ("+{line}", "{path}"),
    "mate": ("--line", "{line}", "{path}"),
    "xed": ("--line", "{line}", "{path}"),
    "gvim": ("+{line}", "{path}"),
    "mvim": ("+{line}", "{path}"),
    "kate": ("--line", "{line}", "{path}"),
    "gedit": ("+{line}", "{path}"),
}


def command_at(path: Path, line: int, column: int = 1) -> list[str] | None:
    """The command that opens a file at a line; None where no such editor is installed."""
    wished = [Path(os.environ.get(name, "").split(" ")[0]).name for name in ("VISUAL", "EDITOR")]
    for name in (*wished, *_AT_LINE):
        program = shutil.which(name) if name in _AT_LINE else None
        if program is not None:
            places = {"path": str(path), "line": str(line), "column": str(column)}
            return [program, *(part.format(**places) for part in _AT_LINE[name])]
    return None


def open_at(path: Path, line: int, column: int = 1) -> str:
    """Open the file; returns what the user has to know, empty where the editor shows the line itself."""
    command = command_at(path, line, column)
    if command is not None:
        try:
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError as error:
            return f"{Path(command[0]).name} cannot be started ({error.strerror})."
        return ""
    if sys.platform == "darwin":  # the default application for text, whatever the type of the file
        subprocess.Popen(["open", "-t", str(path)])
    elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))):
        return f"No application opens {path.name}."
    return f"Opened {path.name}; go to line {line:,} there."
