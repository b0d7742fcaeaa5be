"""An OpenAI-compatible chat server: one question, one reply, with time-outs and retries."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message as Headers
from typing import IO, Any
from urllib.parse import urlsplit

import truststore

from droid_tune.config.asking.trust import is_key_known
from droid_tune.errors import UserError
from droid_tune.rewards.judges.redaction import without_key

KEYCHAIN_SERVICE = "Droid Tune"

_LONGEST_REPLY_BYTES = 4 * 1024 * 1024
_MOST_TOKENS = 1024
_LONGEST_WAIT_S = 30.0
_NOTICED_AFTER_S = 0.3
_WORTH_ANOTHER_TRY = frozenset((408, 409, 425, 429, 500, 502, 503, 504))


class EndpointError(Exception):
    """The server gave no reply; the message is a clause that says why."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the key to another server."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> None:
        return None


def _trust() -> ssl.SSLContext:
    """What the system trusts: a Mac's Keychain, which the OpenSSL inside the application knows nothing of."""
    if sys.platform == "darwin":
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context()


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=_trust()))


class Endpoint:
    """A server's chat completions. Safe to use from several threads.

    Raises UserError, about `place`, for a base URL that is none.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key_variable: str = "",
        timeout_s: float = 60.0,
        retries: int = 2,
        sleep: Callable[[float], None] = time.sleep,
        place: str = "rewards",
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(
                "The judge's base URL is no web address",
                value=base_url,
                place=place,
                remedy="write it like http://localhost:1234/v1",
            )
        if parts.username is not None or parts.password is not None:
            raise UserError(
                f"The judge's base URL for {parts.hostname} holds a name or a password",
                place=place,
                remedy="leave it out; the key comes from an environment variable or the keychain",
            )
        self.host = parts.hostname
        self._server = parts.netloc  # with the port
        self._base = base_url.rstrip("/")
        self._model = model
        self._key = find_key(key_variable, self.host)
        self._timeout_s = timeout_s
        self._retries = retries
        self._sleep = sleep
        self._awoke_at = 0.0  # by the monotonic clock

    def awake_again(self) -> None:
        """The machine slept until now: a request that was under way had no time to be answered."""
        self._awoke_at = time.monotonic()

    def reply(self, question: str) -> str:
        """What the model answers, at temperature 0. Raises EndpointError after the last try."""
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "max_tokens": _MOST_TOKENS,
        }
        return without_key(text_of(self.ask("/chat/completions", body)), self._key)

    def ask(self, path: str, body: Mapping[str, Any], longest: int = _LONGEST_REPLY_BYTES) -> bytes:
        """The server's reply (of at most `longest` bytes) to one request. Raises EndpointError after the last try."""
        failure, tries_left = "", self._retries
        while True:
            begun = time.monotonic()
            try:
                return self._post(path, body, longest)
            except urllib.error.HTTPError as error:
                failure, wait = described(error), wait_asked_for(error.headers)
                if error.code not in _WORTH_ANOTHER_TRY:
                    break
            except (TimeoutError, urllib.error.URLError, http.client.HTTPException, OSError) as error:
                failure, wait = (
                    f"did not answer ({getattr(error, 'reason', error) or type(error).__name__})",
                    None,
                )
                if self._slept_since(begun):
                    continue
            if not tries_left:
                break
            backoff = 0.5 * 2 ** (self._retries - tries_left)
            tries_left -= 1
            self._sleep(min(_LONGEST_WAIT_S, backoff if wait is None else wait))
        raise EndpointError(f"{self._server} {without_key(failure, self._key)}")

    def _slept_since(self, begun: float) -> bool:
        """Whether the machine slept since; who looks on may notice it a moment after the request does."""
        if time.monotonic() - begun < self._timeout_s:
            return False
        time.sleep(_NOTICED_AFTER_S)
        return self._awoke_at > begun

    def _post(self, path: str, body: Mapping[str, Any], longest: int) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._base + path, json.dumps(body).encode(), headers, method="POST")
        with _opener.open(request, timeout=self._timeout_s) as response:
            return response.read(longest)


def text_of(body: bytes) -> str:
    """The message in a chat completion. Raises EndpointError for anything else."""
    try:
        content: Any = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise EndpointError("answered with something that is no chat completion") from None
    if not isinstance(content, str):
        raise EndpointError("answered without a text")
    return content


def described(error: urllib.error.HTTPError) -> str:
    """`answered 401 Unauthorized: invalid key`."""
    with error:
        said = error.read(2000).decode(errors="replace")
    try:
        said = json.loads(said)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        said = ""
    detail = f": {' '.join(str(said).split())[:200]}" if said else ""
    return f"answered {error.code} {error.reason}{detail}"


def wait_asked_for(headers: Mapping[str, str] | Headers) -> float | None:
    """Seconds of a `Retry-After` header; a date in it is not read."""
    try:
        return max(0.0, float(headers.get("Retry-After") or ""))
    except ValueError:
        return None


def check_key_variable(name: str, place: str) -> None:
    """Raises UserError for an environment variable that no judge's key is known to stand in; none may be named."""
    if name and not is_key_known(name):
        raise UserError(
            f"No judge's key is known to stand in the environment variable `{name}`",
            place=place,
            remedy="allow it (`--trust` with the config file), or put the key into one like OPENAI_API_KEY",
        )


def find_key(variable: str, host: str) -> str:
    """From the environment, else from the macOS keychain (service `Droid Tune`, account = host), else none."""
    key = os.environ.get(variable, "") if variable else ""
    if key or sys.platform != "darwin":
        return key.strip()
    command = ["/usr/bin/security", "find-generic-password", "-s", KEYCHAIN_SERVICE, "-a", host, "-w"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
