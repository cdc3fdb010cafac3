// The client against a model of the server (docs/protocol.md sections 4 to 6) that breaks
// connections, refuses, forgets and restarts at random. Whatever happens, the outcomes that the
// client reports are true and the streams hold each message at most once, in order.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import { settle, socketClass } from "./fake_socket.mjs";
import { ModelServer, seeded } from "./model_server.mjs";

/** One run; returns what was published and what became of it, what was handled, and the server. */
async function run(seed) {
  const random = seeded(seed);
  const server = new ModelServer(random);
  const Socket = socketClass();
  const client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random });
  const outcomes = new Map();
  const handled = [];
  client.on("error", () => undefined);
  client.on("gap", () => handled.push("gap"));
  client.subscribe("s", { start: "earliest" }, ({ data }) => void handled.push(data));
  let count = 0;

  /** Let the open connection carry some messages both ways, some of them lost at its end. */
  async function carry(isLossy) {
    const socket = Socket.last;
    if (!socket || socket.isDead) return;
    // Given up by the client: what it sent may still arrive, but no answer does.
    if (socket.closedWith) isLossy = true;
    if (socket.closedWith && !socket.protocol) return;
    if (!socket.protocol) socket.welcome({ limits: { producer_in_flight: 5 } });
    const messages = socket.take();
    const read = isLossy ? Math.floor(random() * (messages.length + 1)) : messages.length;
    const answers = messages.slice(0, read).map((message) => server.handle(message));
    answers.push(...server.deliveries());
    const written = isLossy ? Math.floor(random() * (answers.length + 1)) : answers.length;
    answers.slice(0, written).forEach((answer) => socket.says(answer));
    if (isLossy) {
      socket.isDead = true;
      server.subscriber = undefined;
      socket.breaks(1006);
    }
    await settle();
  }

  for (let step = 0; step < 120; step += 1) {
    const chance = random();
    if (chance < 0.5) {
      const data = count++;
      const settled = (outcome) => outcomes.set(data, outcome);
      client.publish("s", data).then(
        () => settled("stored"),
        (error) => settled(error.outcome),
      );
    } else if (chance < 0.8) {
      await carry(false);
    } else if (chance < 0.9) {
      await carry(true);
    } else if (chance < 0.93) {
      await carry(true);
      server.restart();
    } else if (chance < 0.97 && client.pending === 0) {
      server.forget();
    }
    mock.timers.tick(Math.floor(random() * 3000));
    await settle();
  }
  const isUnsettled = () => client.pending > 0 || client.state !== "open";
  for (let round = 0; isUnsettled() && round < 500; round += 1) {
    await carry(false);
    mock.timers.tick(1000);
    await settle();
  }
  await carry(false);
  client.close();
  await settle();
  return { count, outcomes, handled, server };
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => mock.timers.reset());

test("every outcome is true, each life of the stream holds each message once and in order", async () => {
  const seen = { stored: 0, not_stored: 0, unknown: 0 };
  for (let seed = 1; seed <= 400; seed += 1) {
    const { count, outcomes, handled, server } = await run(seed);
    const lives = [...server.past, server.log];
    assert.equal(outcomes.size, count, `seed ${seed}: a publish without an outcome`);
    for (const log of lives) {
      const sorted = [...log].sort((one, other) => one - other);
      assert.deepEqual(log, [...new Set(sorted)], `seed ${seed}: doubled or out of order`);
    }
    const stored = new Set(lives.flat());
    for (const [data, outcome] of outcomes) {
      seen[outcome] += 1;
      if (outcome === "stored") assert.ok(stored.has(data), `seed ${seed}: ${data} is missing`);
      if (outcome === "not_stored") assert.ok(!stored.has(data), `seed ${seed}: ${data} is there`);
    }
    const lastLife = handled.slice(handled.lastIndexOf("gap") + 1);
    const tail = server.log.slice(server.log.length - lastLife.length);
    assert.deepEqual(lastLife.slice(-tail.length), tail, `seed ${seed}: handled otherwise`);
    if (!server.past.length) assert.deepEqual(handled, server.log, `seed ${seed}`);
  }
  // The run means something only when it saw every kind of outcome.
  for (const [outcome, times] of Object.entries(seen)) assert.ok(times > 20, `${outcome} ${times}`);
});
