// The client against a model of the server (docs/protocol.md sections 4 to 6) that breaks
// connections, refuses, forgets and restarts at random. Whatever happens, the outcomes that the
// client reports are true and the streams hold each message at most once, in order.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "../lib/longwire.js";
import { START, at, settle, socketClass } from "./fake_socket.mjs";

/** Numbers in [0, 1) that one seed determines (mulberry32). */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class ModelServer {
  epoch = "aaaaaaaa";
  #lives = 0;
  log = []; // what the stream holds, and what it held in earlier lives
  past = [];
  producers = new Map();
  subscriber; // offset up to which the subscription of the open connection was served

  constructor(random) {
    this.random = random;
  }

  /** Everything in memory is gone. */
  restart() {
    this.#lives += 1;
    this.epoch = String(this.#lives).padStart(8, "a");
    this.past.push(this.log);
    this.log = [];
    this.producers.clear();
    this.subscriber = undefined;
  }

  /** The entries stay, the producers are forgotten, as after days without a publish. */
  forget() {
    this.producers.clear();
  }

  handle(message) {
    const { op, id, stream } = message;
    if (op === "publish") return { id, stream, ...this.publish(message) };
    if (op === "subscribe") return { op: "subscribed", id, stream, ...this.subscribe(message) };
    if (op === "unsubscribe") {
      this.subscriber = undefined;
      return { op: "unsubscribed", id, stream };
    }
    return { op: "pong", id };
  }

  publish({ producer, epoch, sequence, data }) {
    const refuse = (code, retry = false, more = {}) => ({ op: "error", code, message: code, retry, ...more });
    const chance = this.random();
    if (chance < 0.03) return refuse("rate_limited", true, { after_s: 0.1 });
    if (chance < 0.05) return refuse("publish_refused");
    if (chance < 0.07) return refuse("store_unavailable", true);
    const state = this.producers.get(producer);
    if (!state && sequence > 0) return refuse("producer_unknown");
    if (state && epoch < state.epoch) return refuse("producer_fenced", false, { epoch: state.epoch });
    if (state && epoch > state.epoch && sequence > 0) {
      return refuse("producer_epoch_start", false, { expected: 0 });
    }
    const isNew = !state || epoch > state.epoch;
    const next = isNew ? 0 : state.next;
    if (sequence > next) return refuse("sequence_gap", false, { expected: next });
    const duplicate = sequence < next;
    if (!duplicate) {
      this.log.push(data);
      this.producers.set(producer, { epoch, next: sequence + 1 });
    }
    if (chance < 0.1) return refuse("store_unavailable", true); // after it was stored
    const position = at(this.log.length, this.epoch);
    return { op: "published", first: position, last: position, duplicate, durability: "memory" };
  }

  subscribe({ position }) {
    const tail = at(this.log.length, this.epoch);
    const offset = Number((position ?? START).slice(0, 16));
    const isHonoured = offset === 0 || position.slice(17, 25) === this.epoch;
    this.subscriber = isHonoured ? offset : 0;
    if (isHonoured) return { position: at(offset, this.epoch), tail, recovered: true };
    return { position: START, tail, recovered: false, reason: "epoch", held: position };
  }

  *deliveries() {
    while (this.subscriber !== undefined && this.subscriber < this.log.length) {
      const data = this.log[this.subscriber];
      const after = at(this.subscriber, this.epoch);
      this.subscriber += 1;
      const position = at(this.subscriber, this.epoch);
      yield { op: "entry", stream: "s", after, position, time: 1, data };
    }
  }
}

/** One run; returns what was published and what became of it, what was handled, and the server. */
async function run(seed) {
  const random = seeded(seed);
  const server = new ModelServer(random);
  const Socket = socketClass();
  const client = connect("ws://server/ws", { WebSocket: Socket, random });
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
