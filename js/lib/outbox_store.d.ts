import type { LongwireError } from "./errors.js";
import type { Ack } from "./producer.js";
/** A message on its way: from `publish()` until its outcome is known. */
export interface Pending {
    readonly stream: string;
    /** Members of a JSON object, encoded: `"data":…`, `"base64":…` or `"batch":…`, and options. */
    readonly payload: string;
    /** Length of the payload. */
    readonly bytes: number;
    /** Its number; undefined before its first sending, and again once it is known not to be stored. */
    sequence?: number | undefined;
    /** When it got its number, milliseconds since 1970. */
    numberedMs: number;
    /** Its number is kept as safely as the store keeps things: it may be sent. */
    isReady: boolean;
    isInFlight: boolean;
    /** Sent on a connection that ended before the answer: it may be stored. */
    isUncertain: boolean;
}
/** Where the numbers of one stream stand. */
export interface Numbers {
    readonly stream: string;
    readonly epoch: number;
    /** The next number. */
    readonly next: number;
    /** One more than the highest number that the server accepted in this epoch. */
    readonly accepted: number;
}
/** What the messages that wait together may have. */
export interface OutboxLimits {
    readonly messagesMax: number;
    readonly bytesMax: number;
}
/** What an outbox hears from its store. */
export interface StoreHost {
    /** This client sends from now on, as this producer, whose numbers stand there. */
    owned(producerId: string, numbers: readonly Numbers[]): void;
    /** Send these, in this order, behind all before. */
    added(messages: readonly Pending[]): void;
    /** `size` has changed. */
    resized(): void;
    /** Something went wrong that no promise tells. */
    failed(error: LongwireError): void;
}
/**
 * Where published messages are kept until their outcome is known: in memory unless `connect` is
 * given another one. A store belongs to one client. Of several clients on the same messages one is
 * the owner, who alone hears `owned` and `added` and calls `number` and `settle`.
 */
export interface OutboxStore {
    /** Messages without an outcome, as far as this client has to do with them. */
    readonly size: number;
    /** Settles when it is known what was left from before; undefined: that is nothing. */
    readonly opened?: Promise<void>;
    /** Called once, before all else. Throws a `LongwireError` when it cannot be used. */
    open(host: StoreHost, limits: OutboxLimits): void;
    /**
     * Keep a message; resolves or rejects with its outcome. Rejects with `outbox_full` when there is
     * no room for it.
     */
    add(stream: string, payload: string, bytes: number): Promise<Ack>;
    /** Keep the numbers that these messages have now, or have no more; then call `done`. */
    number(messages: readonly Pending[], numbers: Numbers, done: () => void): void;
    /** The outcome of a message is known: keep it no longer. */
    settle(message: Pending, numbers: Numbers, outcome: Ack | LongwireError): void;
    /** This client sends nothing more. */
    close(error: LongwireError): void;
}
