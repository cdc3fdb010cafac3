/** The bound of a wait, as a part of the time since the connection was lost. */
const OUTAGE_PART = 0.75;

/**
 * When to try again: full jitter, each delay drawn evenly between zero and a bound, so that clients
 * which lost the server at one moment do not return at one moment. The bound is three quarters of
 * the time since the connection was lost: whoever was away for two seconds is back one and a half
 * later at the latest.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #lostMs: number | undefined;
  failures = 0;

  constructor(firstMs: number, maxMs: number, random: () => number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Count one failure and return how long to wait after it, milliseconds. */
  next(nowMs: number): number {
    this.#lostMs ??= nowMs;
    this.failures += 1;
    const outageMs = nowMs - this.#lostMs;
    return this.#random() * Math.min(this.#maxMs, Math.max(this.#firstMs, OUTAGE_PART * outageMs));
  }

  /** A delay anywhere in a range that the server asked for, milliseconds. */
  within([fromMs, toMs]: readonly [number, number]): number {
    return fromMs + this.#random() * Math.max(0, toMs - fromMs);
  }

  /** A connection that had lived was lost: the outage begins now. */
  lived(nowMs: number): void {
    this.#lostMs = nowMs;
    this.failures = 0;
  }
}
