#!/usr/bin/env bash
# openenv 0.10.0: an environment made by `openenv init`, and a group of episodes that is played side by side.
#
# A good guess: the template's environment says SUPPORTS_CONCURRENT_SESSIONS = True, so its server keeps several episodes apart.
# Seen: the application that the same command writes beside it is made with max_concurrent_envs=1. The first client plays; the
# second one's connection is accepted and its first message is an error. A trainer that samples a group (GRPO needs several
# episodes of one prompt at once) gets one episode out of G from every environment that was begun from the template, unless it
# raises the number itself or plays one after another.
#
#   SUPPORTS_CONCURRENT_SESSIONS: True
#   first: observation
#   second: error CAPACITY_REACHED, 1 of 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q openenv==0.10.0
cd "$work"
"$work/venv/bin/openenv" init echo_env > "$work/init.log"
cd echo_env
"$work/venv/bin/python" - <<'PYTHON'
import json
from importlib.metadata import version

from starlette.testclient import TestClient

from server.app import app
from server.echo_env_environment import EchoEnvironment

print("openenv", version("openenv"))
assert version("openenv") == "0.10.0"
print("SUPPORTS_CONCURRENT_SESSIONS:", EchoEnvironment.SUPPORTS_CONCURRENT_SESSIONS)
assert EchoEnvironment.SUPPORTS_CONCURRENT_SESSIONS is True
with TestClient(app) as client, client.websocket_connect("/ws") as first:
    first.send_text(json.dumps({"type": "reset", "data": {"seed": 1}}))
    told = json.loads(first.receive_text())
    print("first:", told["type"])
    assert told["type"] == "observation"
    with client.websocket_connect("/ws") as second:
        told = json.loads(second.receive_text())
        data = told["data"]
        print(f"second: {told['type']} {data['code']}, {data['active_sessions']} of {data['max_sessions']}")
        assert (told["type"], data["code"], data["max_sessions"]) == ("error", "CAPACITY_REACHED", 1)
PYTHON
