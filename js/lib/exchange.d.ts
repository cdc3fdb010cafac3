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
export declare const UNREACHABLE = "unreachable";
export declare const OVERDUE = "overdue";
export declare const BROKEN = "connection_lost";
export declare const BAD_ANSWER = "bad_answer";
export declare const EVENTS = "text/event-stream";
export declare const LINES = "application/x-ndjson";
/**
 * One POST of operations, one on a line, and the messages of its answer as they come: docs/protocol.md
 * section 18.
 */
export declare class Exchange {
    #private;
    constructor(settings: HttpSettings, accept: Accept, operations: readonly string[], events: ExchangeEvents, 
    /** For how long the answer may wait for news, seconds; left out: as long as the server likes. */
    waitS?: number);
    /** From now on so long, then it is over. */
    limit(timeoutMs: number, reason: string): void;
    abort(): void;
}
