// A model of the server (docs/protocol.md sections 4 to 6) that refuses, forgets and restarts.
import { START, at } from "./fake_socket.mjs";

/** Numbers in [0, 1) that one seed determines (mulberry32). */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class ModelServer {
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
