import { LongwireError } from "./errors.js";
export type Token = string | (() => string | Promise<string>);
/** Fetch the token. Rejects with a `LongwireError`, code `token_failed`, also after `timeoutMs`. */
export declare function fetchToken(token: Token | undefined, timeoutMs: number): Promise<string | undefined>;
/** Renews the token of an open connection before it expires. */
export declare class Renewal {
    #private;
    constructor(renew: () => Promise<void>, failed: (error: LongwireError) => void);
    /** The server's word for how long the token is good, seconds; anything else: for ever. */
    expiresIn(seconds: unknown): void;
    stop(): void;
}
