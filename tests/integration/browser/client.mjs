// longwire.js in Node.js against a real server, through a proxy that cuts connections.
import assert from "node:assert/strict";
import net from "node:net";
import { ask, finish, need, report, settings, step, until } from "./driven.mjs";

const { connect } = await import(settings.library);
const WebSocket = { ws: need("ws"), undici: need("undici").WebSocket }[settings.way];

/** A TCP proxy in front of the server whose connections can be cut, at any byte. */
function makeProxy() {
  const pairs = new Set();
  const proxy = net.createServer((client) => {
    const server = net.connect(settings.port, "127.0.0.1");
    const pair = [client, server];
    pairs.add(pair);
    for (const [from, to] of [pair, [server, client]]) {
      from.on("data", (data) => to.write(data));
      from.on("close", () => {
        pairs.delete(pair);
        to.destroy();
      });
      from.on("error", () => undefined);
    }
  });
  const cut = (isReset) => {
    for (const pair of pairs) for (const socket of pair) isReset ? socket.resetAndDestroy() : socket.destroy();
  };
  return new Promise((resolve) => {
    proxy.listen(0, "127.0.0.1", () => resolve({ port: proxy.address().port, cut }));
  });
}

const proxy = await makeProxy();
const straight = `ws://127.0.0.1:${settings.port}/ws`;
const carried = WebSocket ? { WebSocket } : { transports: [settings.way] };
const options = { ...carried, retryFirstMs: 20, retryMaxMs: 100 };
const cutClient = () => connect(`ws://127.0.0.1:${proxy.port}/ws`, options);
const straightClient = () => connect(straight, options);

step("a message of every kind comes back as it was, with its position");
const reader = straightClient();
const writer = straightClient();
const seen = [];
const kinds = reader.subscribe("test/kinds", { start: "earliest" }, (message) => void seen.push(message));
await kinds.ready;
const values = [null, true, -1.5e300, "", "𝄞\u2028\"\\", [], {}, { deep: [[{ 世界: 1 }]] }];
const acks = await Promise.all(values.map((value) => writer.publish("test/kinds", value)));
await until(() => seen.length === values.length, "all kinds");
assert.deepEqual(seen.map(({ data }) => data), values);
assert.deepEqual(seen.map(({ position }) => position), acks.map(({ position }) => position));
assert.ok(acks.every(({ duplicate }) => duplicate === false));
assert.ok(acks.every(({ durability }) => durability === "memory"));
assert.ok(Math.abs(seen[0].time - Date.now()) < 60_000);
assert.equal(kinds.position, acks.at(-1).position);

step("bytes come back as bytes");
const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256);
const binary = reader.subscribe("test/bytes", { start: "earliest" });
await writer.publish("test/bytes", bytes);
for await (const { data } of binary) {
  assert.deepEqual(data, bytes);
  break;
}
await assert.rejects(writer.publish("test/bytes", { json: true }), {
  code: "wrong_content_type",
  outcome: "not_stored",
});

step("a subscription goes on where another one stopped");
const [, second] = acks;
const rest = [];
const later = straightClient();
const recoveries = [];
later.on("recovered", ({ missed }) => recoveries.push(missed));
later.subscribe("test/kinds", { position: second.position }, ({ data }) => void rest.push(data));
await until(() => rest.length === values.length - 2, "the rest");
assert.deepEqual(rest, values.slice(2));
assert.deepEqual(recoveries, [values.length - 2]);
const lastTwo = [];
writer.subscribe("test/kinds", { start: { last: 2 } }, ({ data }) => void lastTwo.push(data));
await until(() => lastTwo.length === 2, "the last two");
assert.deepEqual(lastTwo, values.slice(-2));

step("refusals reach the one who asked, and the client goes on");
const errors = [];
writer.on("error", (error) => errors.push(error));
await assert.rejects(writer.publish("bad//name", 1), { code: "bad_stream_name", outcome: "not_stored" });
await assert.rejects(writer.publish("test/kinds", "x".repeat(2 << 20)), { code: "entry_too_large" });
await assert.rejects(writer.publish("test/kinds", "x".repeat(600_000)), { code: "entry_too_large" });
await assert.rejects(writer.subscribe("*").ready, { code: "bad_stream_name" });
assert.equal((await writer.publish("test/kinds", "after")).duplicate, false);
assert.deepEqual(errors.map(({ code }) => code), ["bad_stream_name"]);

step("cut connections lose nothing, double nothing and keep the order, both ways");
const total = 400;
const received = [];
const source = cutClient();
const sink = cutClient();
let returns = 0;
const unwanted = [];
for (const client of [source, sink]) {
  client.on("state", ({ state }) => (returns += state === "open" ? 1 : 0));
  client.on("gap", (gap) => unwanted.push(gap));
  client.on("error", (error) => unwanted.push(error));
}
sink.subscribe("test/cuts", { start: "earliest" }, async ({ data }) => {
  if (data % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  received.push(data);
});
let duplicates = 0;
const publishes = [];
for (let number = 0; number < total; number += 1) {
  const publish = source.publish("test/cuts", number);
  publishes.push(publish.then(({ duplicate }) => (duplicates += duplicate ? 1 : 0)));
  if (number % 20 === 19) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
    proxy.cut(Math.random() < 0.5);
  }
}
await Promise.all(publishes);
assert.equal(source.pending, 0);
await until(() => received.length >= total, "all that was published");
assert.deepEqual(received, Array.from({ length: total }, (_, number) => number));
assert.deepEqual(unwanted, []);
assert.ok(returns > 4, `only ${returns} connections: nothing was tested`);

step("a restarted memory store is told by a gap, and everything goes on");
const gaps = [];
reader.on("gap", ({ stream, reason }) => gaps.push(`${stream} ${reason}`));
await ask("kill");
await until(() => reader.state !== "open" && writer.state !== "open", "disconnected");
const held = writer.publish("test/kinds", "held while the server was away");
await ask("start");
assert.equal((await held).duplicate, false);
await until(() => seen.at(-1).data === "held while the server was away", "what was held");
assert.deepEqual(gaps, ["test/kinds epoch"]);

step("a server that stands still is noticed by a probe");
const reasons = [];
reader.on("state", ({ reason }) => reasons.push(reason));
await ask("suspend");
reader.wake();
await until(() => reader.state !== "open", "noticed");
assert.match(reasons[0], /^(no sign of life within|the server was silent for) 2 s$/);
await ask("kill");
await ask("start");
await until(() => reader.state === "open", "back");

if (WebSocket) {
  step("an acknowledgement that is lost on a connection that lives is asked for on another one");
  let lost = 0;
  class Forgetful extends WebSocket {
    set onmessage(listener) {
      super.onmessage = (event) => {
        if (lost === 0 && event.data.includes('"published"')) lost += 1;
        else listener(event);
      };
    }
  }
  const doubtful = connect(straight, { ...options, WebSocket: Forgetful, answerTimeoutMs: 1500, probeTimeoutMs: 1000 });
  const doubts = [];
  doubtful.on("state", ({ reason }) => doubts.push(reason));
  const asked = await Promise.all([0, 1, 2].map((number) => doubtful.publish("test/lost", number)));
  assert.equal(lost, 1);
  assert.deepEqual(asked.map(({ duplicate }) => duplicate), [true, false, false]);
  assert.ok(doubts.includes("no answer within 1.5 s"), String(doubts));
  const { messages } = await doubtful.history("test/lost");
  assert.deepEqual(messages.map(({ data }) => data), [0, 1, 2]);
  doubtful.close();
}

step("an ordered restart is announced, and obeyed");
await ask("stop");
await until(() => reader.state !== "open", "away");
await ask("start");
await until(() => reader.state === "open", "back");
assert.ok((await writer.publish("test/kinds", "at last")).position);
await writer.flush();
for (const client of [reader, writer, later, source, sink]) client.close();
report({ duplicates, returns });
finish();
