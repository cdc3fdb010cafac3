/** What is known about a publish that failed; "kept": a store of the outbox has it, it will be sent. */
export type Outcome = "not_stored" | "unknown" | "kept";

/**
 * Everything that goes wrong, with a `code` to act on and a sentence to show.
 *
 * Codes of the server stand in docs/protocol.md; docs/javascript.md lists those of the client.
 */
export class LongwireError extends Error {
  override readonly name = "LongwireError";
  readonly code: string;
  /** Whether the same request may succeed later. */
  readonly retry: boolean;
  /** Set when a publish failed: whether its message may have been stored all the same. */
  readonly outcome?: Outcome;
  /** The further fields of the server's answer, such as `expected`. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: {
      retry?: boolean;
      outcome?: Outcome;
      details?: Record<string, unknown>;
      cause?: unknown;
    } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retry = options.retry ?? false;
    if (options.outcome) this.outcome = options.outcome;
    this.details = options.details ?? {};
  }

  /** The same error, said of a publish. */
  withOutcome(outcome: Outcome): LongwireError {
    return this.#with({ outcome });
  }

  /** The same error, with what it is about. @internal */
  about(more: Record<string, unknown>): LongwireError {
    return this.#with({ details: { ...this.details, ...more } });
  }

  #with(more: Partial<LongwireError>): LongwireError {
    return new LongwireError(this.code, this.message, { cause: this.cause, ...this, ...more });
  }
}

/** From an `error` of the protocol, or another message that has its members. */
export function errorOf(message: Readonly<Record<string, unknown>>): LongwireError {
  const { op: _op, id: _id, code, message: sentence, retry, ...details } = message;
  return new LongwireError(
    typeof code === "string" ? code : "internal",
    typeof sentence === "string" ? sentence : "no reason was given",
    { retry: retry === true, details },
  );
}
