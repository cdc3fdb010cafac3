// An outbox that outlives its pages, against the model of the server: pages end at any moment, and
// what their store had not yet written is gone. What was kept is stored once, in order, or its
// outcome is told.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { LongwireError, connect } from "../lib/longwire.js";
import { settle, socketClass } from "./fake_socket.mjs";
import { ModelServer, seeded } from "./model_server.mjs";

/** What outlives the pages. */
class Disk {
  rows = new Map();
  /** What ever was in a row. */
  kept = new Set();
  rowNumbers = new Map();
  numbers = new Map();
  #nextRow = 1;

  add(message) {
    const row = this.#nextRow++;
    this.rows.set(row, message);
    this.kept.add(JSON.parse(`{${message.payload}}`).data);
    return row;
  }
}

/** A store that writes when the test says so, in the order in which it was asked to. */
class SlowStore {
  #disk;
  #host;
  #writes = [];
  #known = new Map();
  #waiting = new Map();

  constructor(disk) {
    this.#disk = disk;
  }

  get size() {
    return this.#known.size + this.#writes.length;
  }

  open(host) {
    this.#host = host;
    const { rows, rowNumbers, numbers } = this.#disk;
    host.owned("p", [...numbers.values()]);
    const left = [...rows].map(([row, message]) => {
      const isNumbered = rowNumbers.has(row);
      const marks = { isInFlight: false, isReady: isNumbered, isUncertain: isNumbered };
      return this.#take(row, { ...message, numberedMs: 0, ...rowNumbers.get(row), ...marks });
    });
    host.added(left);
  }

  #take(row, pending) {
    this.#known.set(pending, row);
    return pending;
  }

  add(stream, payload, bytes) {
    return new Promise((resolve, reject) => {
      this.#writes.push(() => {
        const message = { stream, payload, bytes };
        const row = this.#disk.add(message);
        this.#waiting.set(row, { resolve, reject });
        const marks = { numberedMs: 0, isInFlight: false, isReady: false, isUncertain: false };
        this.#host.added([this.#take(row, { ...message, ...marks })]);
      });
    });
  }

  number(messages, numbers, done) {
    const changed = messages.map((message) => [this.#known.get(message), message.sequence, message.numberedMs]);
    this.#writes.push(() => {
      for (const [row, sequence, numberedMs] of changed) {
        if (sequence === undefined) this.#disk.rowNumbers.delete(row);
        else this.#disk.rowNumbers.set(row, { sequence, numberedMs });
      }
      this.#disk.numbers.set(numbers.stream, numbers);
      done();
    });
  }

  settle(message, numbers, outcome) {
    const row = this.#known.get(message);
    this.#known.delete(message);
    const waiter = this.#waiting.get(row);
    const isError = outcome instanceof LongwireError;
    if (!isError) waiter?.resolve(outcome);
    this.#writes.push(() => {
      this.#disk.rows.delete(row);
      this.#disk.rowNumbers.delete(row);
      this.#disk.numbers.set(numbers.stream, numbers);
      // Not before: this page may end, and the next one send it again.
      if (isError && waiter) waiter.reject(outcome);
      else if (isError) this.#host.failed(about(message, outcome));
    });
    this.#host.resized();
  }

  close() {}

  // --- the test's side ---

  /** Write the oldest `count` of what is to be written, and what that leads to if there are more. */
  write(count) {
    for (let left = count; left > 0 && this.#writes.length > 0; left -= 1) this.#writes.shift()();
  }

  /** The page has ended. */
  end() {
    this.#writes = { push: () => undefined, length: 0 };
  }
}

function about({ payload }, error) {
  return error.about(JSON.parse(`{${payload}}`)).withOutcome(error.outcome);
}

/** One run: what was kept, what became of it, and the server. */
async function run(seed) {
  const random = seeded(seed);
  const server = new ModelServer(random);
  const disk = new Disk();
  const outcomes = new Map();
  const tell = (data, outcome) => {
    outcomes.set(data, outcome);
    // An earlier life of the stream may have had it; it is lost with that.
    const isThere = server.log.includes(data);
    assert.ok(!isThere || outcome !== "not_stored", `seed ${seed}: ${data} is there`);
  };
  let pages = 0;
  let count = 0;
  let Socket, store, client;

  function load() {
    pages += 1;
    Socket = socketClass();
    store = new SlowStore(disk);
    client = connect("ws://server/ws", { WebSocket: Socket, transports: ["websocket"], random, outbox: store });
    client.on("error", ({ outcome, details }) => {
      if (outcome) tell(details.data, outcome);
    });
  }

  async function carry(isLossy) {
    const socket = Socket.last;
    if (!socket || socket.isDead) return;
    if (socket.closedWith) isLossy = true;
    if (socket.closedWith && !socket.protocol) return;
    if (!socket.protocol) socket.welcome({ limits: { producer_in_flight: 5 } });
    const messages = socket.take();
    const read = isLossy ? Math.floor(random() * (messages.length + 1)) : messages.length;
    const answers = messages.slice(0, read).map((message) => server.handle(message));
    const written = isLossy ? Math.floor(random() * (answers.length + 1)) : answers.length;
    answers.slice(0, written).forEach((answer) => socket.says(answer));
    if (isLossy) {
      socket.isDead = true;
      socket.breaks(1006);
    }
    await settle();
  }

  async function publish() {
    const data = count++;
    client.publish("s", data).then(
      () => tell(data, "stored"),
      ({ code, outcome }) => code !== "closed" && tell(data, outcome),
    );
    await settle();
  }

  load();
  await settle();
  for (let step = 0; step < 150; step += 1) {
    const chance = random();
    if (chance < 0.4) {
      await publish();
    } else if (chance < 0.6) {
      store.write(1 + Math.floor(random() * 4));
    } else if (chance < 0.8) {
      await carry(false);
    } else if (chance < 0.88) {
      await carry(true);
    } else if (chance < 0.96) {
      // What is on the network may still arrive; nobody hears the answers.
      await carry(true);
      store.end();
      client.close();
      load();
    } else if (chance < 0.98) {
      await carry(true);
      server.restart();
    } else if (disk.rows.size === 0) {
      server.forget();
    }
    mock.timers.tick(Math.floor(random() * 3000));
    await settle();
  }
  for (let round = 0; (client.pending > 0 || disk.rows.size > 0) && round < 500; round += 1) {
    store.write(100);
    await carry(false);
    mock.timers.tick(1000);
    await settle();
  }
  assert.equal(client.pending + disk.rows.size, 0, `seed ${seed}: something waits for ever`);
  client.close();
  await settle();
  return { count, disk, outcomes, pages, server };
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => mock.timers.reset());

test("over the ends of pages each kept message is stored once and in order, or its outcome is told", async () => {
  const seen = { stored: 0, not_stored: 0, unknown: 0, untold: 0 };
  for (let seed = 200; seed < 400; seed += 1) {
    const { count, disk, outcomes, pages, server } = await run(seed);
    assert.ok(pages > 1);
    const lives = [...server.past, server.log];
    for (const log of lives) {
      const sorted = [...log].sort((one, other) => one - other);
      assert.deepEqual(log, [...new Set(sorted)], `seed ${seed}: doubled or out of order`);
    }
    const all = new Set(lives.flat());
    for (let data = 0; data < count; data += 1) {
      const outcome = outcomes.get(data) ?? "untold";
      seen[outcome] += 1;
      const isSafe = outcome === "stored" || (outcome === "untold" && disk.kept.has(data));
      if (isSafe) assert.ok(all.has(data), `seed ${seed}: ${data} is missing`);
      const isThere = server.log.includes(data);
      assert.ok(!isThere || outcome !== "not_stored", `seed ${seed}: ${data} is there`);
    }
  }
  for (const [outcome, times] of Object.entries(seen)) assert.ok(times > 20, `${outcome} ${times}`);
});
