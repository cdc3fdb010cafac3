import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
import { type Message, messageOf } from "./message.js";
import { type Position, checkPosition, offsetOf } from "./position.js";

/** Where to begin: after a position, at the end, at the beginning, or with the last N messages. */
export interface SubscribeOptions {
  /** Go on after this position, which a message or a subscription had. Beats `start`. */
  position?: Position | undefined;
  /** Without a position: "tail" (the default) means what comes from now on. */
  start?: "tail" | "earliest" | { last: number };
}

/** Called for each message, one after the other: the next waits for the promise. */
export type Handler<Data = unknown> = (message: Message<Data>) => void | Promise<void>;

/** A reconnected subscription goes on where it was; nothing is missing. */
export interface Recovered {
  readonly stream: string;
  readonly position: Position;
  /** How many messages were missed and follow now. */
  readonly missed: number;
}

/** Messages that will never come, as exactly as the server knows. */
export interface Gap {
  readonly stream: string;
  /** "trimmed", "epoch", "diverged", "ahead" …: docs/protocol.md explains them. */
  readonly reason: string;
  /** Up to where this subscription had read. */
  readonly held: Position;
  /** From where it goes on. */
  readonly position: Position;
}

/** The stream was closed and has been read to its end: no message will follow. */
export interface End {
  readonly stream: string;
  readonly position: Position;
}

/** What a subscription needs of its client. @internal */
export interface SubscriptionHost {
  readonly isUsable: boolean;
  readonly queueMessagesMax: number;
  request(
    op: string,
    members: object,
    answered: (message: ServerMessage) => void,
    refused: (error: LongwireError) => void,
  ): void;
  recovered(event: Recovered): void;
  gap(event: Gap): void;
  finished(event: End): void;
  failed(error: LongwireError): void;
  retryDelayMs(error: LongwireError, failures: number): number;
  ended(subscription: Subscription<never>): void;
  /** Ask for this stream, perhaps together with others. */
  subscribe(
    members: object,
    answered: (message: ServerMessage) => void,
    refused: (error: LongwireError) => void,
  ): void;
}

type Queued<Data> =
  | { readonly kind: "message"; readonly message: Message<Data> }
  | { readonly kind: "recovered"; readonly event: Recovered }
  | { readonly kind: "gap"; readonly event: Gap; readonly isLost: boolean }
  | { readonly kind: "end"; readonly event: End };

/**
 * What the server was told: nothing yet on this connection (idle), a subscribe without its answer
 * (asking), subscribed (live), or an unsubscribe without its answer (leaving). Paused is idle by
 * own will, until the queue has drained; finished is at the end of a closed stream.
 */
type WireState = "idle" | "asking" | "live" | "leaving" | "paused" | "finished" | "ended";

/** Interval mismatches without a message in between that are tried to be mended. */
const MISMATCHES_MAX = 3;

/**
 * A reader of one stream. Give a handler, or iterate over it:
 * `for await (const message of subscription) …`
 *
 * Its `position` advances after a message was dealt with: after the handler returned (or its
 * promise settled), or when the loop asks for the next one.
 */
export class Subscription<Data = unknown> implements AsyncIterable<Message<Data>> {
  /** Its name; of an inbox, empty until the server has told it. */
  stream: string;
  /** Settled with the first answer of the server: subscribed, or refused. */
  readonly ready: Promise<void>;
  readonly #host: SubscriptionHost;
  readonly #handler: Handler<Data> | undefined;
  readonly #start: NonNullable<SubscribeOptions["start"]>;
  readonly #queue: Queued<Data>[] = [];
  #state: WireState = "idle";
  #handled: Position | undefined;
  #received: Position | undefined;
  #wasInterrupted = false;
  #mismatches = 0;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isDelivering = false;
  #wake: (() => void) | undefined;
  #error: LongwireError | undefined;
  #settleReady!: (error?: LongwireError) => void;

  /** @internal */
  constructor(
    host: SubscriptionHost,
    stream: string,
    options: SubscribeOptions,
    handler: Handler<Data> | undefined,
  ) {
    this.#host = host;
    this.stream = stream;
    this.#handler = handler;
    this.#start = options.start ?? "tail";
    if (options.position !== undefined) {
      this.#handled = this.#received = checkPosition(options.position);
      this.#wasInterrupted = true;
    }
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = (error) => (error ? reject(error) : resolve());
    });
    this.ready.catch(() => undefined); // also reported as an error event
  }

  /** How far this subscription has dealt with the stream; undefined before the first answer. */
  get position(): Position | undefined {
    return this.#handled;
  }

  /** Stop. Messages that were received and not handled yet are dropped; `position` says which. */
  unsubscribe(): void {
    if (this.#state === "asking" || this.#state === "live") this.#tellUnsubscribe(() => undefined);
    this.end();
  }

  // --- for the client ---------------------------------------------------------------------

  /** There is a connection: ask for what comes after what was received. @internal */
  connected(): void {
    if (this.#state === "idle") this.#ask();
    else this.#resume();
  }

  /** The connection is gone. @internal */
  disconnected(): void {
    if (this.#state === "ended" || this.#state === "finished") return;
    this.#state = this.#state === "leaving" || this.#state === "paused" ? "paused" : "idle";
    this.#wasInterrupted = this.#received !== undefined;
  }

  /** No message will follow; with an error, it is why. @internal */
  end(error?: LongwireError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#error = error;
    clearTimeout(this.#retry);
    this.#queue.length = 0;
    this.#settleReady(error ?? new LongwireError("closed", "unsubscribed before the answer"));
    this.#host.ended(this as unknown as Subscription<never>);
    this.#wake?.();
  }

  /** An entry of the stream, covering the interval (after, position]. @internal */
  entry(message: ServerMessage): void {
    const position = String(message.position);
    if (!this.#follows(String(message.after), position)) return;
    this.#received = position;
    this.#enqueue({ kind: "message", message: messageOf<Data>(this.stream, message) });
  }

  /** The server's word that (after, upto] will not come. @internal */
  gap(message: ServerMessage): void {
    const after = String(message.after);
    const upto = String(message.upto);
    if (!this.#follows(after, upto)) return;
    this.#enqueueGap(String(message.reason), after, upto, message.lost !== false);
  }

  /** The position to ask for when the server subscribes by itself, as to an inbox. @internal */
  get held(): Position | undefined {
    return this.#received;
  }

  /** The server has subscribed by itself. @internal */
  adopt(answer: ServerMessage): void {
    if (this.#state === "paused") return this.#leave();
    this.#state = "asking";
    this.#subscribed(this.#received, answer);
  }

  /** The server has ended it. @internal */
  refused(error: LongwireError): void {
    if (this.#state !== "live") return;
    this.#state = "asking";
    this.#refused(error);
  }

  /** The server's word that the stream is closed and this was all of it. @internal */
  closed(message: ServerMessage): void {
    if (this.#state !== "live") return;
    this.#state = "finished";
    const event = { stream: this.stream, position: String(message.position) };
    this.#enqueue({ kind: "end", event });
  }

  // --- the server's side ------------------------------------------------------------------

  #ask(): void {
    clearTimeout(this.#retry);
    if (!this.#host.isUsable) return;
    this.#state = "asking";
    const held = this.#received;
    const from = held === undefined ? { start: this.#start } : { position: held };
    this.#host.subscribe(
      { stream: this.stream, ...from },
      (answer) => this.#subscribed(held, answer),
      (error) => this.#refused(error),
    );
  }

  #subscribed(held: Position | undefined, answer: ServerMessage): void {
    if (this.#state !== "asking") return;
    this.#state = "live";
    this.#failures = 0;
    const position = String(answer.position);
    this.#received = position;
    if (held === undefined) {
      this.#handled = position;
    } else if (answer.recovered === false) {
      this.#enqueueGap(String(answer.reason), held, position, true);
    } else if (this.#wasInterrupted) {
      const missed = Math.max(0, offsetOf(String(answer.tail)) - offsetOf(held));
      const event = { stream: this.stream, position: held, missed };
      this.#enqueue({ kind: "recovered", event });
    }
    this.#wasInterrupted = false;
    this.#settleReady();
  }

  #refused(error: LongwireError): void {
    if (this.#state !== "asking") return;
    this.#state = "idle";
    const named = error.about({ stream: this.stream });
    this.#host.failed(named);
    if (!error.retry) return this.end(named);
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#retry = setTimeout(() => this.connected(), delayMs);
  }

  #tellUnsubscribe(done: () => void): void {
    if (this.#host.isUsable) {
      this.#host.request("unsubscribe", { stream: this.stream }, done, done);
    }
  }

  /** Leave the stream, and come back when the answer is there and the queue has room. */
  #leave(): void {
    this.#state = "leaving";
    this.#tellUnsubscribe(() => {
      if (this.#state !== "leaving") return;
      this.#state = "paused";
      this.#resume();
    });
  }

  #resume(): void {
    if (this.#state !== "paused") return;
    if (this.#queue.length > this.#host.queueMessagesMax / 2) return;
    this.#state = "idle";
    this.#ask();
  }

  /** Whether an interval goes on from what was received. What does not is never passed on. */
  #follows(after: Position, upto: Position): boolean {
    if (this.#state !== "live" || this.#received === undefined) return false;
    if (after === this.#received) {
      this.#mismatches = 0;
      return true;
    }
    if (upto === this.#received) return false; // the same once more
    this.#mismatches += 1;
    this.#host.failed(
      new LongwireError(
        "interval_mismatch",
        `${this.stream}: what follows ${after} came, but ${this.#received} is held`,
        { retry: true, details: { stream: this.stream, held: this.#received, after } },
      ),
    );
    if (this.#mismatches > MISMATCHES_MAX) {
      this.end(new LongwireError("interval_mismatch", `${this.stream}: the deliveries never fit`));
    } else {
      this.#leave();
    }
    return false;
  }

  // --- the application's side -------------------------------------------------------------

  #enqueueGap(reason: string, held: Position, position: Position, isLost: boolean): void {
    this.#received = position;
    this.#enqueue({ kind: "gap", event: { stream: this.stream, reason, held, position }, isLost });
  }

  #enqueue(item: Queued<Data>): void {
    this.#queue.push(item);
    if (this.#state === "live" && this.#queue.length >= this.#host.queueMessagesMax) {
      // The handler cannot keep up. The stream keeps what this tab must not pile up.
      this.#leave();
    }
    if (this.#handler) void this.#deliver(this.#handler);
    else this.#wake?.();
  }

  async #deliver(handler: Handler<Data>): Promise<void> {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let message = this.#take(); message; message = this.#take()) {
      try {
        const promise = handler(message);
        if (promise) await promise;
      } catch (cause) {
        const { position } = message;
        this.#host.failed(
          new LongwireError(
            "handler_failed",
            `the handler of ${this.stream} failed at ${position}: ${String(cause)}`,
            { details: { stream: this.stream, position }, cause },
          ),
        );
      }
      this.#finish(message);
    }
    this.#isDelivering = false;
  }

  /** The next message; what was queued between is announced on the way. */
  #take(): Message<Data> | undefined {
    for (let item = this.#queue.shift(); item; item = this.#queue.shift()) {
      this.#resume();
      if (item.kind === "message") return item.message;
      this.#announce(item);
    }
    return undefined;
  }

  #announce(item: Exclude<Queued<Data>, { kind: "message" }>): void {
    switch (item.kind) {
      case "gap":
        this.#handled = item.event.position;
        if (item.isLost) this.#host.gap(item.event);
        break;
      case "recovered":
        this.#host.recovered(item.event);
        break;
      case "end":
        this.#host.finished(item.event);
        this.end();
        break;
    }
  }

  #finish(message: Message<Data>): void {
    // Unsubscribed or not: this message has been dealt with.
    this.#handled = message.position;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message<Data>, void, void> {
    if (this.#handler) {
      throw new LongwireError(
        "bad_use",
        `the subscription to ${this.stream} has a handler; iterate over one without`,
      );
    }
    try {
      for (;;) {
        const message = this.#take();
        if (message) {
          yield message;
          this.#finish(message);
        } else if (this.#state === "ended") {
          break;
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      }
      if (this.#error) throw this.#error;
    } finally {
      this.unsubscribe();
    }
  }
}
