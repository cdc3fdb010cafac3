import { LongwireError } from "./errors.js";
import { within } from "./within.js";

export type Token = string | (() => string | Promise<string>);

/** A token is replaced when this part of its life has passed. */
const LIFE_PART = 0.75;
/** A refused renewal is tried again after this part of what is left. */
const LEFT_PART = 0.5;
/** The longest timer that there is, milliseconds. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Fetch the token. Rejects with a `LongwireError`, code `token_failed`, also after that time. */
export async function fetchToken(options: {
  token?: Token | undefined;
  connectTimeoutMs: number;
}): Promise<string | undefined> {
  const { token, connectTimeoutMs } = options;
  try {
    return typeof token === "function" ? await within(token(), connectTimeoutMs) : token;
  } catch (cause) {
    const sentence = `the token function failed: ${String(cause)}`;
    throw new LongwireError("token_failed", sentence, { retry: true, cause });
  }
}

/** Renews the token of an open connection before it expires. */
export class Renewal {
  readonly #renew: () => Promise<void>;
  readonly #failed: (error: LongwireError) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expiresMs = Infinity;

  constructor(renew: () => Promise<void>, failed: (error: LongwireError) => void) {
    this.#renew = renew;
    this.#failed = failed;
  }

  /** The server's word for how long the token is good, seconds; anything else: for ever. */
  expiresIn(seconds: unknown): void {
    this.stop();
    if (typeof seconds !== "number") return;
    this.#expiresMs = Date.now() + seconds * 1000;
    this.#wait(seconds * 1000 * LIFE_PART);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#expiresMs = Infinity;
  }

  #wait(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#expire(), Math.min(delayMs, TIMER_MS_MAX));
  }

  async #expire(): Promise<void> {
    const expiresMs = this.#expiresMs;
    try {
      await this.#renew();
    } catch (error) {
      if (this.#expiresMs !== expiresMs) return; // the connection ended meanwhile
      this.#failed(error as LongwireError);
      // At the latest the server closes, with a code that asks to come back with a new token.
      const leftMs = expiresMs - Date.now();
      if (leftMs > 1000) this.#wait(leftMs * LEFT_PART);
    }
  }
}
