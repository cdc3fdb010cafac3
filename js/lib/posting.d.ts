import type { LongwireError } from "./errors.js";
import { type Exchange, type ExchangeEvents } from "./exchange.js";
import type { Operation } from "./lasting.js";
/** What posting needs of the link. */
export interface PostingHost {
    /** Post these behind a `connect`. */
    exchange(operations: readonly string[], events: ExchangeEvents): Exchange;
    readonly errorOf: (message: Readonly<Record<string, unknown>>) => LongwireError;
    /** From a request to its answer, milliseconds. */
    readonly answerTimeoutMs: number;
    /** The same for one whose answer may take its time. */
    readonly patientTimeoutMs: number;
    /** What was posted may or may not have taken effect. */
    failed(error: LongwireError): void;
}
/** One operation of a request, as it is sent. */
export declare function lineOf(id: number, { op, members, raw }: Operation): string;
/**
 * Requests that are made once. One POST is on the way at a time, so that publishes arrive in their
 * order; what is asked for meanwhile goes together in the next one. Those whose answer may take its
 * time do not stand in the way of the others.
 */
export declare class Posting {
    #private;
    constructor(host: PostingHost);
    /** Whether everything has been answered. */
    get isIdle(): boolean;
    post(operation: Operation, isPatient?: boolean): void;
    /** Another link sends what was published and is not on the way yet. */
    dropPublishes(): void;
    /** Nothing is sent or heard any more. */
    close(): void;
}
