import type { Position } from "./position.js";
/** One message of a stream. */
export interface Message<Data = unknown> {
    readonly stream: string;
    /** Where the stream is read up to once this message is dealt with. */
    readonly position: Position;
    /** When the server stored it, milliseconds since 1970. */
    readonly time: number;
    /** What was published: JSON, or a Uint8Array where bytes were published. */
    readonly data: Data;
    /** What it was published with, where the stream keeps the latest of each key. */
    readonly key?: string;
    /** Only true: the payload was erased, `data` is undefined. */
    readonly erased?: boolean;
}
/** From an entry of the protocol. */
export declare function messageOf<Data>(stream: string, entry: Readonly<Record<string, unknown>>): Message<Data>;
/** A piece of a stream's past, in its order. */
export interface Page<Data = unknown> {
    readonly messages: readonly Message<Data>[];
    /** Whether there are further ones in the direction asked for. */
    readonly more: boolean;
    readonly tail: Position;
}
/** What follows `after`, or the latest before `before`, or the latest of all. */
export interface HistoryOptions {
    after?: Position;
    before?: Position;
    limit?: number;
}
