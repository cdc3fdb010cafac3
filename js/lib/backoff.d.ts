/**
 * When to try again: full jitter, each delay drawn evenly between zero and a bound, so that clients
 * which lost the server at one moment do not return at one moment. The bound is three quarters of
 * the time since the connection was lost: whoever was away for two seconds is back one and a half
 * later at the latest. While a connection lives the outage counts backwards, ten times as fast.
 */
export declare class Backoff {
    #private;
    failures: number;
    constructor(firstMs: number, maxMs: number, random: () => number);
    /** Count one failure and return how long to wait after it, milliseconds. */
    next(nowMs: number): number;
    /** A delay anywhere in a range that the server asked for, milliseconds. */
    within([fromMs, toMs]: readonly [number, number]): number;
    /** A connection was lost. Returns whether it had lived: then the first attempt need not wait. */
    lost(nowMs: number, livedMs: number): boolean;
}
