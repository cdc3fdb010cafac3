// What a server refuses, asked for with longwire.js: a code, a sentence, and nothing half done.
import assert from "node:assert/strict";
import { finish, need, report, settings, step, until } from "./driven.mjs";

const { LongwireError, connect } = await import(settings.library);
const url = new URL("/ws", settings.url);
const options = { WebSocket: need("ws"), retryFirstMs: 20, retryMaxMs: 100 };
const open = (more = {}) => {
  const client = connect(url, { ...options, ...more });
  client.on("error", () => undefined);
  return client;
};
const client = open();
await until(() => client.state === "open", "open");
const nowhere = "0000000000000007_zzzzzzzz0123456789abcdef";
const encoder = new TextEncoder();

/** Fail with this code and a sentence that says it; `also`: further members of the error. */
async function refused(promise, code, says = "", also = {}) {
  const error = await promise.then(
    () => assert.fail(`${code} was expected`),
    (error) => error,
  );
  assert.ok(error instanceof LongwireError, String(error));
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.includes(says), `${error.message} does not say ${says}`);
  assert.ok(error.message.length > 10);
  for (const [name, value] of Object.entries(also)) assert.deepEqual(error.details[name], value);
  return error;
}

step("malformed requests");
// Ten on one connection would end it: each has one of its own.
for (const [op, members, code, says] of [
  ["history", { stream: "s", color: "red" }, "bad_message", "color"],
  ["history", { stream: 7 }, "bad_message", "stream"],
  ["history", { stream: "s", limit: 0 }, "bad_message", "limit"],
  ["history", { stream: "s", before: nowhere, after: nowhere }, "bad_message", ""],
  ["history", { stream: "s", after: "7" }, "bad_position", "7"],
  ["history", { stream: "a//b" }, "bad_stream_name", ""],
  ["history", { stream: "$secret" }, "bad_stream_name", ""],
  ["subscribe", { pattern: "a//*" }, "bad_pattern", ""],
  ["dance", {}, "bad_message", "dance"],
  ["unsubscribe", { stream: "s" }, "not_subscribed", ""],
  ["connect", { version: 1 }, "already_connected", ""],
  ["publish", { stream: "s" }, "bad_message", "data"],
  ["publish", { stream: "s", data: 1, producer: "p" }, "bad_message", ""],
  ["subscribe", { stream: "s", start: "yesterday" }, "bad_message", "start"],
  ["ack", { stream: "s", consumer: "c", upto: nowhere }, "not_consuming", ""],
  ["leave", { stream: "s" }, "not_entered", ""],
  ["unwatch", { stream: "s" }, "not_watching", ""],
]) {
  const one = open();
  assert.equal((await refused(one.ask(op, members), code, says)).retry, false);
  assert.notEqual((await one.publish("s", "it goes on")).position, null);
  one.close();
}
await client.ask("subscribe", { stream: "twice" });
await refused(client.ask("subscribe", { stream: "twice" }), "already_subscribed");
await client.ask("consume", { stream: "twice", consumer: "c" });
await refused(client.ask("consume", { stream: "twice", consumer: "c" }), "already_consuming");

step("permission, and refusal by the application");
const no = await refused(client.publish("members/a", 1), "permission_denied", "", { action: "publish" });
assert.equal(no.outcome, "not_stored");
await refused(client.publish("checked/a", "one"), "publish_refused", "Numbers only, please.");
await refused(client.subscribe("members/a").ready, "permission_denied", "", { action: "read" });

step("payloads of the wrong kind and size");
await client.publish("json", { a: 1 });
await refused(client.publish("json", encoder.encode("b")), "wrong_content_type", "", {
  content_type: "application/json",
});
const limit = 524_288;
await client.publish("large", new Uint8Array(limit));
await refused(client.publish("large", new Uint8Array(limit + 1)), "entry_too_large", "", { limit });
await client.publishBatch("many", Array(1000).fill(1));
await refused(client.publishBatch("many", Array(1001).fill(1)), "entry_too_large", "", { limit: 1000 });

step("conditions");
const { position: tail } = await client.publish("tail", 1);
await client.publish("tail", 2, { ifTail: tail });
await refused(client.publish("tail", 3, { ifTail: tail }), "tail_moved");
await refused(client.publish("tail", 3, { durability: "replicated" }), "durability_unavailable");
await refused(client.history("tail", { after: nowhere }), "position_refused", "", { reason: "epoch" });

step("producers");
const publish = (producer, epoch, sequence) =>
  client.ask("publish", { stream: "numbers", data: 1, producer, epoch, sequence });
await refused(publish("p", 0, 7), "producer_unknown");
await publish("p", 0, 0);
await refused(publish("p", 0, 2), "sequence_gap", "", { expected: 1 });
await refused(publish("p", 1, 1), "producer_epoch_start", "", { expected: 0 });
await publish("p", 1, 0);
await refused(publish("p", 0, 1), "producer_fenced", "", { epoch: 1 });
assert.equal((await publish("p", 1, 0)).duplicate, true);

step("calls");
await refused(client.call("tea.pour"), "unknown_method");
await refused(client.call("tea.make", { kind: 7 }), "bad_arguments", "kind");
await refused(client.call("tea.make", { kind: "coffee" }), "call_refused", "tea house", {
  reason: "no_coffee",
});
const late = await refused(client.call("tea.slow", undefined, { timeoutMs: 100 }), "call_timeout");
assert.equal(late.retry, true);

step("tokens");
for (const token of ["nobody", `ann until ${Date.now() / 1000 - 60}`]) {
  const one = open({ token });
  await refused(one.history("s"), "unauthorized");
  assert.equal(one.state, "closed");
}

step("a message that is too long ends the client, and says why");
const long = open();
await refused(long.ask("publish", { stream: "s", data: "x".repeat(1 << 20) }), "connection_lost");
await until(() => long.state === "closed", "closed");
await refused(long.publish("s", 1), "closed_by_server", "", { code: 1009 });

assert.equal(client.state, "open");
client.close();
report({});
finish();
