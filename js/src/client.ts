import { Backoff } from "./backoff.js";
import { Connection } from "./connection.js";
import {
  type ConsumeOptions,
  Consumer,
  type ConsumerState,
  type DeliveryHandler,
  consumerStateOf,
} from "./consumer.js";
import { Emitter } from "./emitter.js";
import { LongwireError, errorOf } from "./errors.js";
import type { Fallback } from "./fallback.js";
import type { Ending, Link, LinkOwner, LinkSettings, ServerMessage } from "./link.js";
import { MemoryStore } from "./memory_store.js";
import { type HistoryOptions, type Page, messageOf } from "./message.js";
import { Outbox, type PublishOptions } from "./outbox.js";
import type { OutboxStore } from "./outbox_store.js";
import { type PatternOptions, PatternSubscription } from "./pattern.js";
import { type Member, Presence, type PresenceHandler, type Watch } from "./presence.js";
import type { Ack } from "./producer.js";
import { Requests } from "./requests.js";
import { Resume } from "./resume.js";
import {
  type End,
  type Gap,
  type Handler,
  type Recovered,
  type SubscribeOptions,
  Subscription,
  type SubscriptionHost,
} from "./subscription.js";
import { Renewal, type Token, fetchToken } from "./token.js";
import { type WebSocketConstructor, openWebSocket, webSocketUrl } from "./transport.js";
import { type FallbackOptions, type Transport, type TransportChange, recall } from "./transports.js";
import { onWake } from "./wake.js";
import { within } from "./within.js";

export interface ConnectOptions extends FallbackOptions {
  /**
   * Who this is; a function is asked before each attempt, and again on the open connection when
   * three quarters of the token's life have passed.
   */
  token?: Token;
  /** The WebSocket to use where there is no global one (Node.js before 22); without one: plain HTTP. */
  WebSocket?: WebSocketConstructor;
  /** Bound of the first delays before a retry; it grows with the outage. Default 500. */
  retryFirstMs?: number;
  /** The bound grows up to this. Default 30,000. */
  retryMaxMs?: number;
  /** From an attempt's start to the server's welcome. Default 10,000. */
  connectTimeoutMs?: number;
  /** From a request to its answer; then the connection is asked for a sign of life. 10,000. */
  answerTimeoutMs?: number;
  /** For a sign of life in doubt; then the connection is given up, all is sent again. 2,000. */
  probeTimeoutMs?: number;
  /** Where published messages wait for their acknowledgement; left out: in memory. */
  outbox?: OutboxStore;
  /** Published messages that may wait for their acknowledgement. Default 1,000. */
  outboxMessagesMax?: number;
  /** Their payload in bytes. Default 4 MiB. */
  outboxBytesMax?: number;
  /** Messages that may wait for a subscription's handler; then reading pauses. Default 1,000. */
  queueMessagesMax?: number;
}

/** Where a client stands. */
export type State = "connecting" | "open" | "waiting" | "closed";

export interface StateChange {
  readonly state: State;
  readonly previous: State;
  /** Why the last connection ended, as a sentence; empty when there was none. */
  readonly reason: string;
  /** Its close code, or 0. */
  readonly code: number;
  /** In "waiting": milliseconds until the next attempt. */
  readonly retryInMs?: number;
  /** Attempts that failed since the last connection that lived. */
  readonly failures: number;
}

export interface ClientEvents {
  state: StateChange;
  transport: TransportChange;
  recovered: Recovered;
  gap: Gap;
  end: End;
  error: LongwireError;
}

/** Close code: the token is not, or no longer, good. */
const UNAUTHORIZED = 4503;

const DEFAULTS = {
  retryFirstMs: 500,
  retryMaxMs: 30_000,
  connectTimeoutMs: 10_000,
  answerTimeoutMs: 10_000,
  probeTimeoutMs: 2_000,
  outboxMessagesMax: 1_000,
  outboxBytesMax: 4 * 1024 * 1024,
  queueMessagesMax: 1_000,
  random: Math.random,
};

/** What the parts of a client need of it, readers of all kinds among them. */
type PartHost<Reader> = Omit<SubscriptionHost, "ended" | "request"> & {
  ask(op: string, members: object): Promise<ServerMessage>;
  request: Link["request"];
  /** A limit that the server named, or Infinity. */
  limit(name: string): number;
  ended(reader: Reader): void;
};

/** Version of the package, told to the server. */
declare const LONGWIRE_VERSION: string;

/**
 * One connection to a longwire server that comes back by itself, with the streams it reads and
 * what it has published. Made by `connect`.
 *
 * What happens is said by events, see `on`: `state`, `recovered`, `gap`, `end` and `error`. A gap or an
 * error that nobody listens for goes to the console.
 */
export class Client {
  /** The address of the WebSocket. */
  readonly url: string;
  readonly #options: typeof DEFAULTS & ConnectOptions;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #subscriptions = new Map<string, Subscription<never>>();
  readonly #patterns = new Map<string, PatternSubscription<never>>();
  readonly #consumers = new Map<string, Consumer<never>>();
  readonly #outbox: Outbox;
  readonly #requests = new Requests(() => this.#connection);
  readonly #presence: Presence;
  readonly #renewal: Renewal;
  readonly #backoff: Backoff;
  readonly #stopWaking: () => void;
  #connection: Link | undefined;
  /** Chooses among transports; made when the WebSocket may not do. */
  #fallback: Fallback | undefined;
  #transport: Transport | undefined;
  #state: State = "connecting";
  #hello: ServerMessage | undefined;
  /** While a connection begins: what is to be subscribed. */
  #resume: Resume | undefined;
  #inbox: Subscription<never> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #last: Pick<StateChange, "reason" | "code"> = { reason: "", code: 0 };
  #closed: LongwireError | undefined;

  /** @internal */
  constructor(url: string | URL, options: ConnectOptions) {
    this.url = webSocketUrl(url);
    this.#options = { ...DEFAULTS, ...options };
    const { retryFirstMs, retryMaxMs, random } = this.#options;
    this.#backoff = new Backoff(retryFirstMs, retryMaxMs, random);
    this.#outbox = new Outbox(this.#partHost(), this.#options.outbox ?? new MemoryStore(), {
      messagesMax: this.#options.outboxMessagesMax,
      bytesMax: this.#options.outboxBytesMax,
    });
    this.#presence = new Presence(this.#partHost());
    this.#renewal = new Renewal(
      () => this.authenticate(),
      (error) => this.#fail(error),
    );
    this.#stopWaking = onWake(() => this.wake());
    // Listeners that are added after `connect` returned hear of the first attempt too.
    queueMicrotask(() => void this.#attempt());
  }

  get state(): State {
    return this.#state;
  }

  /** What carries the connection, or did last. */
  get transport(): Transport | undefined {
    return this.#transport;
  }

  /** Published messages whose outcome is not known yet. */
  get pending(): number {
    return this.#outbox.store.size;
  }

  /** Call `listener` at each event of that name; returns the function that stops it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (event: ClientEvents[Name]) => void,
  ): () => void {
    return this.#emitter.on(name, listener);
  }

  /**
   * Read a stream: its messages go to the handler one by one, or to the loop that iterates over
   * the subscription. It goes on over reconnects, with nothing lost, nothing twice, in order; what
   * the server cannot give any more is named by a `gap` event.
   */
  subscribe<Data = unknown>(stream: string, handler?: Handler<Data>): Subscription<Data>;
  subscribe<Data = unknown>(
    stream: string,
    options: SubscribeOptions,
    handler?: Handler<Data>,
  ): Subscription<Data>;
  subscribe<Data = unknown>(
    stream: string,
    options: SubscribeOptions | Handler<Data> = {},
    handler?: Handler<Data>,
  ): Subscription<Data> {
    if (typeof options === "function") [options, handler] = [{}, options];
    if (this.#closed) throw this.#closed;
    if (this.#subscriptions.has(stream) || this.#patternThatReads(stream)) {
      throw alreadyReads(stream);
    }
    const subscription = new Subscription<Data>(
      this.#subscriptionHost(),
      stream,
      options,
      handler,
    );
    this.#subscriptions.set(stream, subscription as unknown as Subscription<never>);
    subscription.connected();
    return subscription;
  }

  /**
   * Read what is sent to this user, where the server has inboxes; otherwise the subscription ends
   * with the error `no_inbox`.
   */
  inbox<Data = unknown>(
    handler?: Handler<Data>,
    options: Pick<SubscribeOptions, "position"> = {},
  ): Subscription<Data> {
    if (this.#closed) throw this.#closed;
    if (this.#inbox) throw alreadyReads("its inbox");
    const inbox = new Subscription<Data>(this.#subscriptionHost(), "", options, handler);
    this.#inbox = inbox as unknown as Subscription<never>;
    if (this.#connection?.isUsable) this.#beginInbox(false);
    return inbox;
  }

  /**
   * Read every stream that matches, also those that are created later: `*` stands for one segment
   * or a piece of one, `**` for one or more. A stream that has a subscription of its own, or that
   * another pattern reads, is an error `already_subscribed`: use a second client for it.
   */
  subscribePattern<Data = unknown>(
    pattern: string,
    options: PatternOptions,
    handler: Handler<Data>,
  ): PatternSubscription<Data> {
    if (this.#closed) throw this.#closed;
    if (this.#patterns.has(pattern)) throw alreadyReads(pattern);
    const host = this.#partHost(() => void this.#patterns.delete(pattern));
    const subscription = new PatternSubscription<Data>(host, pattern, options, handler);
    this.#patterns.set(pattern, subscription as unknown as PatternSubscription<never>);
    subscription.connected();
    return subscription;
  }

  /** Work for a consumer: each delivery is acknowledged when its handler has returned. */
  consume<Data = unknown>(
    stream: string,
    consumer: string,
    options: ConsumeOptions,
    handler: DeliveryHandler<Data>,
  ): Consumer<Data> {
    if (this.#closed) throw this.#closed;
    const key = JSON.stringify([stream, consumer]);
    if (this.#consumers.has(key)) {
      const sentence = `this client consumes ${stream} as ${consumer} already`;
      throw new LongwireError("already_consuming", sentence);
    }
    const host = this.#partHost(() => void this.#consumers.delete(key));
    const worker = new Consumer<Data>(host, stream, consumer, options, handler);
    this.#consumers.set(key, worker as unknown as Consumer<never>);
    if (this.#connection?.isUsable) worker.connected();
    return worker;
  }

  /** Where a consumer stands, and how much of the stream is unread. */
  async consumerState(stream: string, consumer: string): Promise<ConsumerState> {
    return consumerStateOf(await this.#requests.ask("consumer", { stream, consumer }));
  }

  /** Remove a consumer, with its position. */
  async forgetConsumer(stream: string, consumer: string): Promise<void> {
    await this.#requests.ask("release", { stream, consumer, forget: true });
  }

  /**
   * Append a message, JSON or bytes, to a stream. Resolves once it is stored; stored once,
   * however often it had to be sent. Rejects with a LongwireError whose `outcome` tells whether
   * it may be stored all the same.
   */
  publish(stream: string, data: unknown, options: PublishOptions = {}): Promise<Ack> {
    return this.#outbox.publish(stream, data, options);
  }

  /** Append several messages next to each other, all or none. */
  publishBatch(
    stream: string,
    batch: readonly unknown[],
    options: PublishOptions = {},
  ): Promise<Ack> {
    return this.#outbox.publishBatch(stream, batch, options);
  }

  /** A page of a stream's past: what follows `after`, the latest before `before`, or of all. */
  async history<Data = unknown>(stream: string, options: HistoryOptions = {}): Promise<Page<Data>> {
    const { after, before, limit } = options;
    const answer = await this.#requests.ask("history", { stream, after, before, limit });
    const entries = answer.entries as Record<string, unknown>[];
    const messages = entries.map((entry) => messageOf<Data>(stream, entry));
    return { messages, more: answer.more === true, tail: String(answer.tail) };
  }

  /** Call a function of the application behind the server. Never repeated by itself. */
  async call<Result = unknown>(
    method: string,
    data?: unknown,
    { timeoutMs }: { timeoutMs?: number } = {},
  ): Promise<Result> {
    const timeout_s = timeoutMs === undefined ? undefined : timeoutMs / 1000;
    const answer = await this.#requests.ask("call", { method, data, timeout_s }, true);
    return answer.data as Result;
  }

  /** Make a request of docs/protocol.md as it stands there, once; resolves with its answer. */
  ask(op: string, members: object): Promise<ServerMessage> {
    return this.#requests.ask(op, members);
  }

  /** Be a member of a stream, over reconnects, until `leave`; again, to change the data. */
  enter(stream: string, data?: unknown): Promise<void> {
    return this.#presence.enter(stream, data);
  }

  /** Be no member any more. */
  leave(stream: string): Promise<void> {
    return this.#presence.leave(stream);
  }

  /** Who is there now. */
  async members(stream: string): Promise<Member[]> {
    const { members } = await this.#requests.ask("members", { stream });
    return members as Member[];
  }

  /** Follow who is there. */
  watch(stream: string, handler?: PresenceHandler): Watch {
    if (this.#closed) throw this.#closed;
    return this.#presence.watch(stream, handler);
  }

  /**
   * Show a token on the open connection: this one, or what the token option gives now. When the
   * server refuses it, the connection goes on with the one it had.
   */
  async authenticate(token?: string): Promise<void> {
    const shown = token ?? (await fetchToken(this.#options));
    if (shown === undefined) throw new LongwireError("bad_use", "there is no token");
    const answer = await this.#requests.ask("authenticate", { token: shown });
    if (typeof this.#options.token !== "function") this.#options.token = shown;
    this.#renewBefore(answer);
  }

  /** Wait until the outcome of everything published so far is known. */
  flush(): Promise<void> {
    return this.#outbox.flush();
  }

  /** Have doubts now: ask an open connection for a sign of life, end the wait for a retry. */
  wake(): void {
    if (this.#state === "open") this.#connection?.probe();
    else if (this.#state === "waiting") void this.#attempt();
  }

  /** End for good. What is not acknowledged is rejected: `await flush()` first to wait for it. */
  close(reason = ""): void {
    this.#connection?.close(1000, reason);
    this.#finish(new LongwireError("closed", reason || "the client was closed"));
  }

  // --- one attempt after the other --------------------------------------------------------

  async #attempt(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    this.#setState("connecting");
    let token: string | undefined;
    try {
      token = await fetchToken(this.#options);
    } catch (error) {
      return this.#attemptFailed(error as LongwireError);
    }
    if (!this.#fallback && this.#needsFallback) await this.#loadFallback();
    if (this.#state !== "connecting") return; // closed meanwhile
    const client = `longwire.js/${LONGWIRE_VERSION}`;
    const settings = { ...this.#options, client, token, inbox: this.#inbox?.held };
    try {
      this.#connection = (this.#fallback ?? this).open(this.#owner(), settings);
    } catch (cause) {
      const sentence = `cannot open ${this.url}: ${String(cause)}`;
      this.#attemptFailed(new LongwireError("connect_failed", sentence, { cause }));
    }
  }

  /** Open a WebSocket. Throws where there are none. @internal */
  open(owner: LinkOwner, settings: LinkSettings): Link {
    const WebSocket = this.#options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) throw new TypeError("there is no WebSocket here");
    return new Connection((events) => openWebSocket(this.url, WebSocket, events), owner, settings);
  }

  get #needsFallback(): boolean {
    const { transports, WebSocket = globalThis.WebSocket } = this.#options;
    if (transports) return String(transports) !== "websocket";
    // One that has worked is not doubted at once: its server may just be away.
    const hasFailed = this.#last.code === 1006 && this.#backoff.failures > (this.#transport ? 1 : 0);
    return hasFailed || !WebSocket || recall(this.url) !== null;
  }

  /** The other transports are a module of their own; without it in time the WebSocket has to do. */
  async #loadFallback(): Promise<void> {
    const loading = import("./longwire-http.js").then(({ Fallback }) => {
      this.#fallback ??= new Fallback(this, this.#options, errorOf);
    });
    await within(loading, this.#options.connectTimeoutMs).catch(() => undefined);
  }

  /** The attempt ended before there was a connection. */
  #attemptFailed(error: LongwireError): void {
    if (this.#closed) return;
    this.#ended({ code: 0, reason: error.message, reconnect: error.retry, livedMs: 0, error });
  }

  #owner(): LinkOwner {
    return {
      connected: (hello) => {
        // A better link may take over from one that lives.
        const isMove = this.#state === "open";
        if (isMove) this.#pause();
        this.#hello = hello;
        this.#renewBefore(hello);
        const [previous, transport] = [this.#transport, (hello.transport ?? "websocket") as Transport];
        this.#transport = transport;
        if (transport !== previous) this.#emitter.emit("transport", { transport, previous });
        this.#setState("open");
        if (this.#connection?.isUsable) this.#takeUp(!isMove);
      },
      delivered: (message) => this.#delivered(message),
      failed: (error) => this.#fail(error),
      ended: (ending) => this.#ended(ending),
    };
  }

  /** There is a new connection: go on with everything that outlives one. */
  #takeUp(isNew: boolean): void {
    const resume = (this.#resume = new Resume());
    if (this.#inbox) this.#beginInbox(isNew);
    for (const subscription of this.#subscriptions.values()) {
      if (subscription !== this.#inbox) subscription.connected();
    }
    this.#resume = undefined;
    resume.send((...request) => this.#connection?.request(...request), this.#limit("subscriptions"));
    for (const readers of [this.#patterns, this.#consumers]) {
      for (const reader of readers.values()) reader.connected();
    }
    this.#presence.connected();
    this.#outbox.connected();
    this.#requests.connected();
  }

  /** `isNew`: with this connection, to which the position was told. */
  #beginInbox(isNew: boolean): void {
    const inbox = this.#inbox as Subscription<never>;
    const answer = this.#hello?.inbox as ServerMessage | undefined;
    if (!answer) {
      const error = new LongwireError("no_inbox", "there is no inbox for this client");
      this.#fail(error);
      return inbox.end(error);
    }
    inbox.stream = String(answer.stream);
    this.#subscriptions.set(inbox.stream, inbox);
    if (isNew) return inbox.adopt(answer);
    // Nobody read what the server has delivered since the connection began.
    const { stream } = inbox;
    const again = (): void => inbox.connected();
    this.#connection?.request("unsubscribe", { stream }, again, again);
  }

  #renewBefore({ expires_in_s }: ServerMessage): void {
    const isRenewable = typeof this.#options.token === "function";
    this.#renewal.expiresIn(isRenewable ? expires_in_s : undefined);
  }

  #delivered(message: ServerMessage): void {
    const { stream, consumer } = message;
    if (consumer !== undefined) {
      return this.#consumers.get(JSON.stringify([stream, consumer]))?.received(message);
    }
    const reader = this.#patternThatReads(String(stream));
    const subscription = this.#subscriptions.get(String(stream));
    switch (message.op) {
      case "matched":
        return this.#matched(message, reader ?? subscription);
      case "entry":
        reader?.delivered(message);
        return subscription?.entry(message);
      case "gap":
        reader?.delivered(message);
        return subscription?.gap(message);
      case "closed":
        reader?.delivered(message);
        return subscription?.closed(message);
      case "ended":
        return this.#refused(message, reader, subscription);
      case "presence":
        return this.#presence.received(message);
      // Other operations belong to later versions of the protocol: passed over, as it asks.
    }
  }

  #patternThatReads(stream: string): PatternSubscription<never> | undefined {
    return [...this.#patterns.values()].find((pattern) => pattern.reads(stream));
  }

  #refused(
    message: ServerMessage,
    reader: PatternSubscription<never> | undefined,
    subscription: Subscription<never> | undefined,
  ): void {
    const error = errorOf(message);
    if (reader) reader.refused(String(message.stream), error);
    else if (subscription) subscription.refused(error);
    else {
      // There was no room for a stream of a pattern.
      for (const pattern of this.#patterns.values()) pattern.untold();
      this.#fail(error);
    }
  }

  #matched(message: ServerMessage, reader: object | undefined): void {
    const pattern = this.#patterns.get(String(message.pattern));
    if (!reader || !pattern || reader === pattern) return pattern?.matched(message);
    const error = alreadyReads(`${String(message.stream)}, which ${pattern.pattern} matches,`);
    this.#fail(error);
    this.#connection?.request("unsubscribe", { pattern: pattern.pattern }, () => undefined, () => undefined);
    pattern.end(error);
  }

  /** What outlives a connection waits for the next. */
  #pause(): void {
    this.#presence.disconnected();
    for (const readers of [this.#subscriptions, this.#patterns, this.#consumers]) {
      for (const reader of readers.values()) reader.disconnected();
    }
    this.#outbox.disconnected();
  }

  #ended(ending: Ending): void {
    this.#connection = undefined;
    this.#renewal.stop();
    this.#requests.disconnected();
    this.#last = { reason: ending.reason, code: ending.code };
    this.#pause();
    const { error } = ending;
    if (error) this.#fail(error);
    // A function may give a better token the next time.
    const isUnauthorized = error?.code === "unauthorized" || ending.code === UNAUTHORIZED;
    const mayRenew = isUnauthorized && typeof this.#options.token === "function";
    if (!ending.reconnect && !mayRenew) {
      const sentence = ending.reason || `the server closed with ${ending.code}`;
      const { code } = ending;
      const refusal = new LongwireError("closed_by_server", sentence, { details: { code } });
      if (!error) this.#fail(refusal);
      this.#finish(error ?? refusal);
      return;
    }
    const hadLived = this.#backoff.lost(Date.now(), ending.livedMs);
    let delayMs: number;
    if (ending.afterMs) delayMs = this.#backoff.within(ending.afterMs);
    else delayMs = hadLived ? 0 : this.#backoff.next(Date.now());
    if (delayMs === 0) return void this.#attempt();
    this.#retry = setTimeout(() => void this.#attempt(), delayMs);
    this.#setState("waiting", delayMs);
  }

  #finish(error: LongwireError): void {
    if (this.#closed) return;
    this.#closed = error;
    clearTimeout(this.#retry);
    this.#stopWaking();
    this.#connection = undefined;
    const isOwnWill = error.code === "closed";
    for (const subscription of [...this.#subscriptions.values()]) {
      subscription.end(isOwnWill ? undefined : error);
    }
    this.#renewal.stop();
    for (const readers of [this.#patterns, this.#consumers]) {
      for (const reader of [...readers.values()]) reader.end(error);
    }
    this.#inbox?.end(isOwnWill ? undefined : error);
    this.#requests.close(error);
    this.#presence.close(error);
    this.#outbox.close(error);
    this.#setState("closed");
  }

  // --- what the parts need ----------------------------------------------------------------

  /** How long to wait before what `error` refused is tried again, milliseconds. */
  #retryDelayMs(error: LongwireError, failures: number): number {
    const asked = Number(error.details.after_s) * 1000;
    if (asked >= 0) return asked;
    const { retryFirstMs, retryMaxMs, random } = this.#options;
    return random() * Math.min(retryMaxMs, retryFirstMs * 2 ** failures);
  }

  /** A limit that the server named, or Infinity. */
  #limit(name: string): number {
    const limits = this.#hello?.limits as Record<string, number> | undefined;
    return limits?.[name] ?? Infinity;
  }

  #subscriptionHost(): ConstructorParameters<typeof Subscription>[0] {
    return this.#partHost((subscription: Subscription<never>) => {
      this.#subscriptions.delete(subscription.stream);
      if (subscription === this.#inbox) this.#inbox = undefined;
    });
  }

  #partHost<Reader>(ended: (reader: Reader) => void = () => undefined): PartHost<Reader> {
    const client = this;
    return {
      ended,
      limit: (name) => client.#limit(name),
      ask: (...request) => client.#requests.ask(...request),
      get isUsable() {
        return client.#connection?.isUsable ?? false;
      },
      queueMessagesMax: client.#options.queueMessagesMax,
      request: (...request) => client.#connection?.request(...request),
      subscribe: (...request) => {
        if (client.#resume) client.#resume.add(...request);
        else client.#connection?.request("subscribe", ...request);
      },
      recovered: (event) => void client.#emitter.emit("recovered", event),
      finished: (event) => void client.#emitter.emit("end", event),
      gap: (event) => {
        if (client.#emitter.emit("gap", event)) return;
        const { stream, reason, held, position } = event;
        console.warn(`longwire: ${stream}: messages are missing (${reason}), ${held} … ${position}`);
      },
      failed: (error) => client.#fail(error),
      retryDelayMs: (error, failures) => client.#retryDelayMs(error, failures),
    };
  }

  #fail(error: LongwireError): void {
    if (!this.#emitter.emit("error", error)) console.error("longwire:", error);
  }

  #setState(state: State, retryInMs?: number): void {
    const previous = this.#state;
    if (state === previous) return;
    this.#state = state;
    this.#emitter.emit("state", {
      ...this.#last,
      state,
      previous,
      failures: this.#backoff.failures,
      ...(retryInMs === undefined ? {} : { retryInMs }),
    });
  }
}

function alreadyReads(what: string): LongwireError {
  const sentence = `this client reads ${what} already; use that one`;
  return new LongwireError("already_subscribed", sentence);
}

/**
 * Connect to a longwire server, and stay connected.
 *
 * @param url the server's `/ws`: absolute, or relative to the page.
 */
export function connect(url: string | URL = "/ws", options: ConnectOptions = {}): Client {
  return new Client(url, options);
}
