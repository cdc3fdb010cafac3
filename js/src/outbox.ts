import { encodeBase64 } from "./base64.js";
import type { ServerMessage } from "./connection.js";
import { LongwireError } from "./errors.js";
import type { Position } from "./position.js";
import { type Ack, type Pending, type ProducerHost, StreamProducer } from "./producer.js";

/** The server keeps the results of as many for each producer and stream. */
const IN_FLIGHT_MAX = 64;

export interface PublishOptions {
  /** For streams that keep the latest message of each key. */
  key?: string;
  /** Store it only if the stream still ends at this position. */
  ifTail?: Position;
  /** Store it only if the server keeps this stream at least so safely. */
  durability?: "memory" | "disk" | "replicated";
}

export interface OutboxLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** The way from the outbox to the server. */
export interface OutboxLink {
  readonly isUsable: boolean;
  /** A limit that the server named, or Infinity. */
  limit(name: string): number;
  request: ProducerHost["request"];
  retryDelayMs: ProducerHost["retryDelayMs"];
}

/** Room for what stands around the payload: the stream's name, escaped, and the numbers. */
const ENVELOPE_BYTES = 1536;

/**
 * What was published and is not acknowledged yet, in memory, bounded in messages and bytes.
 * It is sent again, in order and under the same numbers, after each reconnect.
 */
export class Outbox implements ProducerHost {
  readonly producerId = randomId();
  readonly #link: OutboxLink;
  readonly #limits: OutboxLimits;
  readonly #producers = new Map<string, StreamProducer>();
  readonly #encoder = new TextEncoder();
  readonly #waiting: (() => void)[] = [];
  #messages = 0;
  #bytes = 0;
  #inFlight = 0;
  #closed: LongwireError | undefined;

  constructor(link: OutboxLink, limits: OutboxLimits) {
    this.#link = link;
    this.#limits = limits;
  }

  get size(): number {
    return this.#messages;
  }

  get hasRoom(): boolean {
    return this.#link.isUsable && this.#inFlight < this.#link.limit("in_flight");
  }

  get inFlightMax(): number {
    return Math.min(IN_FLIGHT_MAX, this.#link.limit("producer_in_flight"));
  }

  async publish(stream: string, data: unknown, options: PublishOptions): Promise<Ack> {
    return this.#add(stream, encodePayload(data) + encodeOptions(options));
  }

  async publishBatch(
    stream: string,
    batch: readonly unknown[],
    { key, ...options }: PublishOptions,
  ): Promise<Ack> {
    const each = encodeOptions(key === undefined ? {} : { key });
    const entries = batch.map((data) => `{${encodePayload(data)}${each}}`);
    return this.#add(stream, `"batch":[${entries}]${encodeOptions(options)}`);
  }

  async #add(stream: string, payload: string): Promise<Ack> {
    if (this.#closed) throw this.#closed.withOutcome("not_stored");
    const bytes = this.#encoder.encode(payload).length;
    const tooLarge = this.whyTooLarge(stream, bytes);
    if (tooLarge) throw tooLarge;
    this.#checkRoom(bytes);
    this.#messages += 1;
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      this.#producer(stream).add({
        payload,
        bytes,
        resolve,
        reject,
        isInFlight: false,
        isUncertain: false,
      });
    });
  }

  /** Wait until nothing is left, whatever became of it. */
  async flush(): Promise<void> {
    if (this.#messages > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  connected(): void {
    for (const producer of this.#producers.values()) producer.send();
  }

  disconnected(): void {
    this.#inFlight = 0;
    for (const producer of this.#producers.values()) producer.disconnected();
  }

  close(error: LongwireError): void {
    this.#closed = error;
    for (const producer of this.#producers.values()) producer.close(error);
  }

  request(
    op: string,
    members: object,
    answered: (message: ServerMessage) => void,
    refused: (error: LongwireError) => void,
    raw: string,
  ): void {
    this.#inFlight += 1;
    this.#link.request(op, members, answered, refused, raw);
  }

  answered(): void {
    const wasFull = !this.hasRoom;
    this.#inFlight -= 1;
    if (wasFull) queueMicrotask(() => this.connected());
  }

  retryDelayMs(error: LongwireError, failures: number): number {
    return this.#link.retryDelayMs(error, failures);
  }

  whyTooLarge(stream: string, bytes: number): LongwireError | undefined {
    const limit = this.#link.limit("message_bytes") - ENVELOPE_BYTES;
    if (bytes <= limit) return undefined;
    return new LongwireError(
      "entry_too_large",
      `a message to ${stream} has ${bytes} bytes as JSON; the server takes at most ${limit}`,
      { outcome: "not_stored", details: { bytes, limit } },
    );
  }

  settled(pending: Pending): void {
    this.#messages -= 1;
    this.#bytes -= pending.bytes;
    if (this.#messages === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #producer(stream: string): StreamProducer {
    let producer = this.#producers.get(stream);
    if (!producer) this.#producers.set(stream, (producer = new StreamProducer(this, stream)));
    return producer;
  }

  #checkRoom(bytes: number): void {
    const { messagesMax, bytesMax } = this.#limits;
    if (this.#messages < messagesMax && this.#bytes + bytes <= bytesMax) return;
    throw new LongwireError(
      "outbox_full",
      `${this.#messages} messages (${this.#bytes} bytes) wait to be acknowledged, and at most ` +
        `${messagesMax} messages (${bytesMax} bytes) may`,
      { retry: true, outcome: "not_stored", details: { messagesMax, bytesMax } },
    );
  }
}

/** The payload as members of a JSON object, encoded once, so that later changes do not show. */
function encodePayload(data: unknown): string {
  if (data instanceof ArrayBuffer) return `"base64":"${encodeBase64(new Uint8Array(data))}"`;
  if (ArrayBuffer.isView(data)) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return `"base64":"${encodeBase64(bytes)}"`;
  }
  let json: string | undefined;
  let cause: unknown;
  try {
    json = JSON.stringify(data);
  } catch (error) {
    cause = error;
  }
  if (json !== undefined) return `"data":${json}`;
  throw new LongwireError(
    "bad_data",
    `a value of type ${typeof data} cannot be published: it must be JSON (null, boolean, number, ` +
      "string, array, object) or bytes (Uint8Array, ArrayBuffer)",
    { outcome: "not_stored", cause },
  );
}

/** Further members of a publish, behind its payload. */
function encodeOptions({ key, ifTail, durability }: PublishOptions): string {
  const members = JSON.stringify({ key, if_tail: ifTail, durability }).slice(1, -1);
  return members && `,${members}`;
}

/** 128 random bits as 32 hex digits. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
