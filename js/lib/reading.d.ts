import type { LongwireError } from "./errors.js";
import { type Exchange, type ExchangeEvents, type Accept } from "./exchange.js";
import type { LastingSet } from "./lasting_set.js";
import type { ServerMessage } from "./link.js";
/** What reading needs of the link. */
export interface ReadingHost {
    readonly errorOf: (message: Readonly<Record<string, unknown>>) => LongwireError;
    readonly lasting: LastingSet;
    /** Post these behind a `connect` that asks for the inbox. */
    exchange(operations: readonly string[], events: ExchangeEvents, waitS: number | undefined): Exchange;
    /** The answer to `connect`: of each request. */
    connected(hello: ServerMessage): void;
    delivered(message: ServerMessage): void;
    failed(error: LongwireError): void;
    /** The server goes away: the present response is the last one. */
    closing(message: ServerMessage): void;
    /** The last call: this transport does not carry any more. */
    ended(error: LongwireError): void;
}
export interface ReadingTimes {
    /** From a request for events to the first one; then something on the way holds them back. */
    readonly firstEventTimeoutMs: number;
    readonly answerTimeoutMs: number;
    readonly probeTimeoutMs: number;
}
/**
 * One request after the other that brings what a client reads.
 *
 * Each tells again all that lasts, from where the last one has come: so it does not matter when a
 * response ends, nor which server gives the next. Of events a response stays open and brings what
 * comes; a long-poll ends with the first news.
 */
export declare class Reading {
    #private;
    constructor(host: ReadingHost, accept: Accept, times: ReadingTimes);
    /** What lasts is another, or the token is: have the server know. */
    change(): void;
    /** Whether somebody is there is asked by beginning anew. */
    probe(): void;
    stop(): void;
    /** Ask the server anew. `timeoutMs`: for a sign of life. */
    begin(timeoutMs?: number): void;
}
