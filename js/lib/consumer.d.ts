import type { ServerMessage } from "./link.js";
import { type Message } from "./message.js";
import type { Position } from "./position.js";
import type { SubscribeOptions } from "./subscription.js";
/** One entry, delivered to a consumer's worker. */
export interface Delivery<Data = unknown> extends Message<Data> {
    readonly consumer: string;
    /** 1 the first time, then 2, 3 … */
    readonly attempt: number;
}
export interface ConsumeOptions {
    /** Where a consumer that does not exist yet begins. Default "earliest". */
    start?: SubscribeOptions["start"];
    /** Most deliveries without an acknowledgement. Default 100. */
    window?: number;
    /** After so long without an acknowledgement an entry is delivered again. Default 30,000. */
    ackWaitMs?: number;
    /** After so long one whose handler failed is delivered again. Default 1,000. */
    retryAfterMs?: number;
}
/** Where a consumer stands. */
export interface ConsumerState {
    readonly exists: boolean;
    /** Everything up to here has been acknowledged. */
    readonly position: Position;
    readonly tail: Position;
    /** Entries after `position` that are not acknowledged. */
    readonly unread: number;
    /** Those of them that are delivered and not acknowledged yet. */
    readonly pending: number;
}
export type DeliveryHandler<Data = unknown> = (delivery: Delivery<Data>) => void | Promise<void>;
/**
 * Works for a consumer, a position that the server keeps. A delivery is acknowledged when its
 * handler has returned, and comes again when the handler failed or the connection was lost.
 */
export declare class Consumer<Data = unknown> {
    #private;
    readonly stream: string;
    readonly name: string;
    /** Settled with the server's first answer. */
    readonly ready: Promise<ConsumerState>;
    /** Stop. What is not acknowledged goes to others at once. */
    release(): void;
}
/** From `consuming` or `consumer`. */
export declare function consumerStateOf(answer: ServerMessage): ConsumerState;
