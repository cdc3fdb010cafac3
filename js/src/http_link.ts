import type { LongwireError } from "./errors.js";
import {
  type Accept,
  BAD_ANSWER,
  BROKEN,
  Exchange,
  type ExchangeEvents,
  type HttpSettings,
  LINES,
  OVERDUE,
  UNREACHABLE,
} from "./exchange.js";
import type { Operation } from "./lasting.js";
import { LastingSet } from "./lasting_set.js";
import type { Answered, Ending, Link, LinkOwner, LinkSettings, Refused, ServerMessage } from "./link.js";
import { Posting, lineOf } from "./posting.js";
import { Reading } from "./reading.js";

/** Why a link over HTTP ended, for those who choose the next one. */
export interface HttpEnding extends Ending {
  /** The code of what went wrong on the way; undefined: the server said it itself. */
  readonly fault?: string | undefined;
}

export interface HttpLinkSettings extends LinkSettings {
  /** From a request for events to the first one; then something on the way holds them back. */
  readonly firstEventTimeoutMs?: number | undefined;
}

const FIRST_EVENT_MS = 5000;
/** Longest time for a call, as long as the server does not say, seconds. */
const CALL_S = 30;
/** From the server's word that it goes away to the end of what is still answered, milliseconds. */
const CLOSING_MS = 5000;

/** What goes wrong on the way to the server, with whatever a proxy says in its place. */
const FAULTS = [UNREACHABLE, OVERDUE, BROKEN, BAD_ANSWER];
const isFault = (code: string): boolean => FAULTS.includes(code) || code.startsWith("http_");

/**
 * The link over plain HTTP, which knows no sessions: one request at a time reads (`Reading`), others
 * ask and publish (`Posting`).
 */
export class HttpLink implements Link {
  readonly #http: HttpSettings;
  readonly #owner: LinkOwner;
  readonly #settings: HttpLinkSettings;
  readonly #lasting: LastingSet;
  readonly #posting: Posting;
  readonly #reading: Reading;
  #token: string | undefined;
  #hello: ServerMessage | undefined;
  #connectedMs = 0;
  #closing: ServerMessage | undefined;
  #closingTimer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  #isRetired = false;
  /** How to refuse what a link that was retired has still to answer. */
  readonly #asked = new Set<Refused>();

  constructor(http: HttpSettings, accept: Accept, owner: LinkOwner, settings: HttpLinkSettings) {
    this.#http = http;
    this.#owner = owner;
    this.#settings = settings;
    this.#token = settings.token;
    const { errorOf } = http;
    this.#lasting = new LastingSet({
      errorOf,
      deliver: (message) => owner.delivered(message),
      failed: (error) => owner.failed(error),
      changed: () => this.#reading.change(),
    });
    this.#posting = new Posting(this.#postingHost());
    this.#reading = new Reading(
      {
        errorOf,
        lasting: this.#lasting,
        exchange: (operations, events, waitS) => {
          const inbox = this.#lasting.inboxPlace(settings.inbox);
          return this.#exchange(accept, { inbox }, operations, events, waitS);
        },
        connected: (hello) => this.#connected(hello),
        delivered: (message) => owner.delivered(message),
        failed: (error) => owner.failed(error),
        closing: (message) => this.#close(message),
        ended: (error) => this.#giveUp(error),
      },
      accept,
      { ...settings, firstEventTimeoutMs: settings.firstEventTimeoutMs ?? FIRST_EVENT_MS },
    );
    this.#reading.begin();
  }

  get isUsable(): boolean {
    return this.#connectedMs > 0 && !this.#closing && !this.#isOver && !this.#isRetired;
  }

  request(
    op: string,
    members: object,
    answered: Answered,
    refused: Refused,
    raw = "",
    isPatient = false,
  ): void {
    if (this.#lasting.take(op, members, answered, refused)) return this.#reading.change();
    this.#post({ op, members, raw, answered, refused }, isPatient);
  }

  #post({ op, members, raw = "", answered, refused }: Operation, isPatient = false): void {
    // A publish is sent again on the next link; what it is answered here is of no interest then.
    if (op !== "publish") this.#asked.add(refused);
    const isHeard = (): boolean => this.#asked.delete(refused) || (op === "publish" && !this.#isRetired);
    const operation = {
      op,
      members,
      raw,
      answered: (message: ServerMessage) => {
        this.#lasting.answered(op, members);
        if (op === "authenticate") this.#renew((members as { token: string }).token);
        if (isHeard()) answered(message);
      },
      refused: (error: LongwireError) => {
        if (isHeard()) refused(error);
      },
    };
    this.#posting.post(operation, isPatient);
  }

  probe(): void {
    if (this.isUsable) this.#reading.probe();
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#closingTimer);
    this.#reading.stop();
    this.#posting.close();
  }

  /**
   * Another link has taken over: reading ends at once. What was asked is still answered, but for
   * publishes, which are sent again there.
   */
  retire(): void {
    this.#isRetired = true;
    this.#reading.stop();
    this.#posting.dropPublishes();
    for (const operation of this.#lasting.endings()) this.#post(operation);
  }

  /** The next requests show the new token, the one that reads before the old token expires. */
  #renew(token: string): void {
    this.#token = token;
    if (!this.#isRetired) this.#reading.change();
  }

  #exchange(
    accept: Accept,
    more: object,
    operations: readonly string[],
    events: ExchangeEvents,
    waitS?: number,
  ): Exchange {
    const { client } = this.#settings;
    // JSON leaves out what is undefined.
    const connect = { version: 1, client, token: this.#token, ...more };
    const nobody = (): void => undefined;
    const first = lineOf(0, { op: "connect", members: connect, answered: nobody, refused: nobody });
    return new Exchange(this.#http, accept, [first, ...operations], events, waitS);
  }

  #postingHost(): ConstructorParameters<typeof Posting>[0] {
    const link = this;
    const { answerTimeoutMs, probeTimeoutMs } = this.#settings;
    return {
      errorOf: this.#http.errorOf,
      exchange: (operations, events) => this.#exchange(LINES, {}, operations, events),
      // There is no asking for a sign of life in between: it is part of the wait.
      answerTimeoutMs: answerTimeoutMs + probeTimeoutMs,
      get patientTimeoutMs() {
        const { call_timeout_s = CALL_S } = (link.#hello?.limits ?? {}) as Record<string, number>;
        return 1000 * call_timeout_s + answerTimeoutMs;
      },
      failed: (error) => this.#giveUp(error),
    };
  }

  #connected(hello: ServerMessage): void {
    if (hello.inbox) this.#lasting.adoptInbox(hello.inbox as ServerMessage);
    if (this.#hello) return;
    this.#hello = hello;
    this.#connectedMs = Date.now();
    this.#owner.connected(hello);
  }

  /** The server goes away, and what it has taken it will answer. */
  #close(message: ServerMessage): void {
    if (this.#closing) return;
    this.#closing = message;
    const untilMs = Date.now() + CLOSING_MS;
    const look = (): void => {
      if (this.#posting.isIdle || Date.now() >= untilMs) return this.#end();
      this.#closingTimer = setTimeout(look, CLOSING_MS / 100);
    };
    look();
  }

  #giveUp(error: LongwireError): void {
    if (!this.#isRetired) return this.#end(error);
    this.close();
    const sentence = "the connection was lost before the answer; whether the request took effect is not known";
    const lost = this.#http.errorOf({ code: BROKEN, message: sentence, retry: true });
    for (const refused of this.#asked) refused(lost);
    this.#asked.clear();
  }

  #end(error?: LongwireError): void {
    if (this.#isOver) return;
    this.close();
    const { code = 1006, reason = "", reconnect, after_s } = this.#closing ?? { op: "" };
    const fault = error && isFault(error.code) ? error.code : undefined;
    const refusal = fault === undefined ? error : undefined;
    const afterS = Number(error?.details.after_s);
    const after = Array.isArray(after_s) ? after_s : afterS >= 0 ? [afterS, 2 * afterS] : undefined;
    const ending: HttpEnding = {
      code: Number(code),
      reason: error?.message ?? String(reason),
      reconnect: refusal ? refusal.retry : reconnect !== false,
      livedMs: this.#connectedMs ? Date.now() - this.#connectedMs : 0,
      fault,
      ...(after ? { afterMs: [1000 * after[0], 1000 * after[1]] as const } : {}),
      ...(refusal ? { error: refusal } : {}),
    };
    this.#owner.ended(ending);
  }
}
