import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import { at, settle, socketClass } from "./fake_socket.mjs";

let Socket;
let client;
let outcomes;

beforeEach(() => {
  Socket = socketClass();
  outcomes = {};
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => {
  client.close();
  mock.timers.reset();
});

async function start(options = {}) {
  client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random: () => 0.5, ...options });
  client.on("error", () => undefined);
  await settle();
}

async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  await settle();
}

/** Publish, and keep in `outcomes` what became of it: an offset, or a code and an outcome. */
function publish(data, stream = "s") {
  client.publish(stream, data).then(
    ({ position }) => (outcomes[data] = Number(position.slice(0, 16))),
    ({ code, outcome }) => (outcomes[data] = `${code} ${outcome}`),
  );
}

/** What was sent, each as data:epoch:sequence. */
function sent() {
  return Socket.last
    .take()
    .filter(({ op }) => op === "publish")
    .map((message) => {
      last.set(message.data, message);
      return `${message.data}:${message.epoch}:${message.sequence}`;
    });
}
const last = new Map();

async function accept(data, offset, duplicate = false) {
  const { id, stream } = last.get(data);
  const position = at(offset);
  const answer = { op: "published", id, stream, first: position, last: position, duplicate };
  Socket.last.says({ ...answer, durability: "memory" });
  await settle();
}

async function refuse(data, code, { retry = false, ...members } = {}) {
  Socket.last.says({ op: "error", id: last.get(data).id, code, message: code, retry, ...members });
  await settle();
}

async function reconnect() {
  Socket.last.breaks();
  await pass(30_000);
  Socket.last.welcome();
}

test("publish resolves with what the server stored", async () => {
  await start();
  Socket.last.welcome();
  const promise = client.publish("chat/room", { text: "hello" });
  const [message] = Socket.last.take();
  assert.match(message.producer, /^[0-9a-f]{32}$/);
  assert.deepEqual(message, {
    op: "publish",
    id: message.id,
    stream: "chat/room",
    producer: message.producer,
    epoch: 0,
    sequence: 0,
    data: { text: "hello" },
  });
  const position = at(7);
  const answer = { first: position, last: position, duplicate: false, durability: "disk" };
  Socket.last.says({ op: "published", id: message.id, stream: "chat/room", ...answer });
  assert.deepEqual(await promise, {
    stream: "chat/room",
    position,
    first: position,
    duplicate: false,
    durability: "disk",
  });
});

test("publish tells of an old duplicate, whose position is no longer known", async () => {
  await start();
  Socket.last.welcome();
  const promise = client.publish("s", 1);
  const [{ id }] = Socket.last.take();
  const answer = { first: null, last: null, duplicate: true, durability: "disk" };
  Socket.last.says({ op: "published", id, stream: "s", ...answer });
  const ack = await promise;
  assert.equal(ack.position, null);
  assert.equal(ack.duplicate, true);
});

test("publish sends JSON of every kind, and bytes as base64", async () => {
  await start();
  Socket.last.welcome();
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
  const values = [null, true, 0, "", "𝄞 \u2028 \" \\", [], {}, [1, { a: [null] }]];
  for (const value of values) client.publish("s", value).catch(() => undefined);
  for (const value of [bytes, bytes.buffer, bytes.subarray(10, 20), new ArrayBuffer(0)]) {
    client.publish("bytes", value).catch(() => undefined);
  }
  const messages = Socket.last.take();
  assert.deepEqual(messages.slice(0, values.length).map(({ data }) => data), values);
  const sentBytes = messages.slice(values.length).map(({ base64 }) => Buffer.from(base64, "base64"));
  assert.deepEqual(sentBytes, [
    Buffer.from(bytes),
    Buffer.from(bytes),
    Buffer.from(bytes.subarray(10, 20)),
    Buffer.alloc(0),
  ]);
});

test("publish sends what the value was at the call", async () => {
  await start();
  const value = { text: "before" };
  client.publish("s", value).catch(() => undefined);
  value.text = "after";
  Socket.last.welcome();
  assert.deepEqual(Socket.last.take()[0].data, { text: "before" });
});

test("publish refuses what is no JSON", async () => {
  await start();
  const circle = {};
  circle.self = circle;
  for (const value of [undefined, () => 1, Symbol("s"), 1n, circle]) {
    await assert.rejects(client.publish("s", value), { code: "bad_data", outcome: "not_stored" });
  }
  assert.equal(client.pending, 0);
});

test("publishes are numbered for each stream, and sent once there is a connection", async () => {
  await start();
  publish("a");
  publish("b", "t");
  publish("c");
  assert.equal(client.pending, 3);
  Socket.last.welcome();
  assert.deepEqual(sent(), ["a:0:0", "c:0:1", "b:0:0"]);
});

test("publishes without an answer are sent again in order under the same numbers", async () => {
  await start();
  Socket.last.welcome();
  ["a", "b", "c"].forEach((data) => publish(data));
  sent();
  await accept("a", 1);
  Socket.last.breaks();
  publish("d");
  await pass(30_000);
  Socket.last.welcome();
  assert.deepEqual(sent(), ["b:0:1", "c:0:2", "d:0:3"]);
  await accept("b", 2, true);
  await accept("c", 3);
  await accept("d", 4);
  assert.deepEqual(outcomes, { a: 1, b: 2, c: 3, d: 4 });
  assert.equal(client.pending, 0);
});

test("at most 64 publishes of one stream are in flight, and as many as the server allows", async () => {
  await start();
  Socket.last.welcome({ limits: { in_flight: 70, producer_in_flight: 100 } });
  for (let number = 0; number < 100; number += 1) publish(`a${number}`);
  assert.equal(sent().length, 64);
  for (let number = 0; number < 100; number += 1) publish(`b${number}`, "t");
  assert.deepEqual(sent(), ["b0:0:0", "b1:0:1", "b2:0:2", "b3:0:3", "b4:0:4", "b5:0:5"]);
  await accept("b0", 1);
  await accept("a0", 1);
  assert.equal(sent().length, 2);
  Socket.last.breaks();
  await pass(30_000);
  Socket.last.welcome({ limits: { in_flight: 3, producer_in_flight: 2 } });
  assert.deepEqual(sent(), ["a1:0:1", "a2:0:2", "b1:0:1"]);
});

test("the outbox refuses more messages and more bytes than it may hold", async () => {
  await start({ outboxMessagesMax: 2, outboxBytesMax: 1000 });
  publish("a");
  await assert.rejects(client.publish("s", "x".repeat(1000)), {
    code: "outbox_full",
    retry: true,
    outcome: "not_stored",
  });
  publish("b");
  await assert.rejects(client.publish("s", "c"), { code: "outbox_full" });
  Socket.last.welcome();
  assert.deepEqual(sent(), ["a:0:0", "b:0:1"]);
  await accept("a", 1);
  publish("d");
  assert.deepEqual(sent(), ["d:0:2"]);
});

test("a message that the server would not read is refused here, before and after connecting", async () => {
  await start();
  publish("x".repeat(5000));
  publish("small");
  Socket.last.welcome({ limits: { message_bytes: 4096 } });
  assert.deepEqual(sent(), ["small:0:0"]);
  await settle();
  assert.equal(outcomes["x".repeat(5000)], "entry_too_large not_stored");
  await assert.rejects(client.publish("s", "é".repeat(1500)), { code: "entry_too_large" });
});

test("flush waits until everything has an outcome", async () => {
  await start();
  Socket.last.welcome();
  await client.flush();
  publish("a");
  publish("b");
  sent();
  let isDone = false;
  client.flush().then(() => (isDone = true));
  await accept("a", 1);
  assert.equal(isDone, false);
  await refuse("b", "permission_denied");
  assert.equal(isDone, true);
});

test("close rejects what waits and tells what may have been stored", async () => {
  await start();
  Socket.last.welcome();
  publish("sent");
  Socket.last.breaks();
  publish("waiting");
  let isDone = false;
  client.flush().then(() => (isDone = true));
  client.close();
  await settle();
  assert.deepEqual(outcomes, { sent: "closed unknown", waiting: "closed not_stored" });
  assert.equal(isDone, true);
  await assert.rejects(client.publish("s", 1), { code: "closed", outcome: "not_stored" });
});

test("a final refusal rejects its message, and the later ones take its number", async () => {
  await start();
  Socket.last.welcome();
  ["a", "b", "c"].forEach((data) => publish(data));
  sent();
  await refuse("a", "publish_refused");
  await refuse("b", "sequence_gap", { expected: 0 });
  publish("d");
  assert.deepEqual(sent(), []); // nothing new until all is answered
  await refuse("c", "sequence_gap", { expected: 0 });
  assert.deepEqual(sent(), ["b:0:0", "c:0:1", "d:0:2"]);
  assert.deepEqual(outcomes, { a: "publish_refused not_stored" });
});

test("a refusal for a while is repeated under the same number after the time it names", async () => {
  await start();
  Socket.last.welcome();
  publish("a");
  publish("b");
  sent();
  await refuse("a", "rate_limited", { retry: true, after_s: 3 });
  await refuse("b", "sequence_gap", { expected: 0 });
  await pass(2999);
  assert.deepEqual(sent(), []);
  await pass(1);
  assert.deepEqual(sent(), ["a:0:0", "b:0:1"]);
});

test("a refusal for a while without a time is repeated with growing jitter", async () => {
  await start();
  Socket.last.welcome();
  publish("a");
  for (const delayMs of [250, 500, 1000]) {
    assert.deepEqual(sent(), ["a:0:0"]);
    await refuse("a", "store_unavailable", { retry: true });
    await pass(delayMs - 1);
    assert.deepEqual(sent(), []);
    await pass(1);
  }
});

test("a restarted server that forgot: what was in flight is unknown, the rest goes on", async () => {
  await start();
  Socket.last.welcome();
  ["a", "b"].forEach((data) => publish(data));
  sent();
  await accept("a", 1);
  Socket.last.breaks();
  publish("c");
  await pass(30_000);
  Socket.last.welcome();
  assert.deepEqual(sent(), ["b:0:1", "c:0:2"]);
  await refuse("b", "producer_unknown");
  assert.deepEqual(sent(), []); // the epoch rises only once nothing of the old one is open
  await refuse("c", "producer_unknown");
  assert.deepEqual(outcomes, { a: 1, b: "outcome_unknown unknown" });
  assert.deepEqual(sent(), ["c:1:0"]);
  await accept("c", 1);
  publish("d");
  assert.deepEqual(sent(), ["d:1:1"]);
});

test("a restarted server that forgot loses nothing of a client that was idle", async () => {
  await start();
  Socket.last.welcome();
  publish("a");
  sent();
  await accept("a", 1);
  await reconnect();
  publish("b");
  publish("c");
  assert.deepEqual(sent(), ["b:0:1", "c:0:2"]);
  await refuse("b", "producer_unknown");
  await refuse("c", "producer_unknown");
  assert.deepEqual(sent(), ["b:1:0", "c:1:1"]);
  await accept("b", 1);
  await accept("c", 2);
  assert.deepEqual(outcomes, { a: 1, b: 1, c: 2 });
});

test("a store that was rolled back below what it had acknowledged counts as one that forgot", async () => {
  await start();
  Socket.last.welcome();
  ["a", "b", "c"].forEach((data) => publish(data));
  sent();
  await accept("a", 1);
  await accept("b", 2);
  await reconnect();
  assert.deepEqual(sent(), ["c:0:2"]);
  await refuse("c", "sequence_gap", { expected: 1 });
  assert.deepEqual(outcomes, { a: 1, b: 2, c: "outcome_unknown unknown" });
  publish("d");
  assert.deepEqual(sent(), ["d:1:0"]);
});

test("the first message of a raised epoch is refused for a while: the next ones follow it", async () => {
  await start();
  Socket.last.welcome();
  publish("a");
  sent();
  await accept("a", 1);
  await reconnect();
  publish("b");
  publish("c");
  sent();
  await refuse("b", "producer_unknown");
  await refuse("c", "producer_unknown");
  assert.deepEqual(sent(), ["b:1:0", "c:1:1"]);
  await refuse("b", "rate_limited", { retry: true, after_s: 1 });
  await refuse("c", "producer_epoch_start", { expected: 0 });
  await pass(1000);
  assert.deepEqual(sent(), ["b:1:0", "c:1:1"]);
});

test("a number that may be taken is not given to another message", async () => {
  await start();
  Socket.last.welcome();
  publish("a");
  sent();
  await reconnect(); // a may be stored
  assert.deepEqual(sent(), ["a:0:0"]);
  await refuse("a", "permission_denied");
  assert.deepEqual(outcomes, { a: "permission_denied unknown" });
  publish("b");
  assert.deepEqual(sent(), ["b:1:0"]);
});

test("a message in doubt for longer than the server remembers is not sent again", async () => {
  await start();
  const limits = { producer_state_s: 60 };
  Socket.last.welcome({ limits });
  publish("a"); // number 0, which a server that has forgotten everything would take for a new one
  sent();
  Socket.last.breaks();
  publish("b");
  await pass(30_000);
  Socket.last.welcome({ limits });
  assert.deepEqual(sent(), ["a:0:0", "b:0:1"]);
  Socket.last.breaks();
  await pass(30_000);
  Socket.last.welcome({ limits });
  await settle();
  assert.deepEqual(outcomes, { a: "outcome_unknown unknown" });
  assert.deepEqual(sent(), ["b:0:1"]); // not so old, and nothing else before its answer
  publish("c");
  assert.deepEqual(sent(), []);
  await refuse("b", "producer_unknown");
  assert.deepEqual(sent(), ["c:1:0"]);
});

test("a failed store leaves a publish in doubt, and its number with it", async () => {
  await start();
  Socket.last.welcome();
  publish("a");
  publish("b");
  sent();
  await refuse("a", "store_unavailable", { retry: true }); // and yet it was stored
  await accept("b", 2);
  await pass(500);
  assert.deepEqual(sent(), ["a:0:0"]);
  await accept("a", 1, true);
  assert.deepEqual(outcomes, { a: 1, b: 2 });
});

test("a fenced producer stops", async () => {
  await start();
  Socket.last.welcome();
  publish("a");
  publish("b");
  sent();
  await refuse("a", "producer_fenced", { epoch: 4 });
  await refuse("b", "producer_fenced", { epoch: 4 });
  assert.deepEqual(outcomes, {
    a: "producer_fenced not_stored",
    b: "producer_fenced not_stored",
  });
  assert.deepEqual(sent(), []);
});
