import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import { settle, socketClass } from "./fake_socket.mjs";

let Socket;
let client;

beforeEach(() => {
  Socket = socketClass();
  mock.timers.enable({ apis: ["setInterval", "setTimeout", "Date"], now: 1_789_000_000_000 });
  globalThis.window = new EventTarget();
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
});

afterEach(() => {
  client?.close();
  mock.timers.reset();
  delete globalThis.window;
  delete globalThis.document;
});

async function start() {
  client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random: () => 0.999 });
  await settle();
  Socket.last.welcome({ heartbeat_s: 1000 });
}

const asked = () => Socket.last.take().filter(({ op }) => op === "ping").length;

/** Let the client have its answer, so that it may ask again. */
const answer = () => Socket.last.says({ op: "pong" });

test("the network is back, the tab is seen or shown or thawed: an open connection is asked", async () => {
  await start();
  const events = [
    [window, "online"],
    [window, "pageshow"],
    [document, "visibilitychange"],
    [document, "resume"],
  ];
  for (const [target, name] of events) {
    target.dispatchEvent(new Event(name));
    assert.equal(asked(), 1, name);
    answer();
  }
});

test("a tab that is hidden is not asked, and neither is a client that was closed", async () => {
  await start();
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(asked(), 0);
  document.visibilityState = "visible";
  client.close();
  for (const name of ["visibilitychange", "resume"]) document.dispatchEvent(new Event(name));
  for (const name of ["online", "pageshow"]) window.dispatchEvent(new Event(name));
  assert.equal(asked(), 0);
});

test("the same events end the wait for a retry", async () => {
  await start();
  Socket.last.breaks();
  assert.equal(client.state, "waiting");
  window.dispatchEvent(new Event("online"));
  await settle();
  assert.equal(client.state, "connecting");
  assert.equal(Socket.sockets.length, 2);
});

test("a machine that slept is noticed by its clock within 5 seconds after it woke", async () => {
  await start();
  for (let turn = 0; turn < 3; turn += 1) mock.timers.tick(5000);
  assert.equal(asked(), 0);
  mock.timers.setTime(Date.now() + 600_000); // runs no timer: the machine sleeps
  mock.timers.tick(5000);
  assert.equal(asked(), 1);
  answer();
  mock.timers.tick(5000);
  assert.equal(asked(), 0);
});

test("late timers of a hidden tab are no sleep", async () => {
  await start();
  document.visibilityState = "hidden";
  mock.timers.setTime(Date.now() + 60_000);
  mock.timers.tick(5000);
  assert.equal(asked(), 0);
});

test("outside a page the clock alone tells", async () => {
  delete globalThis.window;
  delete globalThis.document;
  await start();
  mock.timers.setTime(Date.now() + 60_000);
  mock.timers.tick(5000);
  assert.equal(asked(), 1);
});
