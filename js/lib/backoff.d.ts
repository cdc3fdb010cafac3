/**
 * When to try again: full jitter, a delay anywhere between zero and a bound that doubles with
 * each failure, so that clients which lost the server at one moment do not return at one moment.
 */
export declare class Backoff {
    #private;
    failures: number;
    constructor(firstMs: number, maxMs: number, random: () => number);
    /** Count one failure and return how long to wait after it, milliseconds. */
    next(): number;
    /** A delay anywhere in a range that the server asked for, milliseconds. */
    within([fromMs, toMs]: readonly [number, number]): number;
    reset(): void;
}
