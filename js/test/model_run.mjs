// One run of the client against a model of the server (docs/protocol.md sections 4 to 6) that breaks
// connections, refuses, forgets and restarts at random; and what must be true of every run.
import assert from "node:assert/strict";
import { mock } from "node:test";
import { connect } from "../lib/longwire.js";
import { ModelServer, seeded } from "./model_server.mjs";

/**
 * What was published and what became of it, what was handled, and the server. A carrier has the
 * `options` of a client that is carried by it, `carry(isLossy)` to let the open connection carry some
 * messages both ways, some of them lost at its end, `interrupt()` to end what a restart ends, without a
 * loss where that is possible, and `settle()`.
 */
export async function run(seed, makeCarrier) {
  const random = seeded(seed);
  const server = new ModelServer(random);
  const { options, carry, interrupt, settle } = makeCarrier(server, random);
  const client = connect("ws://server/ws", { ...options, random });
  const outcomes = new Map();
  const handled = [];
  const mismatches = [];
  client.on("error", (error) => error.code === "interval_mismatch" && mismatches.push(error));
  client.on("gap", () => handled.push("gap"));
  client.subscribe("s", { start: "earliest" }, ({ data }) => void handled.push(data));
  let count = 0;
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
    } else if (chance >= 0.98) {
      await interrupt();
      server.restart();
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
  for (let round = 0; round < 3; round += 1) await carry(false);
  client.close();
  await settle();
  return { seed, count, outcomes, handled, mismatches, server };
}

/** Check one run; counts outcomes in `seen`. */
export function check({ seed, count, outcomes, handled, mismatches, server }, seen) {
  assert.deepEqual(mismatches, [], `seed ${seed}`);
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

/** Run with many seeds. It means something only when every kind of outcome was seen. */
export async function checkAll(seeds, makeCarrier) {
  const seen = { stored: 0, not_stored: 0, unknown: 0 };
  for (let seed = 1; seed <= seeds; seed += 1) check(await run(seed, makeCarrier), seen);
  for (const [outcome, times] of Object.entries(seen)) assert.ok(times > seeds / 20, `${outcome} ${times}`);
}
