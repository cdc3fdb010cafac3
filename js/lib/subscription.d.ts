import { type Message } from "./message.js";
import { type Position } from "./position.js";
/** Where to begin: after a position, at the end, at the beginning, or with the last N messages. */
export interface SubscribeOptions {
    /** Go on after this position, which a message or a subscription had. Beats `start`. */
    position?: Position | undefined;
    /** Without a position: "tail" (the default) means what comes from now on. */
    start?: "tail" | "earliest" | {
        last: number;
    };
}
/** Called for each message, one after the other: the next waits for the promise. */
export type Handler<Data = unknown> = (message: Message<Data>) => void | Promise<void>;
/** A reconnected subscription goes on where it was; nothing is missing. */
export interface Recovered {
    readonly stream: string;
    readonly position: Position;
    /** How many messages were missed and follow now. */
    readonly missed: number;
}
/** Messages that will never come, as exactly as the server knows. */
export interface Gap {
    readonly stream: string;
    /** "trimmed", "epoch", "diverged", "ahead" …: docs/protocol.md explains them. */
    readonly reason: string;
    /** Up to where this subscription had read. */
    readonly held: Position;
    /** From where it goes on. */
    readonly position: Position;
}
/** The stream was closed and has been read to its end: no message will follow. */
export interface End {
    readonly stream: string;
    readonly position: Position;
}
/**
 * A reader of one stream. Give a handler, or iterate over it:
 * `for await (const message of subscription) …`
 *
 * Its `position` advances after a message was dealt with: after the handler returned (or its
 * promise settled), or when the loop asks for the next one.
 */
export declare class Subscription<Data = unknown> implements AsyncIterable<Message<Data>> {
    #private;
    /** Its name; of an inbox, empty until the server has told it. */
    stream: string;
    /** Settled with the first answer of the server: subscribed, or refused. */
    readonly ready: Promise<void>;
    /** How far this subscription has dealt with the stream; undefined before the first answer. */
    get position(): Position | undefined;
    /** Stop. Messages that were received and not handled yet are dropped; `position` says which. */
    unsubscribe(): void;
    [Symbol.asyncIterator](): AsyncGenerator<Message<Data>, void, void>;
}
