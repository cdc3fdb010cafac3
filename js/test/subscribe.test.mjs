import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import { START, at, entry, settle, socketClass } from "./fake_socket.mjs";

let Socket;
let client;
/** What the application saw of "s", in order. */
let seen;

beforeEach(() => {
  Socket = socketClass();
  seen = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => {
  client.close();
  mock.timers.reset();
});

async function start(options = {}) {
  client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random: () => 0.5, ...options });
  client.on("recovered", ({ missed }) => seen.push(`recovered ${missed}`));
  client.on("gap", ({ reason }) => seen.push(`gap ${reason}`));
  client.on("end", () => seen.push("end"));
  client.on("error", ({ code }) => seen.push(`error ${code}`));
  await settle();
}

async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  await settle();
}

const handler = ({ data }) => void seen.push(data);

function subscribed(position, tail, members = {}) {
  const [{ op, id, stream }] = Socket.last.take().slice(-1);
  assert.equal(op, "subscribe");
  Socket.last.says({ op: "subscribed", id, stream, position, tail, ...members });
}

function answer(members = {}) {
  const [{ op, id, stream }] = Socket.last.take().slice(-1);
  assert.equal(op, "unsubscribe");
  Socket.last.says({ op: "unsubscribed", id, stream, position: at(1), ...members });
}

async function reconnect() {
  Socket.last.breaks();
  await pass(30_000);
  Socket.last.welcome();
}

test("subscribe asks from the tail, from the beginning, for the last N, or after a position", async () => {
  await start();
  client.subscribe("a", handler);
  client.subscribe("b", { start: "earliest" }, handler);
  client.subscribe("c", { start: { last: 50 } }, handler);
  client.subscribe("d", { position: at(3), start: "earliest" }, handler);
  Socket.last.welcome();
  client.subscribe("e", {}, handler);
  const [resume, subscribe] = Socket.last.take().map(({ id, ...members }) => members);
  assert.deepEqual(resume, {
    op: "resume",
    streams: [
      { stream: "a", start: "tail" },
      { stream: "b", start: "earliest" },
      { stream: "c", start: { last: 50 } },
      { stream: "d", position: at(3) },
    ],
  });
  assert.deepEqual(subscribe, { op: "subscribe", stream: "e", start: "tail" });
});

test("subscribe refuses a malformed position and a second reader of the same stream", async () => {
  await start();
  assert.throws(() => client.subscribe("s", { position: "7" }, handler), { code: "bad_position" });
  client.subscribe("s", handler);
  assert.throws(() => client.subscribe("s", handler), { code: "already_subscribed" });
});

test("messages reach the handler in order, with their position and time", async () => {
  await start();
  const messages = [];
  const subscription = client.subscribe("s", (message) => void messages.push(message));
  Socket.last.welcome();
  subscribed(START, START);
  await subscription.ready;
  assert.equal(subscription.position, START);
  Socket.last.says(entry("s", 1, { text: "一" }));
  Socket.last.says({ ...entry("s", 2), data: undefined, base64: "AAH/" });
  await settle();
  assert.deepEqual(messages, [
    { stream: "s", position: at(1), time: 1_789_000_000_001, data: { text: "一" } },
    { stream: "s", position: at(2), time: 1_789_000_000_002, data: Uint8Array.of(0, 1, 255) },
  ]);
  assert.equal(subscription.position, at(2));
});

test("the position advances after the handler's promise, and the next message waits for it", async () => {
  await start();
  const releases = [];
  const subscription = client.subscribe("s", ({ data }) => {
    seen.push(data);
    return new Promise((resolve) => releases.push(resolve));
  });
  Socket.last.welcome();
  subscribed(START, START);
  Socket.last.says(entry("s", 1, "a"));
  Socket.last.says(entry("s", 2, "b"));
  await settle();
  assert.deepEqual(seen, ["a"]);
  assert.equal(subscription.position, START);
  releases[0]();
  await settle();
  assert.deepEqual(seen, ["a", "b"]);
  assert.equal(subscription.position, at(1));
});

test("a handler that fails is reported, and the next message comes", async () => {
  await start();
  const subscription = client.subscribe("s", ({ data }) => {
    if (data === "bad") throw new Error("cannot");
    seen.push(data);
  });
  Socket.last.welcome();
  subscribed(START, START);
  Socket.last.says(entry("s", 1, "bad"));
  Socket.last.says(entry("s", 2, "good"));
  await settle();
  assert.deepEqual(seen, ["error handler_failed", "good"]);
  assert.equal(subscription.position, at(2));
});

test("after a reconnect the subscription goes on after what was received", async () => {
  await start();
  client.subscribe("s", { start: { last: 5 } }, handler);
  Socket.last.welcome();
  subscribed(START, at(1));
  Socket.last.says(entry("s", 1, "a"));
  await reconnect();
  const [request] = Socket.last.sent.slice(-1);
  assert.equal(request.position, at(1));
  assert.ok(!("start" in request));
  subscribed(at(1), at(3), { recovered: true });
  Socket.last.says(entry("s", 2, "b"));
  Socket.last.says(entry("s", 3, "c"));
  await settle();
  assert.deepEqual(seen, ["a", "recovered 2", "b", "c"]);
});

test("a start that was never answered is asked for again", async () => {
  await start();
  client.subscribe("s", { start: "earliest" }, handler);
  Socket.last.welcome();
  await reconnect();
  assert.equal(Socket.last.sent.at(-1).start, "earliest");
});

test("messages that wait for a slow handler are not asked for again", async () => {
  await start();
  let release;
  client.subscribe("s", async ({ data }) => {
    seen.push(data);
    if (data === "a") await new Promise((resolve) => (release = resolve));
  });
  Socket.last.welcome();
  subscribed(START, at(2));
  Socket.last.says(entry("s", 1, "a"));
  Socket.last.says(entry("s", 2, "b"));
  await reconnect();
  assert.equal(Socket.last.sent.at(-1).position, at(2));
  subscribed(at(2), at(2), { recovered: true });
  assert.deepEqual(seen, ["a"]);
  release();
  await settle();
  assert.deepEqual(seen, ["a", "b", "recovered 0"]);
});

test("a position that is not honoured is a gap, told in its place", async () => {
  await start();
  const gaps = [];
  client.on("gap", (gap) => gaps.push(gap));
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(START, START);
  Socket.last.says(entry("s", 1, "a"));
  await reconnect();
  subscribed(START, START, { recovered: false, reason: "epoch", held: at(1) });
  Socket.last.says(entry("s", 1, "b", "zzzzzzzz"));
  await settle();
  assert.deepEqual(seen, ["a", "gap epoch", "b"]);
  assert.deepEqual(gaps, [{ stream: "s", reason: "epoch", held: at(1), position: START }]);
  assert.equal(subscription.position, at(1, "zzzzzzzz"));
});

test("a position handed to subscribe is answered by recovered or gap", async () => {
  await start();
  client.subscribe("s", { position: at(2) }, handler);
  client.subscribe("t", { position: at(2) }, handler);
  Socket.last.welcome();
  const [{ id }] = Socket.last.take();
  const places = { position: at(5), tail: at(9), held: at(2) };
  const streams = [
    { stream: "s", recovered: true, position: at(2), tail: at(2) },
    { stream: "t", recovered: false, reason: "trimmed", ...places },
  ];
  Socket.last.says({ op: "resumed", id, streams });
  await settle();
  assert.deepEqual(seen, ["recovered 0", "gap trimmed"]);
});

test("a gap while subscribed is told, also one that goes back", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(at(4), at(4));
  const gap = { op: "gap", stream: "s", after: at(4), upto: at(2, "zzzzzzzz"), reason: "epoch" };
  Socket.last.says({ ...gap, lost: true });
  Socket.last.says(entry("s", 3, "c", "zzzzzzzz"));
  await settle();
  assert.deepEqual(seen, ["gap epoch", "c"]);
  assert.equal(subscription.position, at(3, "zzzzzzzz"));
});

test("an interval that holds nothing lost moves the position without a word", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(at(4), at(9));
  const gap = { op: "gap", stream: "s", after: at(4), upto: at(8), reason: "superseded" };
  Socket.last.says({ ...gap, lost: false });
  Socket.last.says(entry("s", 9, "i"));
  await settle();
  assert.deepEqual(seen, ["i"]);
  assert.equal(subscription.position, at(9));
});

test("an interval that does not fit is not handled: the subscription is made anew", async () => {
  await start();
  client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(at(1), at(1));
  Socket.last.says(entry("s", 3, "c"));
  Socket.last.says(entry("s", 4, "d"));
  answer();
  subscribed(at(1), at(4), { recovered: true });
  for (const [offset, data] of [[2, "b"], [3, "c"], [4, "d"]]) {
    Socket.last.says(entry("s", offset, data));
  }
  await settle();
  assert.deepEqual(seen, ["error interval_mismatch", "b", "c", "d"]);
});

test("intervals that never fit end the subscription instead of asking for ever", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(at(1), at(1));
  for (let round = 0; round < 3; round += 1) {
    Socket.last.says(entry("s", 3, "c"));
    answer();
    subscribed(at(1), at(4), { recovered: true });
  }
  Socket.last.says(entry("s", 3, "c"));
  assert.deepEqual(seen, Array(4).fill("error interval_mismatch"));
  client.subscribe("s", handler); // the name is free again
  assert.equal(subscription.position, at(1));
});

test("an entry that comes once more is passed over", async () => {
  await start();
  client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(START, START);
  Socket.last.says(entry("s", 1, "a"));
  Socket.last.says(entry("s", 1, "a"));
  await settle();
  assert.deepEqual(seen, ["a"]);
});

test("entries before the answer and of other streams are passed over", async () => {
  await start();
  client.subscribe("s", handler);
  Socket.last.welcome();
  Socket.last.says(entry("s", 1, "early"));
  Socket.last.says(entry("t", 1, "foreign"));
  await settle();
  assert.deepEqual(seen, []);
});

test("a refused subscription ends, and tells why", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  const [{ id }] = Socket.last.take();
  const refusal = { code: "permission_denied", message: "not yours", retry: false };
  Socket.last.says({ op: "error", id, ...refusal, action: "read" });
  await assert.rejects(subscription.ready, {
    code: "permission_denied",
    details: { action: "read", stream: "s" },
  });
  assert.deepEqual(seen, ["error permission_denied"]);
  await reconnect();
  assert.deepEqual(Socket.last.take(), []);
});

test("a subscription that is refused for a while is asked for again", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  const [{ id }] = Socket.last.take();
  Socket.last.says({ op: "error", id, code: "store_unavailable", message: "later", retry: true });
  await pass(500);
  subscribed(START, START);
  await subscription.ready;
});

test("a subscription that is refused for a while waits as long as it is told", async () => {
  await start();
  client.subscribe("s", handler);
  Socket.last.welcome();
  const [{ id }] = Socket.last.take();
  const refusal = { op: "error", id, code: "rate_limited", message: "slower", retry: true };
  Socket.last.says({ ...refusal, after_s: 4 });
  await pass(3999);
  assert.deepEqual(Socket.last.take(), []);
  await pass(1);
  assert.equal(Socket.last.take()[0].op, "subscribe");
});

test("unsubscribe tells the server, drops what waits, and frees the name", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(START, START);
  Socket.last.says(entry("s", 1, "a"));
  subscription.unsubscribe();
  subscription.unsubscribe();
  const again = client.subscribe("s", { position: at(1) }, handler);
  assert.deepEqual(Socket.last.take().map(({ op }) => op), ["unsubscribe", "subscribe"]);
  Socket.last.says(entry("s", 2, "for the old one"));
  await settle();
  assert.ok(!seen.includes("for the old one"));
  await reconnect();
  subscribed(at(1), at(1), { recovered: true });
  await again.ready;
});

test("a closed stream ends the subscription after its last message", async () => {
  await start();
  const subscription = client.subscribe("s", { start: "earliest" });
  Socket.last.welcome();
  subscribed(START, at(1), { closed: true });
  Socket.last.says(entry("s", 1, "a"));
  Socket.last.says({ op: "closed", stream: "s", position: at(1) });
  await reconnect();
  assert.deepEqual(Socket.last.take(), []);
  for await (const { data } of subscription) seen.push(data);
  assert.deepEqual(seen, ["a", "end"]);
});

/** Answer like a server whose stream "s" holds entries 1 to 9. */
function serve() {
  for (const { op, id, stream, position = START } of Socket.last.take()) {
    if (op === "unsubscribe") Socket.last.says({ op: "unsubscribed", id, stream, position });
    if (op !== "subscribe") continue;
    Socket.last.says({ op: "subscribed", id, stream, position, tail: at(9), recovered: true });
    for (let offset = Number(position.slice(0, 16)) + 1; offset <= 9; offset += 1) {
      Socket.last.says(entry("s", offset, offset));
    }
  }
}

test("a handler that cannot keep up pauses the reading, which goes on without loss", async () => {
  await start({ queueMessagesMax: 4 });
  const releases = [];
  client.subscribe("s", ({ data }) => {
    seen.push(data);
    return new Promise((resolve) => releases.push(resolve));
  });
  Socket.last.welcome();
  serve(); // 1 is being handled, 2 to 5 wait, 6 to 9 are passed over
  serve();
  await settle();
  releases.shift()();
  await settle();
  assert.deepEqual(Socket.last.take(), []);
  releases.shift()();
  await settle();
  assert.equal(Socket.last.sent.at(-1).op, "subscribe"); // half of what waited is dealt with
  assert.equal(Socket.last.sent.at(-1).position, at(5));
  while (releases.length > 0) {
    serve();
    releases.shift()();
    await settle();
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a paused reading goes on after a reconnect in between", async () => {
  await start({ queueMessagesMax: 2 });
  const releases = [];
  client.subscribe("s", ({ data }) => {
    seen.push(data);
    return new Promise((resolve) => releases.push(resolve));
  });
  Socket.last.welcome();
  subscribed(START, at(5));
  for (let offset = 1; offset <= 5; offset += 1) Socket.last.says(entry("s", offset, offset));
  await reconnect(); // before the answer to unsubscribe
  assert.deepEqual(Socket.last.take(), []);
  releases.shift()();
  await settle();
  assert.equal(Socket.last.sent.at(-1).position, at(3));
});

test("a loop over a subscription gets the messages and moves the position as it goes on", async () => {
  await start();
  const subscription = client.subscribe("s");
  Socket.last.welcome();
  subscribed(START, START);
  const iterator = subscription[Symbol.asyncIterator]();
  const first = iterator.next();
  Socket.last.says(entry("s", 1, "a"));
  assert.equal((await first).value.data, "a");
  assert.equal(subscription.position, START);
  const second = iterator.next();
  await settle();
  assert.equal(subscription.position, at(1));
  Socket.last.says(entry("s", 2, "b"));
  assert.equal((await second).value.data, "b");
  await iterator.return();
  assert.equal(subscription.position, at(1)); // the second was not dealt with
  assert.equal(Socket.last.take().at(-1).op, "unsubscribe");
});

test("a loop ends when the client is closed, and throws when the server refuses", async () => {
  await start();
  const subscription = client.subscribe("s");
  const refused = client.subscribe("t");
  Socket.last.welcome();
  const [{ id }] = Socket.last.take();
  const streams = [
    { stream: "s", position: START, tail: START },
    { stream: "t", code: "permission_denied", message: "no", retry: false },
  ];
  Socket.last.says({ op: "resumed", id, streams });
  await assert.rejects(refused[Symbol.asyncIterator]().next(), { code: "permission_denied" });
  const next = subscription[Symbol.asyncIterator]().next();
  await settle();
  client.close();
  assert.deepEqual(await next, { done: true, value: undefined });
});

test("a subscription with a handler is not iterated over", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  await assert.rejects(subscription[Symbol.asyncIterator]().next(), { code: "bad_use" });
});

test("where one of many is malformed, each is asked for by itself", async () => {
  await start();
  client.subscribe("good", handler);
  const bad = client.subscribe("bad//name", handler);
  Socket.last.welcome();
  const [{ id }] = Socket.last.take();
  const refusal = { op: "error", code: "bad_stream_name", message: "no", retry: false };
  Socket.last.says({ ...refusal, id });
  const [good, other] = Socket.last.take();
  assert.deepEqual([good.stream, other.stream], ["good", "bad//name"]);
  const places = { position: START, tail: START };
  Socket.last.says({ op: "subscribed", id: good.id, stream: "good", ...places });
  Socket.last.says({ ...refusal, id: other.id });
  await assert.rejects(bad.ready, { code: "bad_stream_name" });
  Socket.last.says(entry("good", 1, "a"));
  await settle();
  assert.deepEqual(seen, ["error bad_stream_name", "a"]);
});

test("more streams than the server lets a connection subscribe to are asked for in pieces", async () => {
  await start();
  for (const stream of ["a", "b", "c"]) client.subscribe(stream, handler);
  Socket.last.welcome({ limits: { subscriptions: 2 } });
  assert.deepEqual(Socket.last.take().map(({ op }) => op), ["resume", "subscribe"]);
});

test("a subscription that the server ended is told, and asked for again where that helps", async () => {
  await start();
  const subscription = client.subscribe("s", handler);
  Socket.last.welcome();
  subscribed(at(1), at(1));
  const ended = { op: "ended", stream: "s", position: at(1), message: "no" };
  Socket.last.says({ ...ended, code: "store_unavailable", retry: true });
  await pass(30_000);
  subscribed(at(1), at(1), { recovered: true });
  Socket.last.says(entry("s", 2, "b"));
  Socket.last.says({ ...ended, code: "permission_denied", retry: false });
  await settle();
  assert.deepEqual(seen, ["error store_unavailable", "b", "error permission_denied"]);
  assert.equal(subscription.position, at(2));
});
