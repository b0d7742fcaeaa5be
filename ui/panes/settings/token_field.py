"""The Hub token: written once, kept in the keychain, never shown again."""

from __future__ import annotations

import os

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QLineEdit, QWidget

from droid_tune.errors import UserError
from droid_tune.machine.keychain import VARIABLE, forget_token, has_keychain, keep_token, kept_token
from ui.background import Task
from ui.widgets.basics import button, label, row


class TokenField(QWidget):
    """Return or Keep puts the token away; Forget takes it out of the keychain."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        layout = row(self, spacing=8)
        self.said = label("", "small", parent=self)
        self.field = QLineEdit(self)
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setPlaceholderText("hf_…")
        self.field.setAccessibleName("Hugging Face access token")
        self.field.setFixedWidth(180)
        self.field.returnPressed.connect(self.keep)
        self.keeping = button("Keep", parent=self)
        self.keeping.clicked.connect(self.keep)
        self.forgetting = button("Forget", parent=self)
        self.forgetting.clicked.connect(self.forget)
        for widget in (self.said, self.field, self.keeping, self.forgetting):
            layout.addWidget(widget)
        if has_keychain():
            Task(kept_token, self, done=self._show, failed=self._say).start()
        else:
            self.field.setEnabled(False)
            self.keeping.setEnabled(False)
            self._show(os.environ.get(VARIABLE, ""))

    @Slot()
    def keep(self) -> None:
        """Into the keychain, and for this session's downloads."""
        token = self.field.text().strip()
        try:
            keep_token(token)
        except UserError as error:
            self._say(str(error))
            return
        self.field.clear()
        os.environ[VARIABLE] = token
        self._show(token)

    @Slot()
    def forget(self) -> None:
        """Out of the keychain and of this session."""
        if has_keychain():
            forget_token()
        os.environ.pop(VARIABLE, None)
        self._show("")

    def _show(self, token: str) -> None:
        if token:
            os.environ.setdefault(VARIABLE, token)
        self.said.setText("One is kept." if token else "None is kept.")
        self.forgetting.setEnabled(bool(token))

    def _say(self, sentence: str) -> None:
        self.said.setText(sentence)
