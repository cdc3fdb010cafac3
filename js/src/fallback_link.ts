import type { Fallback } from "./fallback.js";
import type { HttpEnding } from "./http_link.js";
import type { Answered, Link, LinkOwner, LinkSettings, Refused, ServerMessage } from "./link.js";

/** A link over one transport; one over HTTP can be retired when a better one takes over. */
export type Rung = Link & { retire?(): void };

/**
 * One connection over whatever carries it: an attempt that goes down from transport to transport,
 * and once it is open, attempts with better ones beside it. When one of these is open too it takes
 * over: the owner is told by another `connected`, and goes on there.
 */
export class FallbackLink implements Link {
  readonly #fallback: Fallback;
  readonly #owner: LinkOwner;
  readonly #settings: LinkSettings;
  #token: string | undefined;
  #rung: number;
  #link: Rung | undefined;
  /** An attempt with a better transport. */
  #trial: Rung | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isConnected = false;
  #isOver = false;

  constructor(fallback: Fallback, owner: LinkOwner, settings: LinkSettings) {
    this.#fallback = fallback;
    this.#owner = owner;
    this.#settings = settings;
    this.#token = settings.token;
    this.#rung = fallback.start;
    // Whoever makes it wants to have it before it hears of it.
    queueMicrotask(() => this.#try(this.#rung));
  }

  get isUsable(): boolean {
    return this.#link?.isUsable ?? false;
  }

  request(
    op: string,
    members: object,
    answered: Answered,
    refused: Refused,
    raw?: string,
    isPatient?: boolean,
  ): void {
    const noted: Answered = (message) => {
      // What is opened later shows the token that holds then.
      if (op === "authenticate") this.#token = (members as { token: string }).token;
      answered(message);
    };
    this.#link?.request(op, members, noted, refused, raw, isPatient);
  }

  probe(): void {
    this.#link?.probe();
    if (this.#rung === 0 || !this.#isConnected) return;
    this.#fallback.hope();
    if (!this.#trial) this.#tryBetterLater();
  }

  close(code: number, reason: string): void {
    this.#stop();
    this.#link?.close(code, reason);
  }

  #stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#trial?.close(1000, "");
    this.#trial = undefined;
  }

  /** Open a link over one transport, with no other beside it. */
  #try(rung: number): void {
    if (this.#isOver) return;
    this.#rung = rung;
    this.#link = this.#open(rung, {
      connected: (hello) => this.#connected(hello),
      ended: (ending) => this.#ended(ending),
    });
  }

  /** What is heard of a link before it is this one's own is of no interest, but for these two. */
  #open(rung: number, events: Pick<LinkOwner, "connected" | "ended">): Rung | undefined {
    const isOwn = (): boolean => link !== undefined && link === this.#link;
    const owner: LinkOwner = {
      connected: events.connected,
      delivered: (message) => isOwn() && this.#owner.delivered(message),
      failed: (error) => isOwn() && this.#owner.failed(error),
      ended: (ending) => (isOwn() ? this.#ended(ending) : events.ended(ending)),
    };
    const settings = { ...this.#settings, token: this.#token };
    let link: Rung | undefined;
    try {
      link = this.#fallback.openRung(rung, owner, settings);
    } catch (cause) {
      const reason = `cannot be opened: ${String(cause)}`;
      queueMicrotask(() => events.ended({ code: 0, reason, reconnect: true, livedMs: 0 }));
    }
    return link;
  }

  #connected(hello: ServerMessage): void {
    this.#isConnected = true;
    this.#fallback.worked(this.#rung);
    if (this.#rung > 0) this.#tryBetterLater();
    this.#owner.connected({ ...hello, transport: this.#fallback.nameOf(this.#rung) });
  }

  #ended(ending: HttpEnding): void {
    if (this.#isOver) return;
    if (this.#isConnected) this.#fallback.lost(this.#rung, ending);
    else {
      const next = this.#fallback.after(this.#rung, ending);
      if (next !== undefined) return this.#try(next);
    }
    this.#stop();
    this.#owner.ended(ending);
  }

  #tryBetterLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#fallback.triesBetter();
      this.#tryBetter(0);
    }, this.#fallback.nextBetterMs());
  }

  /** From the top down to what is there already. */
  #tryBetter(rung: number): void {
    this.#trial = undefined;
    if (this.#isOver) return;
    if (rung >= this.#rung) return this.#tryBetterLater();
    const trial = this.#open(rung, {
      connected: (hello) => {
        const former = this.#link;
        this.#link = this.#trial;
        this.#trial = undefined;
        this.#rung = rung;
        former?.retire?.();
        this.#connected(hello);
      },
      ended: () => this.#tryBetter(rung + 1),
    });
    this.#trial = trial;
  }
}
