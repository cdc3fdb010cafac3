import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, mock, test } from "node:test";
import { LongwireError, connect } from "../lib/longwire.js";
import { at, entry, settle, socketClass } from "./fake_socket.mjs";

let Socket;
let client;
let seen;

beforeEach(async () => {
  Socket = socketClass();
  seen = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
  client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random: () => 0.5 });
  client.on("gap", ({ stream, reason }) => seen.push(`gap ${stream} ${reason}`));
  client.on("recovered", ({ stream, missed }) => seen.push(`recovered ${stream} ${missed}`));
  client.on("end", ({ stream }) => seen.push(`end ${stream}`));
  client.on("error", ({ code }) => seen.push(`error ${code}`));
  await settle();
  Socket.last.welcome();
});

afterEach(() => {
  client.close();
  mock.timers.reset();
});

async function reconnect() {
  Socket.last.breaks();
  mock.timers.tick(30_000);
  await settle();
  Socket.last.welcome();
}

const handler = ({ stream, data }) => void seen.push(`${stream} ${data}`);

function answer(op, members) {
  const [{ id, ...request }] = Socket.last.take();
  Socket.last.says({ op, id, ...members });
  return request;
}

const matched = (stream, offset, more = {}) => {
  const places = { position: at(offset), tail: at(offset) };
  Socket.last.says({ op: "matched", pattern: "r/*", stream, ...places, ...more });
};

test("a pattern asks again for what it was told of, and for all that is new", async () => {
  const rooms = client.subscribePattern("r/*", {}, handler);
  const first = answer("subscribed", { pattern: "r/*", streams: 1 });
  assert.deepEqual(first, { op: "subscribe", pattern: "r/*", positions: {} });
  matched("r/a", 4);
  Socket.last.says(entry("r/a", 5, "five"));
  await settle();
  assert.deepEqual(rooms.positions, { "r/a": at(5) });
  await reconnect();
  const positions = { "r/a": at(5) };
  const again = answer("subscribed", { pattern: "r/*", streams: 2 });
  assert.deepEqual(again, { op: "subscribe", pattern: "r/*", start: "earliest", positions });
  matched("r/a", 7, { recovered: false, reason: "trimmed" });
  matched("r/b", 0);
  Socket.last.says(entry("r/b", 1, "one"));
  Socket.last.says({ op: "closed", stream: "r/b", position: at(1) });
  await settle();
  assert.deepEqual(seen, ["r/a five", "gap r/a trimmed", "r/b one", "end r/b"]);
});

test("a delivery that does not fit is not passed on: the pattern goes on from what it holds", async () => {
  client.subscribePattern("r/*", {}, handler);
  answer("subscribed", { pattern: "r/*", streams: 1 });
  matched("r/a", 4);
  Socket.last.says(entry("r/a", 6, "six"));
  await settle();
  assert.deepEqual(seen, ["error interval_mismatch"]);
  assert.deepEqual(answer("unsubscribed", {}), { op: "unsubscribe", pattern: "r/*" });
  assert.deepEqual(answer("subscribed", { streams: 1 }).positions, { "r/a": at(4) });
});

test("one stream of a pattern that the server ended is told, the others go on", async () => {
  client.subscribePattern("r/*", {}, handler);
  answer("subscribed", { pattern: "r/*", streams: 2 });
  matched("r/a", 0);
  matched("r/b", 0);
  const no = { code: "permission_denied", message: "no", retry: false };
  Socket.last.says({ op: "ended", stream: "r/a", position: at(0), ...no });
  Socket.last.says(entry("r/a", 1, "a"));
  Socket.last.says(entry("r/b", 1, "b"));
  await settle();
  assert.deepEqual(seen, ["error permission_denied", "r/b b"]);
});

test("a consumer acknowledges what was handled, gives back what failed, and names what was lost", async () => {
  const worker = client.consume("s", "c", { window: 5, ackWaitMs: 2000 }, ({ data }) => {
    if (data === "bad") throw new Error("no");
  });
  const state = { stream: "s", consumer: "c", position: at(0), tail: at(9), unread: 9, pending: 0 };
  const request = answer("consuming", state);
  const names = { stream: "s", consumer: "c" };
  assert.deepEqual(request, { op: "consume", ...names, window: 5, ack_wait_s: 2 });
  assert.equal((await worker.ready).unread, 9);
  const gap = { op: "gap", after: at(0), upto: at(3), reason: "trimmed", lost: true };
  Socket.last.says({ ...gap, ...names });
  for (const [offset, data] of [[4, "good"], [5, "bad"]]) {
    Socket.last.says({ ...entry("s", offset, data), op: "delivery", consumer: "c", attempt: 1 });
  }
  await settle();
  assert.deepEqual(seen, ["gap s trimmed", "error handler_failed"]);
  const told = Socket.last.take().map(({ id, ...members }) => members);
  assert.deepEqual(told, [
    { op: "ack", ...names, positions: [at(4)] },
    { op: "nack", ...names, positions: [at(5)], after_s: 1 },
  ]);
  await reconnect();
  assert.equal(Socket.last.take()[0].op, "consume");
});

const page = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
const table = page.slice(page.indexOf("## 9. Errors"), page.indexOf("## 10."));
const rows = [...table.matchAll(/^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| (yes|no) \|/gm)];

test("every error of the protocol reaches who asked, with its code, sentence and members", async () => {
  const codes = rows.flatMap(([, names, retry]) =>
    names.split(", ").map((name) => [name.slice(1, -1), retry === "yes"]),
  );
  assert.ok(codes.length > 40, `${codes.length} codes found in the table`);
  for (const [code, retry] of codes) {
    const asked = client.ask("history", { stream: "s" });
    answer("error", { code, message: "a sentence", retry, limit: 7 });
    const error = await asked.catch((error) => error);
    assert.ok(error instanceof LongwireError);
    const { message, details } = error;
    assert.deepEqual([error.code, message, error.retry, details], [code, "a sentence", retry, { limit: 7 }]);
  }
});
