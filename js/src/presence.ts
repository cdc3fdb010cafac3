import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";

/** Somebody who is there: a user, or an anonymous connection. */
export interface Member {
  readonly user?: string;
  readonly connection?: string;
  /** What was entered with. */
  readonly data?: unknown;
}

/** A change of who is there; "reset": these members and no others. */
export interface PresenceChange {
  readonly stream: string;
  readonly event: "join" | "update" | "leave" | "reset";
  /** Whom it is about. */
  readonly members: readonly Member[];
}

export type PresenceHandler = (change: PresenceChange) => void;

/** What presence needs of its client. @internal */
export interface PresenceHost {
  readonly isUsable: boolean;
  ask(op: string, members: object): Promise<ServerMessage>;
  failed(error: LongwireError): void;
  retryDelayMs(error: LongwireError, failures: number): number;
}

const keyOf = ({ user, connection }: Member): string =>
  user === undefined ? `connection ${connection}` : `user ${user}`;

/** Who is there in one stream, kept up to date while there is a connection. */
export class Watch {
  readonly stream: string;
  /** Settled when the members are known, or the server refused. */
  readonly ready: Promise<void>;
  readonly #presence: Presence;
  readonly #handler: PresenceHandler | undefined;
  readonly #members = new Map<string, Member>();
  #settle!: (error?: LongwireError) => void;

  /** @internal */
  constructor(presence: Presence, stream: string, handler: PresenceHandler | undefined) {
    this.stream = stream;
    this.#presence = presence;
    this.#handler = handler;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    this.ready.catch(() => undefined); // also reported as an error event
  }

  get members(): Member[] {
    return [...this.#members.values()];
  }

  unwatch(): void {
    this.#presence.unwatch(this);
  }

  /** @internal */
  changed(event: PresenceChange["event"], members: readonly Member[]): void {
    if (event === "reset") this.#members.clear();
    for (const member of members) {
      if (event === "leave") this.#members.delete(keyOf(member));
      else this.#members.set(keyOf(member), member);
    }
    if (event === "reset") this.#settle();
    this.#handler?.({ stream: this.stream, event, members });
  }

  /** @internal */
  end(error: LongwireError): void {
    this.#settle(error);
  }
}

/** What this client entered and what it watches; both are taken up again after a reconnect. */
export class Presence {
  readonly #host: PresenceHost;
  readonly #entered = new Map<string, object>();
  readonly #watches = new Map<string, Watch>();
  readonly #retries = new Set<ReturnType<typeof setTimeout>>();

  /** @internal */
  constructor(host: PresenceHost) {
    this.#host = host;
  }

  async enter(stream: string, data: unknown): Promise<void> {
    const request = { stream, ...(data === undefined ? {} : { data }) };
    this.#entered.set(stream, request);
    try {
      await this.#host.ask("enter", request);
    } catch (error) {
      if (isLost(error)) return; // entered again with the next connection
      if (this.#entered.get(stream) === request) this.#entered.delete(stream);
      throw error;
    }
  }

  async leave(stream: string): Promise<void> {
    this.#entered.delete(stream);
    try {
      await this.#host.ask("leave", { stream });
    } catch (error) {
      if (!isLost(error)) throw error; // else it ended with the connection
    }
  }

  watch(stream: string, handler: PresenceHandler | undefined): Watch {
    if (this.#watches.has(stream)) {
      throw new LongwireError(
        "already_watching",
        `this client watches ${stream} already; use that watch`,
      );
    }
    const watch = new Watch(this, stream, handler);
    this.#watches.set(stream, watch);
    if (this.#host.isUsable) this.#ask(watch);
    return watch;
  }

  unwatch(watch: Watch): void {
    if (this.#watches.get(watch.stream) !== watch) return;
    this.#watches.delete(watch.stream);
    watch.end(new LongwireError("closed", "unwatched before the answer"));
    if (!this.#host.isUsable) return;
    this.#host.ask("unwatch", { stream: watch.stream }).catch(() => undefined);
  }

  connected(): void {
    for (const request of this.#entered.values()) this.#enterAgain(request);
    for (const watch of this.#watches.values()) this.#ask(watch);
  }

  disconnected(): void {
    for (const retry of this.#retries) clearTimeout(retry);
    this.#retries.clear();
  }

  received(message: ServerMessage): void {
    const { stream, event, members, op: _op, ...member } = message;
    this.#watches
      .get(String(stream))
      ?.changed(event as PresenceChange["event"], (members as Member[]) ?? [member]);
  }

  close(error: LongwireError): void {
    this.disconnected();
    for (const watch of this.#watches.values()) watch.end(error);
    this.#watches.clear();
    this.#entered.clear();
  }

  #enterAgain(request: object, failures = 0): void {
    const { stream } = request as { stream: string };
    if (this.#entered.get(stream) !== request) return;
    this.#host.ask("enter", request).catch((error: LongwireError) => {
      if (this.#entered.get(stream) !== request || isLost(error)) return;
      this.#host.failed(error.about({ stream }));
      if (error.retry) this.#later(error, failures, () => this.#enterAgain(request, failures + 1));
      else this.#entered.delete(stream);
    });
  }

  #ask(watch: Watch, failures = 0): void {
    const { stream } = watch;
    const isWanted = (): boolean => this.#watches.get(stream) === watch;
    if (!isWanted()) return;
    this.#host.ask("members", { stream, watch: true }).then(
      ({ members }) => {
        if (isWanted()) watch.changed("reset", members as Member[]);
      },
      (error: LongwireError) => {
        if (!isWanted() || isLost(error)) return;
        const named = error.about({ stream });
        this.#host.failed(named);
        if (error.retry) return this.#later(error, failures, () => this.#ask(watch, failures + 1));
        this.#watches.delete(stream);
        watch.end(named);
      },
    );
  }

  #later(error: LongwireError, failures: number, work: () => void): void {
    const retry = setTimeout(
      () => {
        this.#retries.delete(retry);
        work();
      },
      this.#host.retryDelayMs(error, failures),
    );
    this.#retries.add(retry);
  }
}

function isLost(error: unknown): boolean {
  return (error as LongwireError).code === "connection_lost";
}
