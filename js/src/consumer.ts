import { LongwireError, errorOf } from "./errors.js";
import type { ServerMessage } from "./link.js";
import { type Message, messageOf } from "./message.js";
import type { Position } from "./position.js";
import type { End, Gap, SubscribeOptions } from "./subscription.js";

/** One entry, delivered to a consumer's worker. */
export interface Delivery<Data = unknown> extends Message<Data> {
  readonly consumer: string;
  /** 1 the first time, then 2, 3 … */
  readonly attempt: number;
}

export interface ConsumeOptions {
  /** Where a consumer that does not exist yet begins. Default "earliest". */
  start?: SubscribeOptions["start"];
  /** Most deliveries without an acknowledgement. Default 100. */
  window?: number;
  /** After so long without an acknowledgement an entry is delivered again. Default 30,000. */
  ackWaitMs?: number;
  /** After so long one whose handler failed is delivered again. Default 1,000. */
  retryAfterMs?: number;
}

/** Where a consumer stands. */
export interface ConsumerState {
  readonly exists: boolean;
  /** Everything up to here has been acknowledged. */
  readonly position: Position;
  readonly tail: Position;
  /** Entries after `position` that are not acknowledged. */
  readonly unread: number;
  /** Those of them that are delivered and not acknowledged yet. */
  readonly pending: number;
}

export type DeliveryHandler<Data = unknown> = (delivery: Delivery<Data>) => void | Promise<void>;

/** What a worker needs of its client. @internal */
export interface ConsumerHost {
  readonly isUsable: boolean;
  ask(op: string, members: object): Promise<ServerMessage>;
  gap(event: Gap): void;
  finished(event: End): void;
  failed(error: LongwireError): void;
  retryDelayMs(error: LongwireError, failures: number): number;
  ended(consumer: Consumer<never>): void;
}

/**
 * Works for a consumer, a position that the server keeps. A delivery is acknowledged when its
 * handler has returned, and comes again when the handler failed or the connection was lost.
 */
export class Consumer<Data = unknown> {
  readonly stream: string;
  readonly name: string;
  /** Settled with the server's first answer. */
  readonly ready: Promise<ConsumerState>;
  readonly #host: ConsumerHost;
  readonly #options: ConsumeOptions;
  readonly #handler: DeliveryHandler<Data>;
  readonly #queue: (Delivery<Data> | (() => void))[] = [];
  #isDelivering = false;
  #isEnded = false;
  /** Counts connections: what was delivered on an earlier one is not acknowledged on this. */
  #life = 0;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #settle!: (state: ConsumerState | LongwireError) => void;

  /** @internal */
  constructor(
    host: ConsumerHost,
    stream: string,
    name: string,
    options: ConsumeOptions,
    handler: DeliveryHandler<Data>,
  ) {
    this.#host = host;
    this.stream = stream;
    this.name = name;
    this.#options = options;
    this.#handler = handler;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (state) => (state instanceof LongwireError ? reject(state) : resolve(state));
    });
    this.ready.catch(() => undefined); // also reported as an error event
  }

  /** Stop. What is not acknowledged goes to others at once. */
  release(): void {
    if (this.#isEnded) return;
    if (this.#host.isUsable) this.#tell("release", {});
    this.end(new LongwireError("closed", "released before the answer"));
  }

  /** @internal */
  connected(): void {
    const life = this.#life;
    const { start, window, ackWaitMs } = this.#options;
    const ack_wait_s = ackWaitMs === undefined ? undefined : ackWaitMs / 1000;
    this.#host.ask("consume", { ...this.#names, start, window, ack_wait_s }).then(
      (answer) => {
        this.#failures = 0;
        this.#settle(consumerStateOf(answer));
      },
      (error: LongwireError) => {
        if (life === this.#life) this.#refused(error);
      },
    );
  }

  /** The connection is gone: what was delivered on it comes again. @internal */
  disconnected(): void {
    clearTimeout(this.#retry);
    this.#life += 1;
    this.#queue.length = 0;
  }

  /** @internal */
  received(message: ServerMessage): void {
    if (this.#isEnded) return;
    const { stream } = this;
    if (message.op === "delivery") {
      const attempt = Number(message.attempt);
      this.#queue.push({ ...messageOf<Data>(stream, message), consumer: this.name, attempt });
    } else if (message.op === "gap") {
      const { reason, after, upto, lost } = message;
      const places = { held: String(after), position: String(upto) };
      if (lost === false) return;
      this.#queue.push(() => this.#host.gap({ stream, reason: String(reason), ...places }));
    } else if (message.op === "closed") {
      this.#queue.push(() => {
        this.#host.finished({ stream, position: String(message.position) });
        this.end(new LongwireError("closed", "the stream is closed"));
      });
    } else if (message.op === "ended") {
      this.disconnected();
      this.#refused(errorOf(message));
    }
    void this.#deliver();
  }

  /** @internal */
  end(error: LongwireError): void {
    if (this.#isEnded) return;
    this.disconnected();
    this.#isEnded = true;
    this.#settle(error);
    this.#host.ended(this as unknown as Consumer<never>);
  }

  get #names(): object {
    return { stream: this.stream, consumer: this.name };
  }

  #tell(op: string, members: object): void {
    // What is lost with the connection is delivered again.
    this.#host.ask(op, { ...this.#names, ...members }).catch(() => undefined);
  }

  #refused(error: LongwireError): void {
    const named = error.about(this.#names as Record<string, unknown>);
    this.#host.failed(named);
    if (!error.retry) return this.end(named);
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#retry = setTimeout(() => this.connected(), delayMs);
  }

  async #deliver(): Promise<void> {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let item = this.#queue.shift(); item; item = this.#queue.shift()) {
      if (typeof item === "function") item();
      else await this.#handle(item);
    }
    this.#isDelivering = false;
  }

  async #handle(delivery: Delivery<Data>): Promise<void> {
    const life = this.#life;
    const { position } = delivery;
    let failed = false;
    try {
      await this.#handler(delivery);
    } catch (cause) {
      failed = true;
      const sentence = `the handler of ${this.name} failed at ${this.stream}, ${position}: ${String(cause)}`;
      const details = { ...this.#names, position };
      this.#host.failed(new LongwireError("handler_failed", sentence, { details, cause }));
    }
    if (life !== this.#life || !this.#host.isUsable) return;
    const after_s = (this.#options.retryAfterMs ?? 1000) / 1000;
    if (failed) this.#tell("nack", { positions: [position], after_s });
    else this.#tell("ack", { positions: [position] });
  }
}

/** From `consuming` or `consumer`. */
export function consumerStateOf(answer: ServerMessage): ConsumerState {
  const { exists, position, tail, unread, pending } = answer;
  return {
    exists: exists !== false,
    position: String(position),
    tail: String(tail),
    unread: Number(unread ?? 0),
    pending: Number(pending ?? 0),
  };
}
