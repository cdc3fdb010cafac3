// Patterns and consumers of longwire.js against the application of test_js_application.py.
import assert from "node:assert/strict";
import { finish, report, settings, step, until } from "./driven.mjs";
import { lasting, lose, losing } from "./losing.mjs";

const { connect } = await import(settings.library);
const url = new URL("/ws", settings.url);
const writer = connect(url, lasting);

step("a pattern brings what is there and what comes, over a lost connection, once");
await writer.publish("rooms/a", "before");
const seen = [];
const note = ({ stream, data }) => void seen.push(`${stream} ${data}`);
const reader = connect(url, losing);
const rooms = reader.subscribePattern("rooms/*", { start: "earliest" }, note);
await rooms.ready;
await writer.publish("rooms/a", 1);
await writer.publish("rooms/new", 2);
await writer.publish("rooms/deep/er", 3);
await until(() => seen.length === 3, "three");
const back = lose(reader);
await writer.publish("rooms/a", 4);
await writer.publish("rooms/later", 5);
await back;
await writer.publish("rooms/a", 6);
await until(() => seen.length >= 6, "six");
const expected = ["rooms/a before", "rooms/a 1", "rooms/new 2", "rooms/a 4", "rooms/later 5", "rooms/a 6"];
assert.deepEqual([...seen].sort(), [...expected].sort());
const ofA = seen.filter((text) => text.startsWith("rooms/a"));
assert.deepEqual(ofA, expected.filter((text) => text.startsWith("rooms/a")));

step("what a pattern reads has no second reader in the same client");
const failures = [];
reader.on("error", ({ code }) => failures.push(code));
assert.throws(() => reader.subscribe("rooms/a"), { code: "already_subscribed" });
assert.throws(() => reader.subscribePattern("rooms/*", {}, note), { code: "already_subscribed" });
reader.subscribePattern("*/a", {}, () => assert.fail("it has ended"));
await until(() => failures.length > 0, "refused");
assert.deepEqual(failures, ["already_subscribed"]);

step("a pattern goes on where another one stopped");
const { positions } = rooms;
rooms.unsubscribe();
await writer.publish("rooms/a", 7);
const more = [];
reader.subscribePattern("rooms/*", { positions }, ({ data }) => void more.push(data));
await until(() => more.length > 0, "the seventh");
assert.deepEqual(more, [7]);
assert.equal(seen.length, 6);

step("a handler that is slow makes a pattern leave and come back, complete");
await writer.publishBatch("slow/a", Array.from({ length: 300 }, (_, number) => number));
const slow = connect(url, { ...lasting, queueMessagesMax: 10 });
const numbers = [];
slow.subscribePattern("slow/*", { start: "earliest" }, async ({ data }) => {
  if (data % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  numbers.push(data);
});
await until(() => numbers.length >= 300, "all of them");
assert.deepEqual(numbers, Array.from({ length: 300 }, (_, number) => number));

step("a consumer redelivers what failed, and acknowledges the rest");
await writer.publishBatch("orders", [1, 2, 3]);
const handled = [];
const worker = connect(url, losing);
const faults = [];
worker.on("error", ({ code }) => faults.push(code));
const billing = worker.consume("orders", "billing", { retryAfterMs: 50 }, ({ data, attempt }) => {
  if (data === 2 && attempt === 1) throw new Error("not yet");
  handled.push(`${data} ${attempt}`);
});
assert.equal((await billing.ready).unread, 3);
assert.throws(() => worker.consume("orders", "billing", {}, () => undefined), { code: "already_consuming" });
await until(() => handled.length === 3, "three orders");
assert.deepEqual(handled, ["1 1", "3 1", "2 2"]);
assert.deepEqual(faults, ["handler_failed"]);
const unread = async () => (await writer.consumerState("orders", "billing")).unread;
await until(async () => (await unread()) === 0, "all acknowledged");

step("a consumer goes on after a lost connection, and what was not acknowledged comes again");
let release;
const held = new Promise((resolve) => (release = resolve));
const other = connect(url, losing);
const attempts = [];
other.consume("slow/orders", "one", {}, async ({ attempt }) => {
  attempts.push(attempt);
  if (attempt === 1) await held;
});
await until(() => other.state === "open", "open");
await writer.publish("slow/orders", "x");
await until(() => attempts.length === 1, "the first attempt");
await lose(other);
release();
await until(() => attempts.length === 2, "the second attempt");
await until(async () => (await writer.consumerState("slow/orders", "one")).unread === 0, "done");
assert.deepEqual(attempts, [1, 2]);
billing.release();
await writer.forgetConsumer("orders", "billing");
assert.equal((await writer.consumerState("orders", "billing")).exists, false);

for (const client of [reader, writer, slow, worker, other]) client.close();
report({});
finish();
