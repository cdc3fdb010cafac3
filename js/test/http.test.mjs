import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import "../lib/longwire-http.js"; // so that loading it takes no time
import { fakeFetch } from "./fake_fetch.mjs";
import { START, at, entry, socketClass } from "./fake_socket.mjs";

let net;
let client;

beforeEach(() => {
  net = fakeFetch();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => {
  client?.close();
  client = undefined;
  mock.timers.reset();
});

/** Let everything run that waits for nothing but its turn. */
const settle = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
};

async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  await settle();
}

/** A client over plain HTTP, and what it announced. */
async function start(transports, options = {}) {
  client = connect("ws://server/ws", { transports, fetch: net.fetch, random: () => 0.5, ...options });
  const heard = { states: [], errors: [], transports: [], gaps: [] };
  client.on("state", (change) => heard.states.push(change));
  client.on("error", (error) => heard.errors.push(error));
  client.on("transport", ({ transport }) => heard.transports.push(transport));
  client.on("gap", (gap) => heard.gaps.push(gap));
  await settle();
  return heard;
}

/** Welcome the client and subscribe it to "s" from its start; returns what its handler gets. */
async function subscribed(transports, options) {
  const heard = await start(transports, options);
  const got = [];
  net.last.welcome();
  if (transports[0] === "long-poll") net.last.ends();
  await settle();
  heard.subscription = client.subscribe("s", { start: "earliest" }, ({ data }) => void got.push(data));
  await settle();
  net.last.welcome().answers("subscribe", { op: "subscribed", stream: "s", position: START, tail: START });
  if (transports[0] === "long-poll") net.last.ends();
  await settle();
  return { ...heard, got };
}

/** Answer the poll that is on the way: the subscription to "s" goes on where it was, `tell` says more. */
async function answerPoll(tell = () => undefined) {
  const poll = net.reading.welcome();
  const { position = START } = poll.asked("subscribe");
  poll.answers("subscribe", { op: "subscribed", stream: "s", position, tail: position, recovered: true });
  tell(poll);
  poll.ends();
  await settle();
}

/** The server has done what the poll on the way asks, and waits for news. */
async function pollWaits() {
  const poll = net.reading.welcome();
  const { position } = poll.asked("subscribe");
  poll.answers("subscribe", { op: "subscribed", stream: "s", position, tail: position, recovered: true });
  await settle();
}

const published = (offset) => ({
  op: "published",
  first: at(offset),
  last: at(offset),
  duplicate: false,
  durability: "disk",
});

test("events are asked for by a POST that begins with connect", async () => {
  const { transports } = await start(["sse"], { token: "secret" });
  const { url, headers, operations, credentials } = net.last;
  assert.equal(url, "http://server/ws");
  assert.equal(headers.Accept, "text/event-stream");
  assert.equal(headers["Content-Type"], "application/x-ndjson");
  assert.match(headers["Longwire-Client-Key"], /^[!-~]{16,128}$/);
  assert.equal(credentials, "include");
  assert.equal(operations[0].op, "connect");
  assert.equal(operations[0].token, "secret");
  net.last.welcome();
  await settle();
  assert.equal(client.state, "open");
  assert.equal(client.transport, "sse");
  assert.deepEqual(transports, ["sse"]);
});

test("a new subscription takes the place of the response that knows nothing of it", async () => {
  const { got } = await subscribed(["sse"]);
  assert.equal(net.requests.filter(({ isAborted }) => !isAborted).length, 1);
  net.last.says(entry("s", 1, "a"));
  await settle();
  client.subscribe("other");
  await settle();
  const [first, second] = net.last.asked("resume").streams;
  assert.deepEqual(first, { stream: "s", position: at(1) });
  assert.deepEqual(second, { stream: "other", start: "tail" });
  const answer = (position) => ({ position, tail: position });
  net.last.welcome().answers("resume", { op: "resumed", streams: [answer(at(1)), answer(START)] });
  net.last.says(entry("s", 2, "b"));
  await settle();
  assert.deepEqual(got, ["a", "b"]);
});

test("a payload with line breaks comes in several data lines, a character in several chunks", async () => {
  const { got } = await subscribed(["sse"]);
  const { data: _data, ...head } = entry("s", 1);
  const text = `data: ${JSON.stringify(head).slice(0, -1)},"data":{\r\ndata: "世": 1}}\n\n: a comment\n\n`;
  const bytes = new TextEncoder().encode(text);
  for (const byte of bytes) net.last.sends(Uint8Array.of(byte));
  await settle();
  assert.deepEqual(got, [{ 世: 1 }]);
});

test("a position that a later response does not honour is a gap", async () => {
  const { got, gaps } = await subscribed(["sse"]);
  net.last.says(entry("s", 1, "a"));
  await settle();
  net.last.ends();
  await pass(1000);
  const refusal = { recovered: false, reason: "epoch", held: at(1) };
  net.last.welcome().answers("subscribe", { op: "subscribed", position: START, tail: START, ...refusal });
  net.last.says(entry("s", 1, "anew", "zzzzzzzz"));
  await settle();
  assert.deepEqual(got, ["a", "anew"]);
  assert.deepEqual(gaps, [{ stream: "s", reason: "epoch", held: at(1), position: START }]);
});

test("a subscription that a later response refuses is ended with its reason", async () => {
  const { errors } = await subscribed(["sse"]);
  net.last.ends();
  await pass(1000);
  const refusal = { code: "permission_denied", message: "not yours any more", retry: false };
  net.last.welcome().answers("subscribe", { op: "error", ...refusal });
  await settle();
  assert.deepEqual(errors.map(({ code }) => code), ["permission_denied"]);
});

test("a malformed name is refused, and what was asked for together with it is asked for alone", async () => {
  const { got, errors } = await subscribed(["sse"]);
  client.subscribe("*");
  await settle();
  net.last.welcome().answers("resume", { op: "error", code: "bad_stream_name", message: "no", retry: false });
  await settle();
  const [good, bad] = net.last.operations.slice(1);
  assert.deepEqual([good.stream, bad.stream], ["s", "*"]);
  net.last.welcome().says({ op: "error", id: bad.id, code: "bad_stream_name", message: "no", retry: false });
  net.last.says({ op: "subscribed", id: good.id, position: START, tail: START });
  net.last.says(entry("s", 1, "a"));
  await settle();
  assert.deepEqual(got, ["a"]);
  assert.deepEqual(errors.map(({ code }) => code), ["bad_stream_name"]);
});

test("publishes go in requests of their own, one after the other, in order", async () => {
  await subscribed(["sse"]);
  const outcomes = [1, 2, 3].map((number) => client.publish("s", number));
  await settle();
  const post = net.last;
  assert.deepEqual(post.operations.slice(1).map(({ data }) => data), [1, 2, 3]);
  outcomes.push(client.publish("s", 4));
  await settle();
  assert.equal(net.last, post); // it waits for the answers
  post.welcome();
  post.operations.slice(1).forEach(({ id }, index) => post.says({ ...published(index + 1), id }));
  post.ends();
  await settle();
  net.last.welcome().answers("publish", published(4));
  net.last.ends();
  const acks = await Promise.all(outcomes);
  assert.deepEqual(acks.map(({ position }) => position), [1, 2, 3, 4].map((offset) => at(offset)));
  assert.equal(net.last.asked("publish").sequence, 3);
});

test("a call does not stand in the way of a publish", async () => {
  await subscribed(["sse"]);
  const call = client.call("slow");
  const publish = client.publish("s", 1);
  await settle();
  const [calling, publishing] = net.requests.slice(-2);
  publishing.welcome().answers("publish", published(1));
  publishing.ends();
  await publish;
  await pass(20_000);
  calling.welcome().answers("call", { op: "result", data: 7 });
  calling.ends();
  assert.equal(await call, 7);
});

test("an answer that broke off is a connection lost: publishes are sent again under their numbers", async () => {
  const { states } = await subscribed(["sse"]);
  const publish = client.publish("s", 1);
  const history = client.history("s").catch((error) => error);
  await settle();
  const { id: _id, ...sent } = net.last.asked("publish");
  net.last.breaks();
  await settle();
  assert.equal((await history).code, "connection_lost");
  assert.notEqual(client.state, "open");
  await pass(states.at(-1).retryInMs ?? 0);
  net.last.welcome();
  await settle();
  const again = net.requests.findLast((request) => request.asked("publish"));
  const { id: _other, ...repeated } = again.asked("publish");
  assert.deepEqual(repeated, sent);
  again.welcome().answers("publish", { ...published(1), duplicate: true });
  again.ends();
  assert.equal((await publish).duplicate, true);
});

test("too many requests refuse what was asked, to be tried again after the time that was named", async () => {
  await subscribed(["sse"]);
  const publish = client.publish("s", 1);
  await settle();
  net.last.refuses(429, { code: "rate_limited", detail: "slower", retry: true }, { "Retry-After": "3" });
  await settle();
  const count = net.requests.length;
  await pass(2999);
  assert.equal(net.requests.length, count);
  await pass(1);
  net.last.welcome().answers("publish", published(1));
  net.last.ends();
  assert.equal((await publish).position, at(1));
  assert.equal(client.state, "open");
});

test("a Retry-After of a month is honoured for minutes, and not with a request each millisecond", async () => {
  const { states } = await start(["sse"]);
  net.last.refuses(503, undefined, { "Retry-After": "2592000" });
  await settle();
  const { state, retryInMs } = states.at(-1);
  assert.equal(state, "waiting");
  assert.ok(retryInMs >= 300_000 && retryInMs <= 600_000, String(retryInMs));
});

test("a body that is too long for the server is cut into shorter ones, in order", async () => {
  await subscribed(["sse"]);
  const outcomes = [1, 2, 3].map((number) => client.publish("s", number));
  await settle();
  net.last.refuses(413, { detail: "the body is too long" });
  await settle();
  for (const numbers of [[1, 2], [3]]) {
    const post = net.last.welcome();
    assert.deepEqual(post.operations.slice(1).map(({ data }) => data), numbers);
    for (const { id, data } of post.operations.slice(1)) post.says({ ...published(data), id });
    post.ends();
    await settle();
  }
  assert.equal((await Promise.all(outcomes)).length, 3);
  const alone = client.publish("s", 4);
  await settle();
  net.last.refuses(413, { detail: "the body is too long" });
  await assert.rejects(alone, { code: "http_413", outcome: "not_stored" });
});

test("calls that take their time go two at a time, those that wait together", async () => {
  await subscribed(["sse"]);
  const calls = [1, 2, 3, 4].map((data) => client.call("slow", data));
  await settle();
  const posts = () => net.requests.filter((request) => request.asked("call"));
  assert.deepEqual(posts().map(({ operations }) => operations.length - 1), [4]);
  calls.push(client.call("slow", 5));
  await settle();
  calls.push(client.call("slow", 6), client.call("slow", 7));
  await settle();
  assert.deepEqual(posts().map(({ operations }) => operations.length - 1), [4, 1]);
  for (let at = 0; at < 3; at += 1) {
    const post = posts()[at].welcome();
    for (const { id, data } of post.operations.slice(1)) post.says({ op: "result", id, data });
    post.ends();
    await settle();
  }
  assert.deepEqual(await Promise.all(calls), [1, 2, 3, 4, 5, 6, 7]);
});

test("a refused token closes for good, with the server's sentence", async () => {
  const { errors } = await start(["sse", "long-poll"], { token: "bad" });
  net.last.refuses(401, { code: "unauthorized", detail: "the token has expired", retry: false });
  await settle();
  assert.equal(client.state, "closed");
  assert.equal(net.requests.length, 1);
  assert.deepEqual(errors.map(({ code, message }) => [code, message]), [["unauthorized", "the token has expired"]]);
});

test("a token that is shown on the open connection is that of all requests from then on", async () => {
  await subscribed(["sse"], { token: "old" });
  const renewed = client.authenticate("new");
  await settle();
  assert.equal(net.last.operations[0].token, "old");
  net.last.welcome().answers("authenticate", { op: "authenticated", user: "ann", expires_in_s: 60 });
  net.last.ends();
  await renewed;
  await settle();
  assert.equal(net.reading.operations[0].token, "new");
  assert.equal(net.reading.asked("subscribe").position, START);
  assert.equal(client.state, "open");
});

test("events that do not begin in time are taken for held back: long-polling takes over", async () => {
  const { transports } = await start(["sse", "long-poll"]);
  await pass(4999);
  assert.equal(net.requests.length, 1);
  await pass(1);
  assert.equal(net.last.headers.Accept, "application/x-ndjson");
  net.last.welcome();
  await settle();
  assert.equal(client.transport, "long-poll");
  assert.deepEqual(transports, ["long-poll"]);
  assert.ok(net.requests[0].isAborted);
});

test("events that fall silent twice are taken for held back too", async () => {
  const { states, transports } = await subscribed(["sse", "long-poll"]);
  await pass(50_000); // two heartbeats: asked once more
  assert.equal(client.state, "open");
  net.last.welcome().answers("subscribe", { op: "subscribed", position: START, tail: START });
  await settle();
  await pass(50_000);
  net.last.welcome();
  await settle();
  assert.deepEqual(transports, ["sse", "long-poll"]);
  assert.equal(states.at(-1).state, "open");
});

test("heartbeats keep events going", async () => {
  await subscribed(["sse"]);
  const count = net.requests.length;
  for (let beat = 0; beat < 10; beat += 1) {
    await pass(25_000);
    net.last.says({ op: "ping" });
    await settle();
  }
  assert.equal(net.requests.length, count);
  assert.equal(client.state, "open");
});

test("a server that cannot be reached is not asked over each transport", async () => {
  await start(["sse", "long-poll"]);
  net.last.breaks();
  await settle();
  assert.equal(client.state, "waiting");
  assert.equal(net.requests.length, 1);
});

test("a response that ends because it lasted long enough is followed by another one", async () => {
  const { states, got } = await subscribed(["sse"]);
  net.last.says(entry("s", 1, "a"));
  net.last.says({ op: "closing", code: 4005, reason: "the response lasted long enough", reconnect: true });
  net.last.ends();
  await settle();
  assert.equal(net.last.asked("subscribe").position, at(1));
  assert.deepEqual(got, ["a"]);
  assert.deepEqual(states.map(({ state }) => state), ["open"]);
});

test("a server that goes away answers what it has taken, and says when to come back", async () => {
  const { states } = await subscribed(["sse"]);
  const reading = net.last;
  const publish = client.publish("s", 1);
  await settle();
  const posting = net.last;
  reading.says({ op: "closing", code: 1012, reason: "the server restarts", reconnect: true, after_s: [2, 6] });
  reading.ends();
  await settle();
  posting.welcome().answers("publish", published(1));
  posting.ends();
  await publish;
  await pass(50);
  const { state, code, reason, retryInMs } = states.at(-1);
  assert.deepEqual([state, code, reason, retryInMs], ["waiting", 1012, "the server restarts", 4000]);
});

test("a poll that knows all positions may wait, one with something new may not", async () => {
  const { got } = await subscribed(["long-poll"]);
  assert.equal(net.requests.at(-2).headers.Prefer, "wait=0");
  assert.equal(net.last.headers.Prefer, "wait=25");
  assert.equal(net.last.asked("subscribe").position, START);
  await answerPoll((poll) => poll.says(entry("s", 1, "a")));
  assert.equal(net.last.asked("subscribe").position, at(1));
  assert.deepEqual(got, ["a"]);
  await pollWaits();
  const waiting = net.last;
  client.subscribe("other");
  await settle();
  assert.ok(waiting.isAborted);
  assert.equal(net.last.headers.Prefer, "wait=0");
});

test("a poll that is not answered in time is doubted, and the server asked for a sign of life", async () => {
  await subscribed(["long-poll"]);
  for (let time = 0; time < 2; time += 1) {
    const waiting = net.last;
    await pass(35_000);
    assert.ok(waiting.isAborted);
    assert.equal(net.last.headers.Prefer, "wait=0");
    assert.equal(client.state, "open");
    if (time === 0) await answerPoll();
  }
  await pass(2000);
  assert.notEqual(client.state, "open");
});

test("a poll that is answered at once without news is not repeated at once", async () => {
  await subscribed(["long-poll"]);
  const count = net.requests.length;
  await answerPoll();
  await pass(999);
  assert.equal(net.requests.length, count);
  await pass(1);
  assert.equal(net.requests.length, count + 1);
});

test("a client that reads nothing asks for a sign of life now and then", async () => {
  await start(["long-poll"]);
  net.last.welcome().ends();
  await settle();
  await pass(24_999);
  assert.equal(net.requests.length, 1);
  await pass(1);
  assert.equal(net.requests.length, 2);
  await pass(10_000);
  assert.notEqual(client.state, "open");
});

test("wake begins reading anew, and gives up when nothing comes within 2 seconds", async () => {
  await subscribed(["long-poll"]);
  const waiting = net.last;
  client.wake();
  await settle();
  assert.ok(waiting.isAborted);
  assert.equal(net.last.headers.Prefer, "wait=0");
  await pass(2000);
  assert.notEqual(client.state, "open");
});

test("who is there is told once, however often it is asked for", async () => {
  await subscribed(["long-poll"]);
  const changes = [];
  client.watch("room", ({ event, members }) => changes.push([event, members.map(({ user }) => user)]));
  const ann = { user: "ann" };
  const poll = async (members, ...news) => {
    await answerPoll((poll) => {
      poll.answers("members", { op: "members", stream: "room", members });
      for (const message of news) poll.says({ op: "presence", stream: "room", ...message });
    });
    await pass(1000);
  };
  await pollWaits();
  await poll([ann]);
  await poll([ann], { event: "join", user: "bob" });
  await poll([ann, { user: "bob" }]);
  await poll([{ user: "bob" }, { user: "cyd" }]);
  assert.deepEqual(changes, [["reset", ["ann"]], ["join", ["bob"]], ["leave", ["ann"]], ["join", ["cyd"]]]);
});

test("nothing new passes a poll that was not answered, unless answers are collected on the way", async () => {
  await subscribed(["long-poll"]);
  const entered = client.enter("room");
  const waiting = net.last;
  await settle();
  assert.equal(net.last, waiting);
  await pass(1000);
  assert.ok(waiting.isAborted);
  await answerPoll((poll) => poll.answers("enter", { op: "entered", stream: "room" }));
  await entered;
});

test("who leaves is told so in the place of entering, after what entered was answered", async () => {
  await subscribed(["long-poll"]);
  await pollWaits();
  const entered = client.enter("room");
  await settle();
  await answerPoll((poll) => poll.answers("enter", { op: "entered", stream: "room" }));
  await entered;
  const again = net.last;
  assert.equal(again.headers.Prefer, "wait=25");
  const left = client.leave("room");
  await settle();
  assert.equal(net.last, again);
  await pollWaits();
  assert.ok(!again.isAborted);
  again.answers("enter", { op: "entered", stream: "room" });
  await settle();
  assert.ok(again.isAborted);
  assert.equal(net.last.asked("enter"), undefined);
  await answerPoll((poll) => poll.answers("leave", { op: "left", stream: "room" }));
  await left;
  assert.deepEqual([net.last.asked("enter"), net.last.asked("leave")], [undefined, undefined]);
});

test("who enters again before the server was told of the leaving leaves and is in, with what was said last", async () => {
  await subscribed(["long-poll"]);
  await pollWaits();
  const promises = [client.enter("room", 1), client.leave("room"), client.enter("room", 2)];
  await settle();
  assert.deepEqual(net.last.asked("enter").data, 2);
  assert.deepEqual(net.last.operations.slice(-2).map(({ op }) => op), ["leave", "enter"]);
  await answerPoll((poll) => {
    poll.answers("leave", { op: "left", stream: "room" });
    poll.answers("enter", { op: "entered", stream: "room" });
  });
  const outcomes = await Promise.allSettled(promises);
  assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "fulfilled", "fulfilled"]);
});

test("a consumer goes on with what it has not acknowledged", async () => {
  await subscribed(["long-poll"]);
  const worker = client.consume("s", "c", {}, ({ data }) => {
    if (data === "wait") return new Promise(() => undefined);
  });
  await pollWaits();
  const held = () => net.reading.asked("consume").held;
  assert.equal(held(), undefined);
  const state = { op: "consuming", position: START, tail: at(2), unread: 2, pending: 0 };
  await answerPoll((poll) => {
    poll.answers("consume", state);
    for (const [offset, data] of [[1, "done"], [2, "wait"]]) {
      poll.says({ ...entry("s", offset, data), op: "delivery", consumer: "c", attempt: 1 });
    }
  });
  await worker.ready;
  assert.deepEqual(held(), [at(1), at(2)]);
  const ack = net.requests.findLast((request) => request.asked("ack"));
  ack.welcome().answers("ack", { op: "acked" });
  ack.ends();
  await settle();
  await answerPoll((poll) => poll.answers("consume", state));
  await pass(1000);
  assert.deepEqual(held(), [at(2)]);
});

test("when a better transport is there again it takes over, with nothing lost", async () => {
  const Socket = socketClass();
  const heard = await start(["websocket", "sse"], {
    WebSocket: Socket,
    betterAfterMs: 4000,
  });
  Socket.last.breaks();
  await settle();
  net.last.welcome();
  await settle();
  const got = [];
  client.subscribe("s", { start: "earliest" }, ({ data }) => void got.push(data));
  await settle();
  net.last.welcome().answers("subscribe", { op: "subscribed", position: START, tail: START });
  net.last.says(entry("s", 1, "a"));
  await settle();
  const call = client.call("slow");
  const publish = client.publish("s", "b");
  await settle();
  const calling = net.requests.findLast((request) => request.asked("call"));
  await pass(3000);
  assert.equal(Socket.sockets.length, 2);
  const reading = net.reading;
  Socket.last.welcome();
  await settle();
  assert.ok(reading.isAborted);
  assert.deepEqual(heard.transports, ["sse", "websocket"]);
  const sent = Socket.last.take();
  assert.equal(sent.find(({ op }) => op === "subscribe").position, at(1));
  const { id } = sent.find(({ op }) => op === "publish");
  Socket.last.says({ ...published(2), id, duplicate: true });
  assert.equal((await publish).duplicate, true);
  calling.welcome().answers("call", { op: "result", data: 7 });
  calling.ends();
  assert.equal(await call, 7); // the old link still brings what it was asked for
  assert.deepEqual(heard.states.map(({ state }) => state), ["open"]);
});

test("a better transport is tried when it is time, however often links break and machines wake", async () => {
  const Socket = socketClass();
  await start(["websocket", "sse"], { WebSocket: Socket, betterAfterMs: 40_000 });
  Socket.last.breaks();
  await settle();
  for (let second = 0; second < 29; second += 6) {
    net.last.welcome();
    await settle();
    await pass(6000);
    client.wake();
    await settle();
    assert.equal(Socket.sockets.length, second < 24 ? 1 : 2);
    net.last.breaks();
    await settle();
    await pass(0);
  }
});

test("what a consumer was delivered over the transport that is left goes to whoever goes on", async () => {
  const Socket = socketClass();
  await start(["websocket", "sse"], { WebSocket: Socket, betterAfterMs: 4000 });
  Socket.last.breaks();
  await settle();
  net.last.welcome();
  await settle();
  client.consume("s", "c", {}, () => new Promise(() => undefined));
  await settle();
  const state = { op: "consuming", position: START, tail: at(1), unread: 1, pending: 0 };
  net.last.welcome().answers("consume", state);
  net.last.says({ ...entry("s", 1, "a"), op: "delivery", consumer: "c", attempt: 1 });
  await settle();
  await pass(3000);
  Socket.last.welcome();
  await settle();
  const { stream, consumer } = net.last.asked("release");
  assert.deepEqual([stream, consumer], ["s", "c"]);
});

test("a WebSocket that has worked is tried three times before it is doubted", async () => {
  const Socket = socketClass();
  const { states } = await start(["websocket", "sse"], { WebSocket: Socket });
  Socket.last.welcome();
  await settle();
  Socket.last.breaks();
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await pass(states.at(-1).retryInMs ?? 0);
    Socket.last.breaks();
    await settle();
    assert.equal(net.requests.length, 0);
  }
  await pass(states.at(-1).retryInMs);
  Socket.last.breaks();
  await settle();
  assert.equal(net.requests.length, 1);
});

test("without a word of transports, a WebSocket that has worked is doubted as late, another at once", async () => {
  for (const [hasWorked, attempts] of [[true, 3], [false, 1]]) {
    const Socket = socketClass();
    const { states } = await start(undefined, { WebSocket: Socket });
    if (hasWorked) {
      Socket.last.welcome();
      await settle();
      await pass(5000);
      Socket.last.breaks();
      await settle();
    }
    const before = Socket.sockets.length;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      assert.equal(net.requests.length, 0);
      Socket.last.breaks();
      await settle();
      if (client.state === "waiting") await pass(states.at(-1).retryInMs);
    }
    assert.equal(Socket.sockets.length - before, attempts - 1);
    assert.equal(net.requests.length, 1);
    client.close();
    net.requests.length = 0;
  }
});

test("where there is no WebSocket plain HTTP is used without being asked for", async () => {
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  try {
    await start(undefined);
    net.last.welcome();
    await settle();
    assert.equal(client.transport, "sse");
  } finally {
    if (WebSocket) globalThis.WebSocket = WebSocket;
  }
});
