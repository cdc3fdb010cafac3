import { encodeBase64 } from "./base64.js";
import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
import type { Numbers, OutboxLimits, OutboxStore, Pending, StoreHost } from "./outbox_store.js";
import type { Position } from "./position.js";
import { type Ack, type ProducerHost, StreamProducer } from "./producer.js";

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

/** The way from the outbox to the server. */
export interface OutboxLink {
  readonly isUsable: boolean;
  /** A limit that the server named, or Infinity. */
  limit(name: string): number;
  request: ProducerHost["request"];
  retryDelayMs: ProducerHost["retryDelayMs"];
  failed(error: LongwireError): void;
}

/** Room for what stands around the payload: the stream's name, escaped, and the numbers. */
const ENVELOPE_BYTES = 1536;

/**
 * What was published and is not acknowledged yet. It is sent in order, and again under the same
 * numbers after each reconnect; a store keeps it.
 */
export class Outbox implements ProducerHost, StoreHost {
  readonly store: OutboxStore;
  readonly #link: OutboxLink;
  readonly #producers = new Map<string, StreamProducer>();
  readonly #encoder = new TextEncoder();
  readonly #waiting: (() => void)[] = [];
  #producerId = "";
  #inFlight = 0;
  #closed: LongwireError | undefined;

  constructor(link: OutboxLink, store: OutboxStore, limits: OutboxLimits) {
    this.#link = link;
    this.store = store;
    store.open(this, limits);
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
    return this.store.add(stream, payload, bytes);
  }

  /** Wait until nothing is left, whatever became of it. */
  async flush(): Promise<void> {
    await this.store.opened;
    if (this.store.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  connected(): void {
    for (const producer of this.#producers.values()) producer.resume();
  }

  disconnected(): void {
    this.#inFlight = 0;
    for (const producer of this.#producers.values()) producer.disconnected();
  }

  close(error: LongwireError): void {
    this.#closed = error;
    for (const producer of this.#producers.values()) producer.disconnected();
    this.#producers.clear();
    this.store.close(error);
  }

  // --- for the store ----------------------------------------------------------------------

  owned(producerId: string, numbers: readonly Numbers[]): void {
    this.#producerId = producerId;
    for (const known of numbers) {
      this.#producers.set(known.stream, new StreamProducer(this, known));
    }
  }

  added(messages: readonly Pending[]): void {
    const producers = new Set(messages.map((message) => this.#enqueue(message)));
    for (const producer of producers) producer.resume();
  }

  resized(): void {
    if (this.store.size === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  failed(error: LongwireError): void {
    this.#link.failed(error);
  }

  // --- for the producers ------------------------------------------------------------------

  get hasRoom(): boolean {
    return this.#link.isUsable && this.#inFlight < this.#link.limit("in_flight");
  }

  get inFlightMax(): number {
    return Math.min(IN_FLIGHT_MAX, this.#link.limit("producer_in_flight"));
  }

  get rememberedMs(): number {
    return this.#link.limit("producer_state_s") * 1000;
  }

  request(
    op: string,
    members: object,
    answered: (message: ServerMessage) => void,
    refused: (error: LongwireError) => void,
    raw: string,
  ): void {
    this.#inFlight += 1;
    this.#link.request(op, { producer: this.#producerId, ...members }, answered, refused, raw);
  }

  answered(): void {
    const wasFull = !this.hasRoom;
    this.#inFlight -= 1;
    if (wasFull) queueMicrotask(() => this.#sendAll());
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

  #sendAll(): void {
    for (const producer of this.#producers.values()) producer.send();
  }

  #enqueue(message: Pending): StreamProducer {
    const { stream } = message;
    let producer = this.#producers.get(stream);
    if (!producer) {
      producer = new StreamProducer(this, { stream, epoch: 0, next: 0, accepted: 0 });
      this.#producers.set(stream, producer);
    }
    producer.add(message);
    return producer;
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
    `a value of type ${typeof data} cannot be published: it must be JSON or bytes (Uint8Array, ArrayBuffer)`,
    { outcome: "not_stored", cause },
  );
}

/** Further members of a publish, behind its payload. */
function encodeOptions({ key, ifTail, durability }: PublishOptions): string {
  const members = JSON.stringify({ key, if_tail: ifTail, durability }).slice(1, -1);
  return members && `,${members}`;
}
