import type { LongwireError } from "./errors.js";
import { BROKEN, EVENTS, type Exchange, type ExchangeEvents, OVERDUE, type Accept } from "./exchange.js";
import type { Operation } from "./lasting.js";
import type { LastingSet } from "./lasting_set.js";
import type { ServerMessage } from "./link.js";
import { lineOf } from "./posting.js";

/** What reading needs of the link. */
export interface ReadingHost {
  readonly errorOf: (message: Readonly<Record<string, unknown>>) => LongwireError;
  readonly lasting: LastingSet;
  /** Post these behind a `connect` that asks for the inbox. */
  exchange(operations: readonly string[], events: ExchangeEvents, waitS: number | undefined): Exchange;
  /** The answer to `connect`: of each request. */
  connected(hello: ServerMessage): void;
  delivered(message: ServerMessage): void;
  failed(error: LongwireError): void;
  /** The server goes away: the present response is the last one. */
  closing(message: ServerMessage): void;
  /** The last call: this transport does not carry any more. */
  ended(error: LongwireError): void;
}

export interface ReadingTimes {
  /** From a request for events to the first one; then something on the way holds them back. */
  readonly firstEventTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly probeTimeoutMs: number;
}

/** How often a server that nobody reads from is asked for a sign of life, milliseconds. */
const IDLE_MS = 25_000;
/** Longest time that a poll asks to wait, milliseconds: some proxies end a silent request after 30 s. */
const POLL_MS = 25_000;
/** Close code of a response that has lasted long enough: the next one goes on. */
const RESPONSE_OVER = 4005;
/** A poll without its answers for so long is collected on the way: others need not wait for its end. */
const COLLECTED_MS = 1000;
/** After an answer without news that was over sooner, the next one is not asked for at once. */
const HASTE_MS = 1000;

/**
 * One request after the other that brings what a client reads.
 *
 * Each tells again all that lasts, from where the last one has come: so it does not matter when a
 * response ends, nor which server gives the next. Of events a response stays open and brings what
 * comes; a long-poll ends with the first news.
 */
export class Reading {
  readonly #host: ReadingHost;
  readonly #isPolling: boolean;
  readonly #times: ReadingTimes;
  #exchange: Exchange | undefined;
  #answers = new Map<number, Operation>();
  /** Whether the server has done all that the present request asks for. */
  #isSettled = false;
  /** Whether the present request is a poll that is to be answered at once. */
  #isQuestion = false;
  #collected: ReturnType<typeof setTimeout> | undefined;
  #isChanged = false;
  #isOver = false;
  #isClosing = false;
  /** Whether there was news since the last request. */
  #hasNews = false;
  /** Whether the last response ended in silence, and nothing has come since. */
  #isInDoubt = false;
  #heartbeatMs = 0;
  #begunMs = 0;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(host: ReadingHost, accept: Accept, times: ReadingTimes) {
    this.#host = host;
    this.#isPolling = accept !== EVENTS;
    this.#times = times;
  }

  /** What lasts is another, or the token is: have the server know. */
  change(): void {
    if (this.#isChanged) return;
    this.#isChanged = true;
    queueMicrotask(() => this.#reconsider());
  }

  /** Whether somebody is there is asked by beginning anew. */
  probe(): void {
    if (this.#mayGiveUp) this.begin(this.#times.probeTimeoutMs);
  }

  /**
   * Whether another request may take the place of the present one, which may still reach the server
   * after it: to ask twice does no harm, but what is new would be undone.
   */
  get #mayGiveUp(): boolean {
    const isWaiting = this.#isPolling && !this.#isQuestion;
    return this.#isSettled || (isWaiting && !this.#host.lasting.hasNew);
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#pause);
    clearTimeout(this.#collected);
    this.#exchange?.abort();
  }

  /** Ask the server anew. `timeoutMs`: for a sign of life. */
  begin(timeoutMs?: number): void {
    this.stop();
    this.#isOver = this.#isChanged = this.#hasNews = false;
    this.#begunMs = Date.now();
    const { lasting } = this.#host;
    const operations = lasting.operations();
    this.#answers = new Map(operations.map((operation, index) => [index + 1, operation]));
    const isAsking = lasting.hasNew || lasting.isEmpty || timeoutMs !== undefined;
    // Whoever collects responses on the way brings nothing before the end of a poll.
    const waitMs = isAsking ? 0 : Math.min(POLL_MS, this.#heartbeatMs);
    this.#isSettled = false;
    this.#isQuestion = this.#isPolling && waitMs === 0;
    if (this.#isPolling && !this.#isQuestion) {
      this.#collected = setTimeout(() => this.#settle(), COLLECTED_MS);
    }
    this.#exchange = this.#host.exchange(
      operations.map((operation, index) => lineOf(index + 1, operation)),
      {
        received: (message) => this.#receive(message),
        ended: (error) => this.#end(error),
      },
      this.#isPolling ? Math.round(waitMs / 1000) : undefined,
    );
    const { firstEventTimeoutMs, answerTimeoutMs } = this.#times;
    const usualMs = this.#isPolling ? answerTimeoutMs + waitMs : firstEventTimeoutMs;
    this.#limit(timeoutMs ?? usualMs);
  }

  #limit(timeoutMs: number): void {
    this.#exchange?.limit(timeoutMs, `the server was silent for ${timeoutMs / 1000} s`);
  }

  #receive(message: ServerMessage): void {
    const { id, op } = message;
    if (id === 0 && op === "connected") {
      this.#heartbeatMs = 1000 * Number(message.heartbeat_s) || IDLE_MS;
      this.#host.connected(message);
    } else if (id === undefined) this.#hear(message);
    else this.#answered(id, message);
    if (this.#isQuestion || this.#isOver) return;
    const isAnswered = this.#answers.size === 0;
    if (!this.#isPolling) this.#limit(isAnswered ? 2 * this.#heartbeatMs : this.#times.answerTimeoutMs);
    if (isAnswered) this.#settle();
  }

  #settle(): void {
    this.#isSettled = true;
    this.#reconsider();
  }

  #answered(id: number, message: ServerMessage): void {
    const operation = this.#answers.get(id);
    this.#answers.delete(id);
    if (message.op === "error") operation?.refused(this.#host.errorOf(message));
    else operation?.answered(message);
  }

  #hear(message: ServerMessage): void {
    this.#isInDoubt = false;
    switch (message.op) {
      case "ping":
        break;
      case "error":
        this.#host.failed(this.#host.errorOf(message));
        break;
      case "closing":
        if (message.code === RESPONSE_OVER) break;
        this.#isClosing = true;
        this.#host.closing(message);
        break;
      default:
        this.#hasNews = true;
        if (this.#host.lasting.heard(message)) this.#host.delivered(message);
    }
  }

  #reconsider(): void {
    if (this.#isChanged && this.#mayGiveUp && !this.#isOver && !this.#isClosing) this.begin();
  }

  #end(error: LongwireError | undefined): void {
    if (this.#isClosing) return;
    if (error?.code === OVERDUE && this.#isSettled && !this.#isInDoubt) {
      // The machine may have slept, or the response have died with nobody's word.
      this.#isInDoubt = true;
      return this.begin(this.#isPolling ? this.#times.probeTimeoutMs : undefined);
    }
    if (!error && this.#answers.size > 0) {
      const message = "the server ended its answer before it was complete";
      error = this.#host.errorOf({ code: BROKEN, message, retry: true });
    }
    if (error) return this.#host.ended(error);
    if (this.#isPolling) this.#isInDoubt = false;
    const isHasty = !this.#hasNews && Date.now() - this.#begunMs < HASTE_MS;
    if (this.#isPolling && this.#host.lasting.isEmpty && !this.#isChanged) this.#rest(IDLE_MS);
    else if (isHasty && !this.#isQuestion) this.#rest(HASTE_MS);
    else this.begin();
  }

  /** Ask again after a while, or when there is something new to ask for. */
  #rest(timeMs: number): void {
    this.#isSettled = true;
    this.#pause = setTimeout(() => this.begin(), timeMs);
  }
}
