import type { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";

/** How messages come back: as server-sent events, or as lines of one answer. */
export type Accept = typeof EVENTS | typeof LINES;

/** What all requests of one client have in common. */
export interface HttpSettings {
  /** The address that operations are posted to. */
  readonly url: string;
  readonly fetch: typeof fetch;
  readonly credentials: RequestCredentials;
  /** Drawn at random: requests with the same key are one connection to the server. */
  readonly key: string;
  /** The class of errors lives in the module that everything else is in. */
  readonly errorOf: (message: Readonly<Record<string, unknown>>) => LongwireError;
}

/** What is heard of an exchange, in this order; nothing after it was aborted. */
export interface ExchangeEvents {
  received(message: ServerMessage): void;
  /** The last call. Without an error the answer was read to its end. */
  ended(error?: LongwireError): void;
}

/** Codes of what no server said: nobody answered; not in time; it broke off; it is no answer. */
export const UNREACHABLE = "unreachable";
export const OVERDUE = "overdue";
export const BROKEN = "connection_lost";
export const BAD_ANSWER = "bad_answer";

/** A Retry-After is honoured up to here, seconds; timers of more than 24 days would go off at once. */
const RETRY_AFTER_S_MAX = 300;

export const EVENTS = "text/event-stream";
export const LINES = "application/x-ndjson";

/**
 * One POST of operations, one on a line, and the messages of its answer as they come: docs/protocol.md
 * section 18.
 */
export class Exchange {
  readonly #settings: HttpSettings;
  readonly #events: ExchangeEvents;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(
    settings: HttpSettings,
    accept: Accept,
    operations: readonly string[],
    events: ExchangeEvents,
    /** For how long the answer may wait for news, seconds; left out: as long as the server likes. */
    waitS?: number,
  ) {
    this.#settings = settings;
    this.#events = events;
    const { key } = settings;
    const headers = { "Content-Type": LINES, Accept: accept, "Longwire-Client-Key": key };
    const wait = waitS === undefined ? {} : { Prefer: `wait=${waitS}` };
    void this.#run(accept, { ...headers, ...wait }, `${operations.join("\n")}\n`);
  }

  /** From now on so long, then it is over. */
  limit(timeoutMs: number, reason: string): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.#fail(OVERDUE, reason), timeoutMs);
  }

  abort(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  async #run(accept: Accept, headers: Record<string, string>, body: string): Promise<void> {
    const { url, fetch, credentials } = this.#settings;
    let response: Response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers,
        body,
        credentials,
        cache: "no-store",
        signal: this.#controller.signal,
      });
    } catch (cause) {
      return this.#fail(UNREACHABLE, `${url} cannot be reached: ${String(cause)}`);
    }
    try {
      if (!response.ok) return this.#refuse(response, await response.text());
      await this.#read(response, accept);
    } catch (cause) {
      return this.#fail(BROKEN, `the answer of ${url} broke off: ${String(cause)}`);
    }
    this.#end();
  }

  async #read(response: Response, accept: Accept): Promise<void> {
    const type = response.headers.get("Content-Type") ?? "";
    if (!type.startsWith(accept) || !response.body) {
      return this.#fail(BAD_ANSWER, `the server answered with ${type || "nothing"} instead of ${accept}`);
    }
    let data: string[] = [];
    for await (const line of linesOf(response.body)) {
      if (this.#isOver) return;
      if (accept === LINES) this.#receive(line);
      else if (line.startsWith("data:")) data.push(line.slice(5));
      else if (line === "" && data.length > 0) {
        // A payload may have been published with line breaks: each of its lines is one of the event.
        this.#receive(data.join("\n"));
        data = [];
      }
    }
  }

  #receive(text: string): void {
    let message: ServerMessage | undefined;
    try {
      message = JSON.parse(text) as ServerMessage;
    } catch {
      // told below, with what has no operation
    }
    if (typeof message?.op === "string") return this.#events.received(message);
    const start = JSON.stringify(text.slice(0, 80));
    this.#fail(BAD_ANSWER, `the server sent no message of the protocol: ${start}`);
  }

  /** RFC 9457, or what a proxy on the way says. */
  #refuse({ status, headers }: Response, body: string): void {
    let problem: Record<string, unknown> | undefined;
    try {
      problem = JSON.parse(body) as Record<string, unknown>;
    } catch {
      // no problem document: the status has to do
    }
    const { title, detail = title, type: _type, ...details } = problem ?? {};
    const after_s = Math.min(Number(headers.get("Retry-After") ?? NaN), RETRY_AFTER_S_MAX);
    this.#end(
      this.#settings.errorOf({
        code: `http_${status}`,
        message: detail ?? `the server answered with status ${status}`,
        retry: status >= 500 || status === 408 || status === 429,
        ...(after_s >= 0 ? { after_s } : {}),
        ...details,
        status,
      }),
    );
  }

  #fail(code: string, message: string): void {
    this.#end(this.#settings.errorOf({ code, message, retry: true }));
  }

  #end(error?: LongwireError): void {
    if (this.#isOver) return;
    this.abort();
    this.#events.ended(error);
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let begun: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    const [first = "", ...others] = decoder.decode(value, { stream: !done }).split("\n");
    begun.push(first);
    for (const other of others) {
      yield begun.join("").replace(/\r$/, "");
      begun = [other];
    }
    if (done) break;
  }
  // What follows the last line's end is a line that was cut.
}
