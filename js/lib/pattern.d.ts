import { type Position } from "./position.js";
import type { SubscribeOptions } from "./subscription.js";
export interface PatternOptions {
    /** For the streams that exist now. Default "tail". */
    start?: SubscribeOptions["start"];
    /** Go on after these: `positions` of an earlier one, by stream. */
    positions?: Readonly<Record<string, Position>>;
}
/**
 * A reader of every stream whose name matches a pattern: each complete and in order, gaps named;
 * between streams the order is that of arrival.
 */
export declare class PatternSubscription<Data = unknown> {
    #private;
    readonly pattern: string;
    /** Settled with the server's first answer. */
    readonly ready: Promise<void>;
    /** How far each stream has been dealt with. */
    get positions(): Record<string, Position>;
    /** Stop. What was received and not handled yet is dropped; `positions` say which. */
    unsubscribe(): void;
}
