import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import { at, settle, socketClass } from "./fake_socket.mjs";

let Socket;
let client;

beforeEach(() => {
  Socket = socketClass();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => {
  client?.close();
  client = undefined;
  mock.timers.reset();
});

/** A client whose jitter is always half of the bound, and what it announced. */
async function start(options = {}) {
  client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random: () => 0.5, ...options });
  const states = [];
  const errors = [];
  client.on("state", (change) => states.push(change));
  client.on("error", (error) => errors.push(error));
  await settle();
  return { states, errors };
}

async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  await settle();
}

test("connect offers the subprotocol and says hello with version, client and token", async () => {
  const { states } = await start({ token: "secret" });
  assert.deepEqual(Socket.last.protocols, ["longwire.v1.json"]);
  const hello = Socket.last.welcome();
  assert.equal(hello.op, "connect");
  assert.equal(hello.version, 1);
  assert.equal(hello.token, "secret");
  assert.match(hello.client, /^longwire\.js\/\d/);
  assert.deepEqual(states.map(({ state }) => state), ["open"]);
  assert.equal(client.state, "open");
});

test("connect sends no token member when there is no token", async () => {
  await start();
  assert.ok(!("token" in Socket.last.welcome()));
});

test("connect asks a token function before each attempt", async () => {
  let count = 0;
  await start({ token: async () => `token ${++count}` });
  assert.equal(Socket.last.welcome().token, "token 1");
  Socket.last.breaks();
  await pass(500);
  assert.equal(Socket.last.welcome().token, "token 2");
});

test("connect retries when the token function fails, and says so", async () => {
  let mustFail = true;
  const token = () => {
    if (mustFail) throw new Error("no network");
    return "good";
  };
  const { errors } = await start({ token });
  assert.equal(errors[0].code, "token_failed");
  assert.equal(client.state, "waiting");
  mustFail = false;
  await pass(500);
  assert.equal(Socket.last.welcome().token, "good");
});

test("a token function that never returns is given up and asked again", async () => {
  let asked = 0;
  const token = () => (++asked === 1 ? new Promise(() => undefined) : `token ${asked}`);
  const { errors } = await start({ token, connectTimeoutMs: 3000 });
  await pass(2999);
  assert.equal(client.state, "connecting");
  await pass(1);
  assert.equal(errors[0].code, "token_failed");
  assert.match(errors[0].message, /no answer within 3 s/);
  await pass(500);
  assert.equal(Socket.last.welcome({ expires_in_s: 100 }).token, "token 2");
});

test("a renewal whose token function never returns is tried again before the token expires", async () => {
  let asked = 0;
  const token = () => (++asked === 2 ? new Promise(() => undefined) : `token ${asked}`);
  const { errors } = await start({ token, connectTimeoutMs: 3000 });
  Socket.last.welcome({ expires_in_s: 100, heartbeat_s: 100 });
  await pass(75_000);
  assert.equal(asked, 2);
  await pass(3000);
  assert.equal(errors[0].code, "token_failed");
  await pass(11_000);
  const renewals = Socket.last.take().filter(({ op }) => op === "authenticate");
  assert.deepEqual(renewals.map(({ token }) => token), ["token 3"]);
});

test("connect refuses an address that is none, and a scheme that is no web scheme", () => {
  assert.throws(() => connect("/ws", { WebSocket: Socket }), { code: "bad_url" });
  assert.throws(() => connect("ftp://server/ws", { WebSocket: Socket }), { code: "bad_url" });
});

test("connect turns http into ws and leaves the fragment out", async () => {
  client = connect("https://server:8443/ws?a=1#part", { WebSocket: Socket });
  await settle();
  assert.equal(Socket.last.url, "wss://server:8443/ws?a=1");
});

test("connect closes for good when the socket cannot even be made", async () => {
  class Forbidden {
    constructor() {
      throw new Error("an insecure WebSocket from a secure page");
    }
  }
  const { errors } = await start({ WebSocket: Forbidden });
  assert.equal(client.state, "closed");
  assert.equal(errors[0].code, "connect_failed");
  assert.match(errors[0].message, /insecure WebSocket/);
});

test("connection with another subprotocol is given up", async () => {
  const { errors } = await start();
  Socket.last.protocol = "other";
  Socket.last.onopen({});
  await settle();
  assert.equal(client.state, "closed");
  assert.match(errors[0].message, /does not speak longwire\.v1\.json/);
});

test("a refused hello closes for good and rejects what waits", async () => {
  const { errors } = await start({ token: "bad" });
  const publish = client.publish("s", 1);
  Socket.last.protocol = "longwire.v1.json";
  Socket.last.onopen({});
  const refusal = { op: "error", id: 1, code: "unauthorized", message: "expired", retry: false };
  Socket.last.says(refusal);
  await assert.rejects(publish, { code: "unauthorized", outcome: "not_stored" });
  assert.equal(client.state, "closed");
  assert.equal(errors.length, 1);
  await assert.rejects(client.publish("s", 2), { code: "unauthorized" });
  assert.throws(() => client.subscribe("s"), { code: "unauthorized" });
});

test("a refused hello is tried again when a function can give another token", async () => {
  await start({ token: () => "perhaps better" });
  Socket.last.protocol = "longwire.v1.json";
  Socket.last.onopen({});
  Socket.last.says({ op: "error", id: 1, code: "unauthorized", message: "expired", retry: false });
  assert.equal(client.state, "waiting");
});

test("the first retry goes out at once when the connection had lived for 5 seconds", async () => {
  const { states } = await start();
  Socket.last.welcome();
  await pass(5000);
  Socket.last.breaks(1006);
  await settle();
  assert.equal(Socket.sockets.length, 2);
  assert.deepEqual(states.map(({ state }) => state), ["open", "connecting"]);
  assert.equal(states[1].code, 1006);
  assert.equal(states[1].reason, "the connection was lost");
});

/** The waits of a client that always draws one half, when each attempt fails at once. */
function waitsOfAnOutage(count) {
  const waits = [];
  for (let outageMs = 0; waits.length < count; outageMs += waits.at(-1)) {
    waits.push(0.5 * Math.min(30_000, Math.max(500, 0.75 * outageMs)));
  }
  return waits;
}

test("retries wait with full jitter under a bound that grows with the outage to 30 s", async () => {
  const { states } = await start();
  for (let attempt = 0; attempt < 20; attempt += 1) {
    Socket.last.breaks(1006);
    await pass(states.at(-1).retryInMs);
  }
  const waits = states.filter(({ state }) => state === "waiting");
  const seen = waits.map(({ retryInMs }) => Math.round(retryInMs));
  assert.deepEqual(seen, waitsOfAnOutage(20).map(Math.round));
  assert.equal(seen.at(-1), 15_000);
  assert.deepEqual(waits.map(({ failures }) => failures), seen.map((_, index) => index + 1));
  assert.equal(Socket.sockets.length, 21);
});

test("a connection that did not live does not begin the waits anew", async () => {
  const { states } = await start();
  for (let attempt = 0; attempt < 6; attempt += 1) {
    Socket.last.welcome();
    Socket.last.breaks(1011);
    await pass(states.at(-1).retryInMs);
  }
  const waits = states.filter(({ state }) => state === "waiting");
  const seen = waits.map(({ retryInMs }) => Math.round(retryInMs));
  assert.deepEqual(seen, waitsOfAnOutage(6).map(Math.round));
});

test("closing with after_s is obeyed, also by a connection that had lived", async () => {
  const { states } = await start();
  Socket.last.welcome();
  await pass(10_000);
  const closing = { op: "closing", code: 1012, reason: "the server restarts", reconnect: true };
  Socket.last.says({ ...closing, after_s: [2, 6] });
  Socket.last.breaks(1012, "the server restarts");
  assert.equal(states.at(-1).state, "waiting");
  assert.equal(states.at(-1).retryInMs, 4000);
  assert.equal(states.at(-1).code, 1012);
  assert.equal(states.at(-1).reason, "the server restarts");
});

test("closing that asks to stay away is obeyed whatever the code", async () => {
  const { errors } = await start();
  Socket.last.welcome();
  Socket.last.says({ op: "closing", code: 1012, reason: "moved", reconnect: false });
  Socket.last.breaks(1012, "moved");
  assert.equal(client.state, "closed");
  assert.equal(errors[0].code, "closed_by_server");
  assert.equal(errors[0].message, "moved");
});

test("closing without the close that should follow ends the connection after 5 seconds", async () => {
  await start();
  Socket.last.welcome();
  Socket.last.says({ op: "closing", code: 1012, reason: "restart", reconnect: true, after_s: [1, 1] });
  await pass(4999);
  assert.equal(client.state, "open");
  await pass(1);
  assert.equal(client.state, "waiting");
  assert.ok(Socket.last.closedWith);
});

for (const [code, state] of [
  [1000, "closed"],
  [1001, "waiting"],
  [1002, "closed"],
  [1003, "closed"],
  [1005, "waiting"],
  [1006, "waiting"],
  [1007, "closed"],
  [1008, "closed"],
  [1009, "closed"],
  [1010, "closed"],
  [1011, "waiting"],
  [1012, "waiting"],
  [1013, "waiting"],
  [1014, "waiting"],
  [3000, "waiting"],
  [3499, "waiting"],
  [3500, "closed"],
  [3999, "closed"],
  [4000, "waiting"],
  [4499, "waiting"],
  [4500, "closed"],
  [4999, "closed"],
]) {
  test(`close code ${code} leaves the client ${state}`, async () => {
    await start();
    Socket.last.welcome();
    Socket.last.breaks(code);
    assert.equal(client.state, state);
  });
}

test("an attempt has 10 seconds to be welcomed", async () => {
  const { states } = await start();
  Socket.last.protocol = "longwire.v1.json";
  Socket.last.onopen({});
  await pass(9999);
  assert.equal(client.state, "connecting");
  await pass(1);
  assert.equal(client.state, "waiting");
  assert.equal(states.at(-1).reason, "no answer within 10 s");
});

test("a server's ping is answered", async () => {
  await start();
  Socket.last.welcome();
  Socket.last.says({ op: "ping" });
  assert.deepEqual(Socket.last.take(), [{ op: "pong" }]);
});

test("a server that is silent for two heartbeats is taken for dead", async () => {
  const { states } = await start();
  Socket.last.welcome({ heartbeat_s: 3 });
  await pass(5000);
  Socket.last.says({ op: "ping" });
  await pass(5999);
  assert.equal(client.state, "open");
  await pass(1);
  assert.equal(client.state, "connecting");
  assert.equal(states.at(-1).reason, "the server was silent for 6 s");
  assert.ok(Socket.sockets[0].closedWith);
});

test("what a given-up socket still brings is not heard", async () => {
  await start();
  Socket.last.welcome({ heartbeat_s: 3 });
  await pass(6000);
  const [old, socket] = Socket.sockets;
  socket.welcome();
  old.says({ op: "ping" });
  old.breaks(1006);
  assert.equal(client.state, "open");
  assert.deepEqual(old.take(), []);
});

test("a server without heartbeats is asked for a sign of life", async () => {
  await start();
  Socket.last.welcome({ heartbeat_s: 0 });
  await pass(25_000);
  const [ping] = Socket.last.take();
  assert.equal(ping.op, "ping");
  Socket.last.says({ op: "pong", id: ping.id });
  await pass(24_999);
  assert.equal(client.state, "open");
  assert.deepEqual(Socket.last.take(), []);
  await pass(1);
  assert.equal(Socket.last.take()[0].op, "ping");
  await pass(2000);
  assert.notEqual(client.state, "open");
});

test("after sleep an open socket is probed before it is given up", async () => {
  await start();
  Socket.last.welcome({ heartbeat_s: 3 });
  mock.timers.setTime(Date.now() + 600_000); // runs no timer: the machine sleeps
  await pass(1);
  assert.equal(client.state, "open");
  const [ping] = Socket.last.take();
  assert.equal(ping.op, "ping");
  Socket.last.says({ op: "pong", id: ping.id });
  await pass(5999);
  assert.equal(client.state, "open");
});

test("wake probes an open connection, which is given up after 2 seconds without a sign", async () => {
  const { states } = await start();
  Socket.last.welcome();
  await pass(6000);
  client.wake();
  client.wake();
  assert.deepEqual(Socket.last.take().map(({ op }) => op), ["ping"]);
  await pass(1999);
  assert.equal(client.state, "open");
  await pass(1);
  assert.equal(client.state, "connecting");
  assert.equal(states.at(-1).reason, "no sign of life within 2 s");
});

test("wake takes any message for a sign of life", async () => {
  await start();
  Socket.last.welcome();
  client.wake();
  Socket.last.says({ op: "ping" });
  await pass(3000);
  assert.equal(client.state, "open");
});

test("wake ends the wait for a retry", async () => {
  await start();
  Socket.last.breaks(1006);
  assert.equal(client.state, "waiting");
  client.wake();
  await settle();
  assert.equal(client.state, "connecting");
  assert.equal(Socket.sockets.length, 2);
  await pass(60_000); // the timer that was given up starts no third attempt beside it
  assert.equal(Socket.sockets.filter(({ closedWith }) => !closedWith).length <= 1, true);
});

test("a probe waits while the network still takes what was sent before it", async () => {
  await start();
  Socket.last.welcome();
  Socket.last.bufferedAmount = 5000;
  client.wake();
  await pass(2000);
  assert.equal(client.state, "open");
  Socket.last.bufferedAmount = 4000;
  await pass(2000);
  assert.equal(client.state, "open");
  await pass(2000); // no progress
  assert.notEqual(client.state, "open");
});

test("an answer that is missing for 10 seconds is doubt: the connection is asked, then given up", async () => {
  const { states } = await start();
  Socket.last.welcome();
  client.publish("s", 1).catch(() => undefined);
  await pass(9999);
  assert.deepEqual(Socket.last.take().map(({ op }) => op), ["publish"]);
  await pass(1);
  assert.deepEqual(Socket.last.take().map(({ op }) => op), ["ping"]);
  await pass(1999);
  assert.equal(client.state, "open");
  await pass(1);
  assert.notEqual(client.state, "open");
  assert.equal(states.at(-1).reason, "no sign of life within 2 s");
});

test("an answer that a connection full of life owes for too long is asked for on another one", async () => {
  const { states } = await start({ answerTimeoutMs: 3000, probeTimeoutMs: 500 });
  Socket.last.welcome();
  client.publish("s", "lost").catch(() => undefined);
  const [{ id: _id, ...publish }] = Socket.last.take();
  for (let time = 0; time < 3400; time += 200) {
    await pass(200);
    const answers = { ping: "pong", history: "history" };
    for (const { op, id } of Socket.last.take()) Socket.last.says({ op: answers[op], id, entries: [] });
    client.history("s").catch(() => undefined); // others are answered all the time
  }
  assert.equal(client.state, "open");
  await pass(100);
  assert.equal(states.at(-1).reason, "no answer within 3 s");
  await pass(30_000);
  const again = Socket.last.welcome() && Socket.last.take().find(({ op }) => op === "publish");
  delete again.id;
  assert.deepEqual(again, publish);
});

test("an overdue answer that comes all the same ends the doubt", async () => {
  await start();
  Socket.last.welcome();
  const promise = client.publish("s", 1);
  const [{ id }] = Socket.last.take();
  await pass(10_000);
  const [ping] = Socket.last.take();
  Socket.last.says({ op: "pong", id: ping.id });
  await pass(1999);
  Socket.last.says({ op: "published", id, first: at(1), last: at(1), duplicate: false, durability: "disk" });
  assert.equal((await promise).position, at(1));
  await pass(20_000);
  assert.equal(client.state, "open");
  assert.equal(Socket.sockets.length, 1);
});

test("answers that come one after the other are progress, however long the last one takes", async () => {
  await start();
  Socket.last.welcome({ heartbeat_s: 100 });
  for (let number = 0; number < 4; number += 1) client.publish("s", number).catch(() => undefined);
  for (const { id } of Socket.last.take().slice(0, 3)) {
    await pass(9000);
    Socket.last.says({ op: "published", id, first: at(1), last: at(1), duplicate: false, durability: "disk" });
  }
  await pass(9999);
  assert.deepEqual(Socket.last.take(), []);
  assert.equal(client.state, "open");
});

test("text that is no message of the protocol ends the connection and is reported", async () => {
  for (const text of ["{", "null", "[]", '{"id":1}', '"op"']) {
    Socket = socketClass();
    const { errors } = await start();
    Socket.last.welcome();
    Socket.last.says(text);
    assert.equal(errors[0].code, "bad_answer");
    assert.equal(client.state, "waiting");
    client.close();
  }
});

test("a binary message ends the connection and is reported", async () => {
  const { errors } = await start();
  Socket.last.welcome();
  Socket.last.onmessage({ data: new ArrayBuffer(3) });
  assert.equal(errors[0].code, "bad_answer");
});

test("operations and members that are not known are passed over", async () => {
  const { errors } = await start();
  Socket.last.welcome({ novelty: 1 });
  Socket.last.says({ op: "novelty", stream: "s" });
  Socket.last.says({ op: "novelty", id: 77 });
  assert.equal(client.state, "open");
  assert.deepEqual(errors, []);
});

test("an error without a request is announced with its details", async () => {
  const { errors } = await start();
  Socket.last.welcome();
  Socket.last.says({ op: "error", code: "bad_json", message: "at byte 3", retry: false, at: 3 });
  assert.equal(errors[0].code, "bad_json");
  assert.equal(errors[0].message, "at byte 3");
  assert.deepEqual(errors[0].details, { at: 3 });
});

test("close ends for good, once", async () => {
  const { states } = await start();
  Socket.last.welcome();
  client.close("bye");
  client.close();
  assert.deepEqual(Socket.last.closedWith, { code: 1000, reason: "bye" });
  assert.deepEqual(states.map(({ state }) => state), ["open", "closed"]);
  Socket.last.breaks(1000);
  await pass(60_000);
  assert.equal(Socket.sockets.length, 1);
});

test("close during the fetch of a token opens no socket", async () => {
  let give;
  await start({ token: () => new Promise((resolve) => (give = resolve)) });
  client.close();
  give("late");
  await settle();
  assert.equal(Socket.sockets.length, 0);
});

test("a listener that was taken off is not called, and its removal is idempotent", async () => {
  await start();
  let count = 0;
  const off = client.on("state", () => (count += 1));
  Socket.last.welcome();
  off();
  off();
  Socket.last.breaks();
  assert.equal(count, 1);
});
