/** The bound of a wait, as a part of the time since the connection was lost. */
const OUTAGE_PART = 0.75;

/** Milliseconds of outage that one millisecond of life makes good. */
const PAID_BACK = 10;

/** A connection that was open for so long had lived: its loss is answered by a retry at once. */
const LIVED_MS = 5000;

/**
 * When to try again: full jitter, each delay drawn evenly between zero and a bound, so that clients
 * which lost the server at one moment do not return at one moment. The bound is three quarters of
 * the time since the connection was lost: whoever was away for two seconds is back one and a half
 * later at the latest. While a connection lives the outage counts backwards, ten times as fast.
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

  /** A connection was lost. Returns whether it had lived: then the first attempt need not wait. */
  lost(nowMs: number, livedMs: number): boolean {
    const hadLived = livedMs >= LIVED_MS;
    if (hadLived) {
      this.#lostMs = nowMs;
      this.failures = 0;
    } else if (this.#lostMs !== undefined) {
      // What lies further back than the longest wait needs makes no difference to the waits.
      const began = Math.max(this.#lostMs, nowMs - livedMs - this.#maxMs / OUTAGE_PART);
      this.#lostMs = Math.min(nowMs, began + (1 + PAID_BACK) * livedMs);
    }
    return hadLived;
  }
}
