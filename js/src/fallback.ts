import { EVENTS, type HttpSettings, LINES, OVERDUE, UNREACHABLE } from "./exchange.js";
import { FallbackLink, type Rung } from "./fallback_link.js";
import { type HttpEnding, HttpLink } from "./http_link.js";
import type { Link, LinkOwner, LinkSettings } from "./link.js";
import { ALL_TRANSPORTS, type FallbackOptions, type Transport, recall, remember } from "./transports.js";

/** What a fallback needs of its client. */
export interface FallbackHost {
  /** The address of the WebSocket. */
  readonly url: string;
  /** What carries the connection, or did last. */
  readonly transport: Transport | undefined;
  /** Open a WebSocket. Throws where there are none. */
  open(owner: LinkOwner, settings: LinkSettings): Link;
}

/** A WebSocket that has worked is not doubted sooner: its server may just be away. */
const FAILURES_MAX = 2;
/** What a better transport must live, to be kept to. */
const LIVED_MS = 5000;
const BETTER_AFTER_MS = 60_000;
/** The wait for the next attempt with a better transport doubles, up to so many times the first one. */
const WAITS_MAX = 16;

/**
 * Chooses the transport: the best one that works here, which is found from the top down and
 * remembered, in a page also over reloads of it.
 *
 * One attempt goes down as long as a transport does not come through; it ends where the server has
 * spoken, or where nobody can be reached, which no other transport would mend.
 */
export class Fallback {
  readonly #host: FallbackHost;
  readonly #options: FallbackOptions;
  readonly #http: HttpSettings;
  readonly #transports: readonly Transport[];
  /** Where the next attempt begins. */
  #start = 0;
  /** What was open last, and what was before that. */
  #works: number | undefined;
  #workedBefore: number | undefined;
  #failures = 0;
  #betterMs: number;
  /** When a better transport is tried, whatever becomes of links until then. */
  #betterAtMs: number | undefined;

  constructor(host: FallbackHost, options: FallbackOptions, errorOf: HttpSettings["errorOf"]) {
    const { url, transport } = host;
    this.#host = host;
    this.#options = options;
    this.#http = {
      url: url.replace(/^ws/, "http"),
      errorOf,
      fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
      credentials: options.credentials ?? "include",
      key: randomKey(),
    };
    this.#transports = options.transports ?? ALL_TRANSPORTS;
    this.#betterMs = this.#firstBetterMs;
    const known = this.#transports.indexOf((transport ?? recall(url)) as Transport);
    if (known >= 0) this.#works = this.#start = known;
    // Nothing was asked for or learnt: a WebSocket has just failed, or there is none here.
    else if (!options.transports) this.#start = 1;
    // One that had worked has failed often enough, or this would not have been made.
    if (transport) this.#failures = FAILURES_MAX;
  }

  /** Begin an attempt. */
  open(owner: LinkOwner, settings: LinkSettings): Link {
    return new FallbackLink(this, owner, settings);
  }

  // --- for the link -----------------------------------------------------------------------

  get start(): number {
    return this.#start;
  }

  nameOf(rung: number): Transport {
    return this.#transports[rung] as Transport;
  }

  /** Open a link over one transport. Throws where that does not exist. */
  openRung(rung: number, owner: LinkOwner, settings: LinkSettings): Rung {
    const name = this.nameOf(rung);
    if (name === "websocket") return this.#host.open(owner, settings);
    return new HttpLink(this.#http, name === "sse" ? EVENTS : LINES, owner, settings);
  }

  /** A link is open. */
  worked(rung: number): void {
    if (rung !== this.#works) this.#workedBefore = this.#works;
    this.#works = this.#start = rung;
    this.#failures = 0;
    if (rung === 0) this.#betterAtMs = undefined;
    remember(this.#host.url, this.nameOf(rung));
  }

  /** An attempt with one ended before it was open: the one to go on with at once, if any. */
  after(rung: number, ending: HttpEnding): number | undefined {
    // The server has spoken, whatever carried its words.
    if (ending.error || ending.afterMs) return undefined;
    this.#failures += 1;
    const isDoubted = rung !== this.#works || this.#failures > FAILURES_MAX;
    if (this.nameOf(rung) === "websocket" && !isDoubted) return undefined;
    const isLast = rung === this.#transports.length - 1;
    if (!isLast && ending.fault !== UNREACHABLE) return rung + 1;
    this.#start = isLast || rung === this.#works ? 0 : (this.#works ?? 0);
    return undefined;
  }

  /** A link that was open has ended. */
  lost(rung: number, { livedMs, fault }: HttpEnding): void {
    const isLast = rung === this.#transports.length - 1;
    if (fault === OVERDUE && !isLast) this.#start = rung + 1;
    // It was better for a moment only.
    const before = this.#workedBefore;
    if (livedMs < LIVED_MS && before !== undefined && before > rung) this.#start = this.#works = before;
  }

  /** How long to wait before a better transport is tried, milliseconds. */
  nextBetterMs(): number {
    const { random = Math.random } = this.#options;
    const nowMs = Date.now();
    this.#betterAtMs ??= nowMs + this.#betterMs * (0.5 + 0.5 * random());
    return Math.min(this.#betterMs, Math.max(0, this.#betterAtMs - nowMs));
  }

  /** A better transport is tried now. */
  triesBetter(): void {
    this.#betterMs = Math.min(2 * this.#betterMs, WAITS_MAX * this.#firstBetterMs);
    this.#betterAtMs = undefined;
  }

  /** There is a reason to hope: the machine woke, or is in another network. */
  hope(): void {
    if (this.#betterMs > this.#firstBetterMs) this.#betterAtMs = undefined;
    this.#betterMs = this.#firstBetterMs;
  }

  get #firstBetterMs(): number {
    return this.#options.betterAfterMs ?? BETTER_AFTER_MS;
  }
}

/** 128 random bits; `randomUUID` is not there in pages that came over plain http:. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
}
