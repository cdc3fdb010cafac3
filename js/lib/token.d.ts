import { LongwireError } from "./errors.js";
export type Token = string | (() => string | Promise<string>);
/** Fetch the token. Rejects with a `LongwireError`, code `token_failed`, also after that time. */
export declare function fetchToken(options: {
    token?: Token | undefined;
    connectTimeoutMs: number;
}): Promise<string | undefined>;
/** Renews the token of an open connection before it expires. */
export declare class Renewal {
    #private;
    constructor(renew: () => Promise<void>, failed: (error: LongwireError) => void);
    /** The server's word for how long the token is good, seconds; anything else: for ever. */
    expiresIn(seconds: unknown): void;
    stop(): void;
}
