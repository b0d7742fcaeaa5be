#!/usr/bin/env bash
# huggingface_hub 2.4.0: `hf_hub_download` of one file that is stopped half-way and called again (plain HTTP, without Xet).
#
# A good guess: the second call goes on where the first one stopped. So it was up to 1.17.0 (tried: `bytes=20971520-` after
# either signal); from 1.18.0 on (tried too; the project's issue 4196) it is not. Seen in 2.4.0, with a small server on this
# machine that tells what it is asked for: only a call that lives on when its connection breaks asks for the rest. One that is
# stopped by Ctrl-C deletes what it had; one that is stopped by SIGTERM leaves it under a name of its own
# (`<etag>.<8 letters>.incomplete`), which the next call neither reads nor removes: the cache grows with each try. Both times
# the second call begins at byte 0. Whoever lets users stop a download of gigabytes cannot promise on top of this function
# that the next one goes on.
#
#   connection broken, one call: Range headers [None, 'bytes=31457280-']; at the end MB finished [48], half-fetched []
#   stopped by SIGINT, with 0 MB kept, and called again: Range headers [None, None]; at the end MB finished [48], half-fetched []
#   stopped by SIGTERM, with 20 MB kept, and called again: Range headers [None, None]; at the end MB finished [48], half-fetched [20]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q huggingface_hub==2.4.0
"$work/venv/bin/python" - "$work" <<'PYTHON'
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

print("huggingface_hub", version("huggingface_hub"))
assert version("huggingface_hub") == "2.4.0"
MEGABYTE = 2**20
BODY = bytes(range(256)) * (48 * MEGABYTE // 256)
FIRST_PART = 32 * MEGABYTE
GONE = threading.Event()
asked, then = [], []


class Hub(BaseHTTPRequestHandler):
    """A repository of one file; what `then` holds says how the next GET ends: "broken" and "waits" end it after the first part."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.head(200, len(BODY))

    def do_GET(self):
        ranges = self.headers.get("Range")
        asked.append(ranges)
        start = int(ranges.removeprefix("bytes=").rstrip("-")) if ranges else 0
        self.head(206 if ranges else 200, len(BODY) - start)
        end = then.pop(0) if then else "whole"
        try:
            self.wfile.write(BODY[start:] if end == "whole" else BODY[start:FIRST_PART])
        except ConnectionError:
            return
        if end == "waits":
            GONE.wait(60)

    def head(self, status, length):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {len(BODY) - length}-{len(BODY) - 1}/{len(BODY)}")
        self.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        self.send_header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
        self.send_header("Connection", "close")
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
CALL = """
import signal
from huggingface_hub import hf_hub_download
signal.signal(signal.SIGINT, signal.default_int_handler)
hf_hub_download("someone/something", "weights.bin", token=False)
"""


def begin(home):
    settings = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen([sys.executable, "-c", CALL], env=os.environ | settings, stderr=subprocess.DEVNULL)


def files(home):
    """The sizes of what lies in the cache's blobs, in megabytes: (finished, half-fetched)."""
    found = [(one.suffix == ".incomplete", one.stat().st_size) for one in home.rglob("blobs/*")]
    return tuple([size // MEGABYTE for half, size in found if half == wanted] for wanted in (False, True))


def stopped(home, number):
    then[:] = ["waits"]
    child = begin(home)
    limit = time.monotonic() + 60
    while not any(size >= 20 for size in files(home)[1]):
        assert time.monotonic() < limit and child.poll() is None
        time.sleep(0.05)
    child.send_signal(number)
    child.wait(60)


def told(name, home):
    finished, half_fetched = files(home)
    print(f"{name}: Range headers {asked}; at the end MB finished {finished}, half-fetched {half_fetched}")
    seen = list(asked)
    asked.clear()
    return seen


home = Path(sys.argv[1]) / "broken"
then[:] = ["broken"]
assert begin(home).wait(60) == 0
ranges = told("connection broken, one call", home)
assert ranges[0] is None and ranges[1].startswith("bytes=") and ranges[1] != "bytes=0-"
assert files(home) == ([48], [])
for number in (signal.SIGINT, signal.SIGTERM):
    home = Path(sys.argv[1]) / number.name
    stopped(home, number)
    between = files(home)
    assert begin(home).wait(60) == 0
    ranges = told(f"stopped by {number.name}, with {sum(between[1])} MB kept, and called again", home)
    assert ranges == [None, None]
    assert between[0] == [] and files(home) == ([48], between[1])
    assert len(between[1]) == (number == signal.SIGTERM)
GONE.set()
PYTHON
echo "as described"
