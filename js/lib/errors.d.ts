/** What is known about a publish that failed; "kept": a store of the outbox has it, it will be sent. */
export type Outcome = "not_stored" | "unknown" | "kept";
/**
 * Everything that goes wrong, with a `code` to act on and a sentence to show.
 *
 * Codes of the server stand in docs/protocol.md; docs/javascript.md lists those of the client.
 */
export declare class LongwireError extends Error {
    #private;
    readonly name = "LongwireError";
    readonly code: string;
    /** Whether the same request may succeed later. */
    readonly retry: boolean;
    /** Set when a publish failed: whether its message may have been stored all the same. */
    readonly outcome?: Outcome;
    /** The further fields of the server's answer, such as `expected`. */
    readonly details: Readonly<Record<string, unknown>>;
    constructor(code: string, message: string, options?: {
        retry?: boolean;
        outcome?: Outcome;
        details?: Record<string, unknown>;
        cause?: unknown;
    });
    /** The same error, said of a publish. */
    withOutcome(outcome: Outcome): LongwireError;
}
/** From an `error` of the protocol, or another message that has its members. */
export declare function errorOf(message: Readonly<Record<string, unknown>>): LongwireError;
