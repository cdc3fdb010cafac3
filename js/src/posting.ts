import type { LongwireError } from "./errors.js";
import { BROKEN, type Exchange, type ExchangeEvents } from "./exchange.js";
import type { Operation } from "./lasting.js";
import type { ServerMessage } from "./link.js";

/** What posting needs of the link. */
export interface PostingHost {
  /** Post these behind a `connect`. */
  exchange(operations: readonly string[], events: ExchangeEvents): Exchange;
  readonly errorOf: (message: Readonly<Record<string, unknown>>) => LongwireError;
  /** From a request to its answer, milliseconds. */
  readonly answerTimeoutMs: number;
  /** The same for one whose answer may take its time. */
  readonly patientTimeoutMs: number;
  /** What was posted may or may not have taken effect. */
  failed(error: LongwireError): void;
}

/** In one request; a longer operation goes alone. */
const OPERATIONS_MAX = 100;
const CHARACTERS_MAX = 256 * 1024;
/** Slower than that nobody sends, characters in each millisecond: how far a body has got is not told. */
const SLOWEST = 2;
/** Requests at a time that take their time: browsers open six connections to a server on HTTP/1.1. */
const PATIENT_MAX = 2;
const TOO_LARGE = 413;

/** One operation of a request, as it is sent. */
export function lineOf(id: number, { op, members, raw }: Operation): string {
  const text = JSON.stringify({ op, id, ...members });
  return raw ? `${text.slice(0, -1)},${raw}}` : text;
}

/** Operations that go one after the other. */
class Lane {
  waiting: Operation[] = [];
  busy = 0;
  /** As many in one request; fewer where the server found them too long together. */
  most = OPERATIONS_MAX;

  constructor(
    /** Requests at a time. */
    readonly max: number,
    readonly timeoutMs: () => number,
  ) {}

  /** What goes in the next request. */
  take(): Operation[] {
    let characters = 0;
    const next = this.waiting.findIndex(({ raw = "" }, index) => {
      characters += raw.length;
      return index >= this.most || (index > 0 && characters > CHARACTERS_MAX);
    });
    return this.waiting.splice(0, next < 0 ? this.most : next);
  }
}

/**
 * Requests that are made once. One POST is on the way at a time, so that publishes arrive in their
 * order; what is asked for meanwhile goes together in the next one. Those whose answer may take its
 * time do not stand in the way of the others.
 */
export class Posting {
  readonly #host: PostingHost;
  readonly #usual: Lane;
  readonly #patient: Lane;
  readonly #open = new Set<Exchange>();

  constructor(host: PostingHost) {
    this.#host = host;
    this.#usual = new Lane(1, () => host.answerTimeoutMs);
    this.#patient = new Lane(PATIENT_MAX, () => host.patientTimeoutMs);
  }

  /** Whether everything has been answered. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#usual.waiting.length + this.#patient.waiting.length === 0;
  }

  post(operation: Operation, isPatient = false): void {
    const lane = isPatient ? this.#patient : this.#usual;
    lane.waiting.push(operation);
    if (lane.waiting.length === 1) queueMicrotask(() => this.#send(lane));
  }

  /** Another link sends what was published and is not on the way yet. */
  dropPublishes(): void {
    this.#usual.waiting = this.#usual.waiting.filter(({ op }) => op !== "publish");
  }

  /** Nothing is sent or heard any more. */
  close(): void {
    this.#usual.waiting = [];
    this.#patient.waiting = [];
    for (const exchange of this.#open) exchange.abort();
    this.#open.clear();
  }

  #send(lane: Lane): void {
    if (lane.busy >= lane.max || lane.waiting.length === 0) return;
    lane.busy += 1;
    const operations = lane.take();
    // Number 0 is the `connect` before them.
    const unanswered = new Map(operations.map((operation, index) => [index + 1, operation]));
    const lines = operations.map((operation, index) => lineOf(index + 1, operation));
    const exchange = this.#host.exchange(lines, {
      received: (message) => this.#answered(unanswered, message),
      ended: (error) => {
        this.#open.delete(exchange);
        lane.busy -= 1;
        this.#finish(lane, [...unanswered.values()], error);
        this.#send(lane);
      },
    });
    this.#open.add(exchange);
    const characters = lines.reduce((sum, { length }) => sum + length, 0);
    const timeoutMs = lane.timeoutMs();
    exchange.limit(timeoutMs + characters / SLOWEST, `no answer within ${timeoutMs / 1000} s`);
  }

  #answered(unanswered: Map<number, Operation>, message: ServerMessage): void {
    const operation = unanswered.get(message.id as number);
    if (!operation) return;
    unanswered.delete(message.id as number);
    if (message.op === "error") operation.refused(this.#host.errorOf(message));
    else operation.answered(message);
  }

  #finish(lane: Lane, unanswered: Operation[], error: LongwireError | undefined): void {
    const status = Number(error?.details.status);
    if (status === TOO_LARGE && unanswered.length > 1) {
      lane.most = Math.ceil(unanswered.length / 2);
      lane.waiting.unshift(...unanswered);
    } else if (error && status >= 400 && status < 500 && status !== 401) {
      // Nothing of it was done, and what is asked of the server may be right another time.
      for (const operation of unanswered) operation.refused(error);
    } else if (error || unanswered.length > 0) {
      const message = "the server ended its answer before it was complete";
      this.#host.failed(error ?? this.#host.errorOf({ code: BROKEN, message, retry: true }));
    }
  }
}
