import { LongwireError } from "./errors.js";
import type { OutboxLimits, OutboxStore, Pending, StoreHost } from "./outbox_store.js";
import type { Ack } from "./producer.js";

interface Waiter {
  readonly resolve: (ack: Ack) => void;
  readonly reject: (error: LongwireError) => void;
}

/** Keeps published messages as long as the page or process lives. */
export class MemoryStore implements OutboxStore {
  readonly #waiters = new Map<Pending, Waiter>();
  #host!: StoreHost;
  #limits!: OutboxLimits;
  #bytes = 0;

  get size(): number {
    return this.#waiters.size;
  }

  open(host: StoreHost, limits: OutboxLimits): void {
    this.#host = host;
    this.#limits = limits;
    host.owned(randomId(), []);
  }

  async add(stream: string, payload: string, bytes: number): Promise<Ack> {
    this.#checkRoom(bytes);
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      const marks = { numberedMs: 0, isReady: false, isInFlight: false, isUncertain: false };
      const pending = { stream, payload, bytes, ...marks };
      this.#waiters.set(pending, { resolve, reject });
      this.#host.added([pending]);
    });
  }

  number(_messages: unknown, _numbers: unknown, done: () => void): void {
    done();
  }

  settle(pending: Pending, _numbers: unknown, outcome: Ack | LongwireError): void {
    const waiter = this.#waiters.get(pending);
    this.#waiters.delete(pending);
    this.#bytes -= pending.bytes;
    if (outcome instanceof LongwireError) waiter?.reject(outcome);
    else waiter?.resolve(outcome);
    this.#host.resized();
  }

  close(error: LongwireError): void {
    for (const [{ isInFlight, isUncertain }, { reject }] of this.#waiters) {
      reject(error.withOutcome(isInFlight || isUncertain ? "unknown" : "not_stored"));
    }
    this.#waiters.clear();
    this.#host.resized();
  }

  #checkRoom(bytes: number): void {
    const { messagesMax, bytesMax } = this.#limits;
    if (this.size < messagesMax && this.#bytes + bytes <= bytesMax) return;
    throw new LongwireError(
      "outbox_full",
      `${this.size} messages (${this.#bytes} bytes) wait to be acknowledged; at most ` +
        `${messagesMax} (${bytesMax} bytes) may`,
      { retry: true, outcome: "not_stored", details: { messagesMax, bytesMax } },
    );
  }
}

/** 128 random bits as 32 hex digits. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
