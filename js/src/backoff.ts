/**
 * When to try again: full jitter, a delay anywhere between zero and a bound that doubles with
 * each failure, so that clients which lost the server at one moment do not return at one moment.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  failures = 0;

  constructor(firstMs: number, maxMs: number, random: () => number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Count one failure and return how long to wait after it, milliseconds. */
  next(): number {
    const boundMs = Math.min(this.#maxMs, this.#firstMs * 2 ** this.failures);
    this.failures += 1;
    return this.#random() * boundMs;
  }

  /** A delay anywhere in a range that the server asked for, milliseconds. */
  within([fromMs, toMs]: readonly [number, number]): number {
    return fromMs + this.#random() * Math.max(0, toMs - fromMs);
  }

  reset(): void {
    this.failures = 0;
  }
}
