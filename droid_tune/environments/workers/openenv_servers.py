"""In the child: how an OpenEnv server is reached, in this process or at an address of this computer."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any, Protocol

import yaml

Message = dict[str, Any]

#: sessions that a server is let take where its environment keeps them apart
_MANY = 100_000
_FIRST_WORD_SECONDS = 20.0


class LineClosed(Exception):  # noqa: N818 - it says what happened
    """The server has ended the session."""


class ServerLine(Protocol):
    """One episode's line to the server."""

    def ask(self, message: Message) -> Message:
        """The server's answer: `type` (observation, error, ...) and `data`. Raises LineClosed."""
        ...

    def close(self) -> None:
        """Say good-bye."""
        ...


class Server(Protocol):
    """What serves."""

    def schema(self) -> Message | None:
        """What GET /schema tells; None where there is no such thing."""
        ...

    def connect(self) -> ServerLine:
        """A session of its own. Raises LineClosed."""
        ...


class InProcess:
    """A server's application, called without a socket by Starlette's client for tests.

    `server` is a folder with `openenv.yaml`, or `package.module:name`; a package alone means its `server.app:app`.
    """

    def __init__(self, server: str, *, is_folder: bool) -> None:
        testclient: Any = importlib.import_module("starlette.testclient")
        with contextlib.suppress(ModuleNotFoundError):
            _take_many_sessions()
        where = server
        if is_folder:
            sys.path.insert(0, server)
            where = _app_of(Path(server))
        elif ":" not in server:
            where = f"{server.replace('-', '_')}.server.app:app"
        module, _, name = where.partition(":")
        app: Any = getattr(importlib.import_module(module), name or "app")
        self._client: Any = testclient.TestClient(app).__enter__()

    def schema(self) -> Message | None:
        found = self._client.get("/schema")
        return found.json() if found.status_code == 200 else None

    def connect(self) -> ServerLine:
        return _InProcessLine(self._client.websocket_connect("/ws"))


def _app_of(folder: Path) -> str:
    """What `openenv.yaml` names as the application."""
    told: Any = yaml.safe_load((folder / "openenv.yaml").read_text(encoding="utf-8"))
    return str((told or {}).get("app") or "server.app:app")


def _take_many_sessions() -> None:
    """Servers made from now on take as many sessions as are asked for, where their environments keep these apart.

    `openenv init` writes `max_concurrent_envs=1` beside an environment that says SUPPORTS_CONCURRENT_SESSIONS.
    """
    http_server: Any = importlib.import_module("openenv.core.env_server.http_server")
    exceptions: Any = importlib.import_module("openenv.core.env_server.exceptions")
    plain: Any = http_server.HTTPEnvServer

    class ManySessions(plain):
        def __init__(self, *given: Any, **named: Any) -> None:
            ours = {key: value for key, value in named.items() if key not in _CONCURRENCY}
            try:
                super().__init__(*given[:3], **ours, max_concurrent_envs=_MANY)
            except exceptions.ConcurrencyConfigurationError:
                super().__init__(*given, **named)

    http_server.HTTPEnvServer = ManySessions


_CONCURRENCY = ("max_concurrent_envs", "concurrency_config")


class _InProcessLine:
    def __init__(self, session: Any) -> None:
        self._session = session.__enter__()

    def ask(self, message: Message) -> Message:
        """As `ServerLine`."""
        disconnected: Any = importlib.import_module("starlette.websockets").WebSocketDisconnect
        try:
            self._session.send_text(json.dumps(message))
            return json.loads(self._session.receive_text())
        except disconnected:
            raise LineClosed from None

    def close(self) -> None:
        """As `ServerLine`."""
        with contextlib.suppress(Exception):
            self._session.send_text(json.dumps({"type": "close"}))
            self._session.__exit__(None, None, None)


class Running:
    """A server at an address of this computer."""

    def __init__(self, address: str) -> None:
        self._client: Any = importlib.import_module("websockets.sync.client")
        self._address = address.rstrip("/")

    def schema(self) -> Message | None:
        try:
            with urllib.request.urlopen(f"{self._address}/schema", timeout=_FIRST_WORD_SECONDS) as found:
                return json.loads(found.read())
        except (OSError, ValueError) as error:
            raise ConnectionError(f"nothing answers at {self._address}/schema ({error})") from None

    def connect(self) -> ServerLine:
        where = "ws" + self._address.removeprefix("http") + "/ws"
        # what this computer says to itself goes through no proxy, and a message may be as long as it is
        return _RunningLine(self._client.connect(where, proxy=None, max_size=None, ping_interval=None))


class _RunningLine:
    def __init__(self, session: Any) -> None:
        self._session = session

    def ask(self, message: Message) -> Message:
        """As `ServerLine`."""
        closed: Any = importlib.import_module("websockets.exceptions").ConnectionClosed
        try:
            self._session.send(json.dumps(message))
            return json.loads(self._session.recv())
        except closed:
            raise LineClosed from None

    def close(self) -> None:
        """As `ServerLine`."""
        with contextlib.suppress(Exception):
            self._session.send(json.dumps({"type": "close"}))
            self._session.close()
