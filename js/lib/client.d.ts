import { type ConsumeOptions, Consumer, type ConsumerState, type DeliveryHandler } from "./consumer.js";
import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
import { type HistoryOptions, type Page } from "./message.js";
import { type PublishOptions } from "./outbox.js";
import type { OutboxStore } from "./outbox_store.js";
import { type PatternOptions, PatternSubscription } from "./pattern.js";
import { type Member, type PresenceHandler, type Watch } from "./presence.js";
import type { Ack } from "./producer.js";
import { type End, type Gap, type Handler, type Recovered, type SubscribeOptions, Subscription } from "./subscription.js";
import { type Token } from "./token.js";
import { type WebSocketConstructor } from "./transport.js";
import { type FallbackOptions, type Transport, type TransportChange } from "./transports.js";
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
/**
 * One connection to a longwire server that comes back by itself, with the streams it reads and
 * what it has published. Made by `connect`.
 *
 * What happens is said by events, see `on`: `state`, `recovered`, `gap`, `end` and `error`. A gap or an
 * error that nobody listens for goes to the console.
 */
export declare class Client {
    #private;
    /** The address of the WebSocket. */
    readonly url: string;
    get state(): State;
    /** What carries the connection, or did last. */
    get transport(): Transport | undefined;
    /** Published messages whose outcome is not known yet. */
    get pending(): number;
    /** Call `listener` at each event of that name; returns the function that stops it. */
    on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void;
    /**
     * Read a stream: its messages go to the handler one by one, or to the loop that iterates over
     * the subscription. It goes on over reconnects, with nothing lost, nothing twice, in order; what
     * the server cannot give any more is named by a `gap` event.
     */
    subscribe<Data = unknown>(stream: string, handler?: Handler<Data>): Subscription<Data>;
    subscribe<Data = unknown>(stream: string, options: SubscribeOptions, handler?: Handler<Data>): Subscription<Data>;
    /**
     * Read what is sent to this user, where the server has inboxes; otherwise the subscription ends
     * with the error `no_inbox`.
     */
    inbox<Data = unknown>(handler?: Handler<Data>, options?: Pick<SubscribeOptions, "position">): Subscription<Data>;
    /**
     * Read every stream that matches, also those that are created later: `*` stands for one segment
     * or a piece of one, `**` for one or more. A stream that has a subscription of its own, or that
     * another pattern reads, is an error `already_subscribed`: use a second client for it.
     */
    subscribePattern<Data = unknown>(pattern: string, options: PatternOptions, handler: Handler<Data>): PatternSubscription<Data>;
    /** Work for a consumer: each delivery is acknowledged when its handler has returned. */
    consume<Data = unknown>(stream: string, consumer: string, options: ConsumeOptions, handler: DeliveryHandler<Data>): Consumer<Data>;
    /** Where a consumer stands, and how much of the stream is unread. */
    consumerState(stream: string, consumer: string): Promise<ConsumerState>;
    /** Remove a consumer, with its position. */
    forgetConsumer(stream: string, consumer: string): Promise<void>;
    /**
     * Append a message, JSON or bytes, to a stream. Resolves once it is stored; stored once,
     * however often it had to be sent. Rejects with a LongwireError whose `outcome` tells whether
     * it may be stored all the same.
     */
    publish(stream: string, data: unknown, options?: PublishOptions): Promise<Ack>;
    /** Append several messages next to each other, all or none. */
    publishBatch(stream: string, batch: readonly unknown[], options?: PublishOptions): Promise<Ack>;
    /** A page of a stream's past: what follows `after`, the latest before `before`, or of all. */
    history<Data = unknown>(stream: string, options?: HistoryOptions): Promise<Page<Data>>;
    /** Call a function of the application behind the server. Never repeated by itself. */
    call<Result = unknown>(method: string, data?: unknown, { timeoutMs }?: {
        timeoutMs?: number;
    }): Promise<Result>;
    /** Make a request of docs/protocol.md as it stands there, once; resolves with its answer. */
    ask(op: string, members: object): Promise<ServerMessage>;
    /** Be a member of a stream, over reconnects, until `leave`; again, to change the data. */
    enter(stream: string, data?: unknown): Promise<void>;
    /** Be no member any more. */
    leave(stream: string): Promise<void>;
    /** Who is there now. */
    members(stream: string): Promise<Member[]>;
    /** Follow who is there. */
    watch(stream: string, handler?: PresenceHandler): Watch;
    /**
     * Show a token on the open connection: this one, or what the token option gives now. When the
     * server refuses it, the connection goes on with the one it had.
     */
    authenticate(token?: string): Promise<void>;
    /** Wait until the outcome of everything published so far is known. */
    flush(): Promise<void>;
    /** Have doubts now: ask an open connection for a sign of life, end the wait for a retry. */
    wake(): void;
    /** End for good. What is not acknowledged is rejected: `await flush()` first to wait for it. */
    close(reason?: string): void;
}
/**
 * Connect to a longwire server, and stay connected.
 *
 * @param url the server's `/ws`: absolute, or relative to the page.
 */
export declare function connect(url?: string | URL, options?: ConnectOptions): Client;
