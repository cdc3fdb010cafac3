import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import { at, entry, settle, socketClass } from "./fake_socket.mjs";

let Socket;
let client;
let errors;

beforeEach(() => {
  Socket = socketClass();
  errors = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => {
  client.close();
  mock.timers.reset();
});

async function start(options = {}) {
  client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random: () => 0.5, ...options });
  client.on("error", ({ code }) => errors.push(code));
  await settle();
}

async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  await settle();
}

const replies = (id, members) => Socket.last.says({ id, ...members });

test("a token from a function is renewed on the open connection before it expires", async () => {
  const tokens = ["one", "two", "three"];
  await start({ token: () => tokens.shift() });
  assert.equal(Socket.last.welcome({ expires_in_s: 40, heartbeat_s: 60 }).token, "one");
  await pass(29_000);
  assert.deepEqual(Socket.last.take(), []);
  await pass(1000);
  const [{ id, ...first }] = Socket.last.take();
  assert.deepEqual(first, { op: "authenticate", token: "two" });
  replies(id, { op: "authenticated", expires_in_s: 40 });
  await settle();
  await pass(30_000);
  assert.equal(Socket.last.take()[0].token, "three");
  assert.equal(Socket.sockets.length, 1);
});

test("a refused renewal is told and tried again; an expired token ends in a reconnect", async () => {
  await start({ token: () => "old" });
  Socket.last.welcome({ expires_in_s: 40, heartbeat_s: 60 });
  await pass(30_000);
  const [{ id }] = Socket.last.take();
  replies(id, { op: "error", code: "unauthorized", message: "expired", retry: false });
  await settle();
  assert.deepEqual(errors, ["unauthorized"]);
  await pass(5000);
  assert.equal(Socket.last.take()[0].op, "authenticate");
  Socket.last.breaks(4002, "the token has expired");
  await settle();
  assert.equal(Socket.sockets.length, 2);
  Socket.last.welcome();
  assert.equal(client.state, "open");
});

test("a fixed token is not renewed by itself, but one shown by hand is kept", async () => {
  await start({ token: "one" });
  Socket.last.welcome({ expires_in_s: 4 });
  await pass(10_000);
  assert.deepEqual(Socket.last.take(), []);
  const shown = client.authenticate("two");
  await settle();
  replies(Socket.last.take()[0].id, { op: "authenticated" });
  await shown;
  Socket.last.breaks();
  await pass(1000);
  assert.equal(Socket.last.welcome().token, "two");
});

test("requests wait for the first connection, and are not repeated on another one", async () => {
  await start();
  const history = client.history("s", { before: at(9), limit: 2 });
  const call = client.call("rooms.create", { title: "Tea" }, { timeoutMs: 5000 });
  Socket.last.welcome();
  const [first, second] = Socket.last.take();
  assert.deepEqual(first, { op: "history", id: first.id, stream: "s", before: at(9), limit: 2 });
  const data = { title: "Tea" };
  assert.deepEqual(second, { op: "call", id: second.id, method: "rooms.create", data, timeout_s: 5 });
  const { op: _op, stream: _stream, ...found } = entry("s", 8, "eighth");
  replies(first.id, { op: "history", stream: "s", entries: [found], more: true, tail: at(9) });
  const page = await history;
  assert.deepEqual([page.more, page.tail], [true, at(9)]);
  assert.deepEqual(page.messages, [
    { stream: "s", position: at(8), time: found.time, data: "eighth" },
  ]);
  Socket.last.breaks();
  await assert.rejects(call, { code: "connection_lost", retry: true });
  await pass(1000);
  Socket.last.welcome();
  assert.deepEqual(Socket.last.take(), []);
});

test("a call that takes long is no reason to give up a connection that lives", async () => {
  await start();
  Socket.last.welcome();
  const call = client.call("slow");
  const [{ id }] = Socket.last.take();
  await pass(24_000);
  Socket.last.says({ op: "ping" });
  await pass(5000);
  replies(id, { op: "result", data: 7 });
  assert.equal(await call, 7);
  assert.equal(Socket.sockets.length, 1);
});

test("what was entered and is watched is taken up again", async () => {
  await start();
  Socket.last.welcome();
  const changes = [];
  const watch = client.watch("room", ({ event, members }) => changes.push([event, members]));
  assert.throws(() => client.watch("room"), { code: "already_watching" });
  const entered = client.enter("room", { mood: "fine" });
  const [members, enter] = Socket.last.take();
  const ann = { user: "ann", data: { mood: "fine" } };
  replies(members.id, { op: "members", stream: "room", members: [ann] });
  replies(enter.id, { op: "entered", stream: "room" });
  await Promise.all([entered, watch.ready]);
  const guest = { connection: "9f2c" };
  Socket.last.says({ op: "presence", stream: "room", event: "join", ...guest });
  Socket.last.says({ op: "presence", stream: "room", event: "leave", user: "ann" });
  assert.deepEqual(changes, [["reset", [ann]], ["join", [guest]], ["leave", [{ user: "ann" }]]]);
  assert.deepEqual(watch.members, [guest]);
  Socket.last.breaks();
  await pass(1000);
  Socket.last.welcome();
  const again = Socket.last.take().map(({ id, ...request }) => request);
  assert.deepEqual(again, [
    { op: "enter", stream: "room", data: { mood: "fine" } },
    { op: "members", stream: "room", watch: true },
  ]);
});

test("an inbox goes on where it was, and is told where there is none", async () => {
  await start();
  const seen = [];
  const inbox = client.inbox(({ data }) => void seen.push(data));
  const stream = "$user/ann";
  Socket.last.welcome({ inbox: { stream, position: at(1), tail: at(1) } });
  Socket.last.says(entry(stream, 2, "for ann"));
  await settle();
  Socket.last.breaks();
  await pass(1000);
  const places = { position: at(2), tail: at(3), recovered: true };
  assert.equal(Socket.last.welcome({ inbox: { stream, ...places } }).inbox, at(2));
  Socket.last.says(entry(stream, 3, "more"));
  await settle();
  assert.deepEqual(seen, ["for ann", "more"]);
  assert.equal(inbox.position, at(3));
  Socket.last.breaks();
  await pass(1000);
  Socket.last.welcome();
  assert.deepEqual(errors, ["no_inbox"]);
});

test("a publish bears its key, its condition and its durability; a batch is one publish", async () => {
  await start();
  Socket.last.welcome();
  void client.publish("s", 1, { key: "k", ifTail: at(3), durability: "disk" }).catch(() => undefined);
  void client.publishBatch("s", [1, "two"], { key: "k" }).catch(() => undefined);
  const [one, batch] = Socket.last.take();
  assert.deepEqual([one.data, one.key, one.if_tail, one.durability], [1, "k", at(3), "disk"]);
  assert.deepEqual(batch.batch, [{ data: 1, key: "k" }, { data: "two", key: "k" }]);
  assert.deepEqual([batch.sequence, batch.key], [1, undefined]);
});
