"""The transports side by side: what is measured is what went over the wire."""

from __future__ import annotations

import json
from pathlib import Path

from longwire.cli.main import main

MESSAGES, PAYLOAD_BYTES = 10, 300


def test_every_transport_is_measured_in_both_directions(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    arguments = ["--messages", str(MESSAGES), "--per-s", "200", "--payload", str(PAYLOAD_BYTES)]
    assert main(["bench", "transports", *arguments, "--json", str(path)]) == 0
    figures = {(one["transport"], one["work"]): one for one in json.loads(path.read_bytes())}
    assert {transport for transport, _ in figures} == {"websocket", "sse", "long-poll"}
    for (transport, work), one in figures.items():
        assert 0 < one["p50_ms"] <= one["p99_ms"]
        # The payload itself goes down to who reads and up from who publishes; a WebSocket may
        # compress it, though not to nothing.
        with_payload = one["bytes_down"] if work == "reading" else one["bytes_up"]
        assert with_payload > PAYLOAD_BYTES / 2, (transport, work)
    # Each poll, and each POST, has a head and says connect anew.
    for transport, work in [("long-poll", "reading"), ("sse", "publishing")]:
        one, websocket = figures[transport, work], figures["websocket", work]
        assert one["bytes_down"] + one["bytes_up"] > websocket["bytes_down"] + websocket["bytes_up"]
