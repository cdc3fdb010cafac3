import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
import { type Message, messageOf } from "./message.js";
import { type Position, checkPosition, offsetOf } from "./position.js";
import type { Handler, SubscribeOptions, SubscriptionHost } from "./subscription.js";

export interface PatternOptions {
  /** For the streams that exist now. Default "tail". */
  start?: SubscribeOptions["start"];
  /** Go on after these: `positions` of an earlier one, by stream. */
  positions?: Readonly<Record<string, Position>>;
}

/** What a pattern needs of its client. @internal */
export type PatternHost = Omit<SubscriptionHost, "ended" | "subscribe"> & {
  ended(pattern: PatternSubscription<never>): void;
};

/** One stream of a pattern. */
interface Track {
  received: Position;
  handled: Position;
  isLive: boolean;
  isFinished: boolean;
  wasInterrupted: boolean;
}

/** Deliveries without a fitting one in between that are tried to be mended. */
const MISMATCHES_MAX = 3;

/**
 * A reader of every stream whose name matches a pattern: each complete and in order, gaps named;
 * between streams the order is that of arrival.
 */
export class PatternSubscription<Data = unknown> {
  readonly pattern: string;
  /** Settled with the server's first answer. */
  readonly ready: Promise<void>;
  readonly #host: PatternHost;
  readonly #handler: Handler<Data>;
  readonly #tracks = new Map<string, Track>();
  readonly #queue: (Message<Data> | (() => void))[] = [];
  #start: PatternOptions["start"];
  #state: "idle" | "asking" | "live" | "leaving" | "paused" | "ended" = "idle";
  /** Streams that the server has still to tell of. */
  #untold = Infinity;
  #mismatches = 0;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isDelivering = false;
  #settle!: (error?: LongwireError) => void;

  /** @internal */
  constructor(host: PatternHost, pattern: string, options: PatternOptions, handler: Handler<Data>) {
    this.#host = host;
    this.pattern = pattern;
    this.#handler = handler;
    this.#start = options.start;
    for (const [stream, position] of Object.entries(options.positions ?? {})) {
      this.#tracks.set(stream, newTrack(checkPosition(position), true));
    }
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    this.ready.catch(() => undefined); // also reported as an error event
  }

  /** How far each stream has been dealt with. */
  get positions(): Record<string, Position> {
    return Object.fromEntries([...this.#tracks].map(([stream, { handled }]) => [stream, handled]));
  }

  /** Stop. What was received and not handled yet is dropped; `positions` say which. */
  unsubscribe(): void {
    if (this.#state === "asking" || this.#state === "live") this.#tellUnsubscribe(() => undefined);
    this.#queue.length = 0;
    this.end(new LongwireError("closed", "unsubscribed before the answer"));
  }

  /** @internal */
  connected(): void {
    if (this.#state === "paused" && this.#hasRoom) this.#state = "idle";
    if (this.#state !== "idle" || !this.#host.isUsable) return;
    clearTimeout(this.#retry);
    this.#state = "asking";
    const positions: Record<string, Position> = {};
    for (const [stream, track] of this.#tracks) {
      if (!track.isFinished) positions[stream] = track.received;
    }
    this.#host.request(
      "subscribe",
      { pattern: this.pattern, start: this.#start, positions },
      (answer) => {
        if (this.#state !== "asking") return;
        this.#state = "live";
        this.#failures = 0;
        this.#untold = Number(answer.streams);
        this.#told(0);
        this.#settle();
      },
      (error) => {
        if (this.#state !== "asking") return;
        this.#state = "idle";
        const named = error.about({ pattern: this.pattern });
        this.#host.failed(named);
        if (error.retry) this.#later(error);
        else this.end(named);
      },
    );
  }

  /** @internal */
  disconnected(): void {
    if (this.#state === "ended") return;
    clearTimeout(this.#retry);
    this.#state = this.#state === "leaving" || this.#state === "paused" ? "paused" : "idle";
    for (const track of this.#tracks.values()) {
      track.isLive = false;
      track.wasInterrupted = true;
    }
  }

  /** @internal */
  end(error: LongwireError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    clearTimeout(this.#retry);
    this.#settle(error);
    this.#host.ended(this as unknown as PatternSubscription<never>);
  }

  /** Whether the server delivers a stream to it. @internal */
  reads(stream: string): boolean {
    return this.#tracks.get(stream)?.isLive ?? false;
  }

  /** A stream belongs to it, and its deliveries go on there. @internal */
  matched(message: ServerMessage): void {
    if (this.#state !== "live") return;
    this.#told(1);
    const stream = String(message.stream);
    const position = String(message.position);
    let track = this.#tracks.get(stream);
    if (!track) this.#tracks.set(stream, (track = newTrack(position, false)));
    const held = track.received;
    if (message.recovered === false) {
      this.#pass(stream, track, position, () =>
        this.#host.gap({ stream, reason: String(message.reason), held, position }),
      );
    } else if (track.wasInterrupted) {
      const missed = Math.max(0, offsetOf(String(message.tail)) - offsetOf(held));
      this.#queue.push(() => this.#host.recovered({ stream, position: held, missed }));
    }
    track.wasInterrupted = false;
    track.isLive = !track.isFinished;
    void this.#deliver();
  }

  /** A delivery of one of the streams. @internal */
  delivered(message: ServerMessage): void {
    const stream = String(message.stream);
    const track = this.#tracks.get(stream);
    if (!track?.isLive || this.#state !== "live") return;
    const upto = String(message.upto ?? message.position);
    if (message.op === "closed") {
      track.isLive = false;
      track.isFinished = true;
      this.#queue.push(() => this.#host.finished({ stream, position: upto }));
    } else if (!this.#follows(stream, track, String(message.after), upto)) {
      return;
    } else if (message.op === "entry") {
      track.received = upto;
      this.#queue.push(messageOf<Data>(stream, message));
      if (this.#queue.length >= this.#host.queueMessagesMax) this.#leave();
    } else {
      const { reason, lost } = message;
      const event = { stream, reason: String(reason), held: track.received, position: upto };
      this.#pass(stream, track, upto, () => lost !== false && this.#host.gap(event));
    }
    void this.#deliver();
  }

  /** The server does not deliver one of the streams any more. @internal */
  refused(stream: string, error: LongwireError): void {
    const track = this.#tracks.get(stream);
    if (track) track.isLive = false;
    if (error.retry) this.#later(error);
    else this.#tracks.delete(stream);
    this.#host.failed(error.about({ stream, pattern: this.pattern }));
  }

  /** There was no room for one of them. @internal */
  untold(): void {
    this.#told(1);
  }

  /** What was there at the beginning is known: what is not was created since. */
  #told(count: number): void {
    this.#untold -= count;
    if (this.#untold <= 0) this.#start = "earliest";
  }

  #pass(stream: string, track: Track, position: Position, announce: () => void): void {
    track.received = position;
    this.#queue.push(() => {
      this.#hold(stream, position);
      announce();
    });
  }

  #follows(stream: string, track: Track, after: Position, upto: Position): boolean {
    const held = track.received;
    if (after === held) {
      this.#mismatches = 0;
      return true;
    }
    if (upto === held) return false; // the same once more
    const sentence = `${stream}: the server delivered what follows ${after}, but ${held} is held`;
    const error = new LongwireError("interval_mismatch", sentence, {
      retry: true,
      details: { stream, held, after },
    });
    this.#host.failed(error);
    this.#mismatches += 1;
    if (this.#mismatches > MISMATCHES_MAX) this.end(error);
    else this.#leave();
    return false;
  }

  #later(error: LongwireError): void {
    clearTimeout(this.#retry);
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#retry = setTimeout(() => {
      if (this.#state === "live") this.#leave();
      else this.connected();
    }, delayMs);
  }

  #tellUnsubscribe(done: () => void): void {
    if (!this.#host.isUsable) return;
    this.#host.request("unsubscribe", { pattern: this.pattern }, done, done);
  }

  /** Leave all of them, and come back when the answer is there and the queue has room. */
  #leave(): void {
    this.#state = "leaving";
    for (const track of this.#tracks.values()) track.isLive = false;
    this.#tellUnsubscribe(() => {
      if (this.#state !== "leaving") return;
      this.#state = "paused";
      this.connected();
    });
  }

  get #hasRoom(): boolean {
    return this.#queue.length <= this.#host.queueMessagesMax / 2;
  }

  #hold(stream: string, position: Position): void {
    const track = this.#tracks.get(stream);
    if (track) track.handled = position;
  }

  async #deliver(): Promise<void> {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let item = this.#queue.shift(); item; item = this.#queue.shift()) {
      if (this.#state === "paused") this.connected();
      if (typeof item === "function") item();
      else await this.#handle(item);
    }
    this.#isDelivering = false;
  }

  async #handle(message: Message<Data>): Promise<void> {
    const { stream, position } = message;
    try {
      await this.#handler(message);
    } catch (cause) {
      const sentence = `the handler of ${this.pattern} failed at ${stream}, ${position}: ${String(cause)}`;
      const details = { stream, position };
      this.#host.failed(new LongwireError("handler_failed", sentence, { details, cause }));
    }
    this.#hold(stream, position);
  }
}

function newTrack(position: Position, wasInterrupted: boolean): Track {
  return { received: position, handled: position, isLive: false, isFinished: false, wasInterrupted };
}
