// longwire.js against the application of test_js_application.py.
import assert from "node:assert/strict";
import { finish, need, report, settings, step, until } from "./driven.mjs";
import { isSocket, lasting, lose, losing } from "./losing.mjs";

const { connect } = await import(settings.library);
const url = new URL("/ws", settings.url);

/** A token from a function is renewed without another connection, and without a message lost. */
async function renew(transport) {
  const carried = transport === "websocket" ? {} : { transports: [transport] };
  const token = () => `ann until ${Date.now() / 1000 + 4}`;
  const client = connect(url, { WebSocket: need("ws"), ...carried, token });
  const states = [];
  const got = [];
  client.on("state", ({ state }) => states.push(state));
  client.subscribe(`renewed/${transport}`, { start: "earliest" }, ({ data }) => void got.push(data));
  await until(() => client.state === "open", "open");
  for (let number = 0; number < 16; number += 1) {
    await client.publish(`renewed/${transport}`, number);
    await new Promise((resolve) => setTimeout(resolve, 1000)); // life and the server's 10 seconds
  }
  assert.deepEqual(states, ["connecting", "open"].slice(-states.length));
  assert.deepEqual(got, Array.from({ length: 16 }, (_, number) => number));
  assert.equal(await client.call("tea.make", { kind: "mint" }), "mint for ann");
  await assert.rejects(client.authenticate("bob"), { code: "foreign_token" });
  await assert.rejects(client.authenticate("nobody"), { code: "unauthorized" });
  assert.equal(client.state, "open");
  client.close();
}

if (settings.transport === "websocket") {
  step("tokens are renewed over each transport");
  await Promise.all(["websocket", "sse", "long-poll"].map(renew));
}

step("many subscriptions are taken up again at once, complete");
const reader = connect(url, losing);
const writer = connect(url, lasting);
const seen = new Map();
const streams = Array.from({ length: 40 }, (_, number) => `many/${number}`);
await Promise.all(
  streams.map((stream) => {
    seen.set(stream, []);
    return reader.subscribe(stream, ({ data }) => void seen.get(stream).push(data)).ready;
  }),
);
await Promise.all(streams.map((stream) => writer.publish(stream, 1)));
const lost = lose(reader);
await Promise.all(streams.map((stream) => writer.publish(stream, 2)));
await lost;
await Promise.all(streams.map((stream) => writer.publish(stream, 3)));
await until(() => streams.every((stream) => seen.get(stream).length >= 3), "all of them");
for (const stream of streams) assert.deepEqual(seen.get(stream), [1, 2, 3]);

step("history is read backwards, page by page");
await writer.publishBatch("past", [1, 2, 3, 4, 5]);
const last = await writer.history("past", { limit: 2 });
assert.deepEqual([last.messages.map(({ data }) => data), last.more], [[4, 5], true]);
const older = await writer.history("past", { before: last.messages[0].position, limit: 9 });
assert.deepEqual([older.messages.map(({ data }) => data), older.more], [[1, 2, 3], false]);

step("an inbox brings what was sent meanwhile, also when it is asked for late");
const ann = connect(url, { ...losing, token: "ann" });
const letters = [];
await until(() => ann.state === "open", "ann");
const inbox = ann.inbox(({ data }) => void letters.push(data));
await inbox.ready;
await ann.call("tea.make", { kind: "green" });
await until(() => letters.length === 1, "the first letter");
const away = lose(ann);
const other = connect(url, { ...lasting, token: "ann" });
await other.call("tea.make", { kind: "black" });
await away;
await until(() => letters.length === 2, "the second letter");
assert.deepEqual(letters, ["your green is ready", "your black is ready"]);
assert.equal(inbox.stream, "$user/ann");
const errors = [];
writer.on("error", ({ code }) => errors.push(code));
await assert.rejects(writer.inbox().ready, { code: "no_inbox" });
assert.deepEqual(errors, ["no_inbox"]);

step("presence is by user, and outlives a lost connection");
const changes = [];
const watch = writer.watch("room", ({ event, members }) => {
  changes.push([event, ...members.map(({ user }) => user)]);
});
await watch.ready;
await ann.enter("room", { mood: "fine" });
await until(() => changes.length === 2, "ann");
await lose(ann);
await ann.enter("room", { mood: "better" });
await until(() => watch.members[0]?.data.mood === "better", "the better mood");
assert.deepEqual(await writer.members("room"), [{ user: "ann", data: { mood: "better" } }]);
await ann.leave("room");
await until(() => watch.members.length === 0, "gone");
assert.deepEqual(changes, [["reset"], ["join", "ann"], ["update", "ann"], ["leave", "ann"]]);

step("what was left is not entered again by a request that the network held up");
let entering = 0;
const heldUp = async (to, init) => {
  if (init.body.includes('"enter"') && ++entering === 2) await new Promise((resolve) => setTimeout(resolve, 300));
  return fetch(to, init);
};
const eve = connect(url, { ...lasting, ...(isSocket ? {} : { fetch: heldUp }), token: "eve" });
changes.length = 0;
await eve.enter("room");
if (!isSocket) {
  eve.subscribe("elsewhere"); // another request, which enters again
  await until(() => entering === 2, "one that is held up");
}
await eve.leave("room");
await until(() => changes.length >= 2, "eve is gone");
await new Promise((resolve) => setTimeout(resolve, 600)); // what was held up has come
assert.deepEqual(changes, [["join", "eve"], ["leave", "eve"]]);

for (const client of [reader, writer, ann, other, eve]) client.close();
report({});
finish();
