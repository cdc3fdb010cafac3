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

/** One operation of a request, as it is sent. */
export function lineOf(id: number, { op, members, raw }: Operation): string {
  const text = JSON.stringify({ op, id, ...members });
  return raw ? `${text.slice(0, -1)},${raw}}` : text;
}

/**
 * Requests that are made once. One POST is on the way at a time, so that publishes arrive in their
 * order; what is asked for meanwhile goes together in the next one. Patient requests go by themselves.
 */
export class Posting {
  readonly #host: PostingHost;
  readonly #waiting: Operation[] = [];
  readonly #open = new Set<Exchange>();
  #isBusy = false;

  constructor(host: PostingHost) {
    this.#host = host;
  }

  /** Whether everything has been answered. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#waiting.length === 0;
  }

  post(operation: Operation, isPatient: boolean): void {
    if (isPatient) return this.#send([operation], () => undefined, this.#host.patientTimeoutMs);
    this.#waiting.push(operation);
    if (this.#waiting.length === 1) queueMicrotask(() => this.#sendNext());
  }

  /** Nothing is sent or heard any more. */
  close(): void {
    this.#waiting.length = 0;
    for (const exchange of this.#open) exchange.abort();
    this.#open.clear();
  }

  #sendNext(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    this.#isBusy = true;
    this.#send(this.#takeSome(), () => {
      this.#isBusy = false;
      this.#sendNext();
    });
  }

  #takeSome(): Operation[] {
    let characters = 0;
    const next = this.#waiting.findIndex(({ raw = "" }, index) => {
      characters += raw.length;
      return index >= OPERATIONS_MAX || (index > 0 && characters > CHARACTERS_MAX);
    });
    return this.#waiting.splice(0, next < 0 ? OPERATIONS_MAX : next);
  }

  #send(
    operations: readonly Operation[],
    done: () => void,
    timeoutMs = this.#host.answerTimeoutMs,
  ): void {
    // Number 0 is the `connect` before them.
    const unanswered = new Map(operations.map((operation, index) => [index + 1, operation]));
    const lines = operations.map((operation, index) => lineOf(index + 1, operation));
    const exchange = this.#host.exchange(lines, {
      received: (message) => this.#answered(unanswered, message),
      ended: (error) => {
        this.#open.delete(exchange);
        this.#finish([...unanswered.values()], error);
        done();
      },
    });
    this.#open.add(exchange);
    const characters = lines.reduce((sum, { length }) => sum + length, 0);
    exchange.limit(timeoutMs + characters / SLOWEST, `no answer within ${timeoutMs / 1000} s`);
  }

  #answered(unanswered: Map<number, Operation>, message: ServerMessage): void {
    const operation = unanswered.get(message.id as number);
    if (!operation) return;
    unanswered.delete(message.id as number);
    if (message.op === "error") operation.refused(this.#host.errorOf(message));
    else operation.answered(message);
  }

  #finish(unanswered: readonly Operation[], error: LongwireError | undefined): void {
    const status = Number(error?.details.status);
    if (error && status >= 400 && status < 500 && status !== 401) {
      // Nothing of it was done, and what is asked of the server may be right another time.
      for (const operation of unanswered) operation.refused(error);
    } else if (error || unanswered.length > 0) {
      const message = "the server ended its answer before it was complete";
      this.#host.failed(error ?? this.#host.errorOf({ code: BROKEN, message, retry: true }));
    }
  }
}
