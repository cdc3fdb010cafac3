"""Node.js: npm's ws as server and client, undici as client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.interop.exchange import MESSAGE_BYTES_MAX, exchange
from tests.interop.node import run_node, start_node
from tests.interop.test_python_clients import our_server

WS_SERVER = """
import { WebSocketServer } from 'ws';
const maxPayload = Number(process.argv[1]);
const server = new WebSocketServer({
  host: '127.0.0.1', port: 0, maxPayload, perMessageDeflate: process.argv[2] === 'deflate',
  handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
});
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on('listening', () => console.log(server.address().port));
"""

# Prints one JSON object: what came back of what was sent, and the close code.
CLIENT = """
import WS from 'ws';
import { WebSocket as Undici } from 'undici';
const [uri, kind] = process.argv.slice(1);
const socket = kind === 'ws' ? new WS(uri, ['chat'])
  : kind === 'ws plain' ? new WS(uri, ['chat'], { perMessageDeflate: false })
  : new Undici(uri, ['chat']);
socket.binaryType = 'arraybuffer';
const once = (name) => new Promise((resolve, reject) => {
  socket.addEventListener(name, resolve, { once: true });
  if (name !== 'close') socket.addEventListener('error', reject, { once: true });
});
await once('open');
const result = { protocol: socket.protocol, echoes: [] };
const big = new Uint8Array(1 << 20).map((_, index) => (index * 7919) >> 3);
const messages = ['', 'hé ☃ 𝄞', 'z'.repeat(65536), new Uint8Array(0), Uint8Array.of(0, 255), big];
for (const message of messages) {
  const answer = once('message');
  socket.send(message);
  const { data } = await answer;
  result.echoes.push(typeof message === 'string' ? data === message
    : Buffer.compare(Buffer.from(data), Buffer.from(message)) === 0);
}
if (kind.startsWith('ws')) {
  const pong = new Promise((resolve) => socket.once('pong', (data) => resolve(String(data))));
  socket.ping('are you there');
  result.pong = await pong;
  const answer = once('message');
  socket.send('a', { fin: false });
  socket.ping();
  socket.send('b', { fin: false });
  socket.send('', { fin: true });
  result.fragments = (await answer).data;
}
const closed = once('close');
socket.close(3456, 'bye');
const { code, wasClean } = await closed;
console.log(JSON.stringify({ ...result, code, wasClean }));
process.exit(0);
"""


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_client_speaks_with_npm_ws(compression: Any) -> None:
    arguments = (str(MESSAGE_BYTES_MAX), "deflate")
    async with start_node(WS_SERVER, *arguments, packages=("ws",)) as port:
        await asyncio.wait_for(exchange(f"ws://127.0.0.1:{port}/", compression=compression), 60)


@pytest.mark.parametrize("kind", ["ws", "ws plain", "undici"])
async def test_server_speaks_with_npm(kind: str) -> None:
    async with our_server() as uri:
        result = json.loads(await run_node(CLIENT, uri, kind, packages=("ws", "undici")))
    assert result["protocol"] == "chat"
    assert result["echoes"] == [True] * 6
    assert result["code"] == 3456
    assert result["wasClean"] is True
    if kind != "undici":
        assert result["pong"] == "are you there"
        assert result["fragments"] == "ab"
