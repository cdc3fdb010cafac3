import { type Accept, type HttpSettings } from "./exchange.js";
import type { Answered, Ending, Link, LinkOwner, LinkSettings, Refused } from "./link.js";
/** Why a link over HTTP ended, for those who choose the next one. */
export interface HttpEnding extends Ending {
    /** The code of what went wrong on the way; undefined: the server said it itself. */
    readonly fault?: string | undefined;
}
export interface HttpLinkSettings extends LinkSettings {
    /** From a request for events to the first one; then something on the way holds them back. */
    readonly firstEventTimeoutMs?: number | undefined;
}
/**
 * The link over plain HTTP, which knows no sessions: one request at a time reads (`Reading`), others
 * ask and publish (`Posting`).
 */
export declare class HttpLink implements Link {
    #private;
    constructor(http: HttpSettings, accept: Accept, owner: LinkOwner, settings: HttpLinkSettings);
    get isUsable(): boolean;
    request(op: string, members: object, answered: Answered, refused: Refused, raw?: string, isPatient?: boolean): void;
    probe(): void;
    close(): void;
    /**
     * Another link has taken over: reading ends at once. What was asked is still answered, but for
     * publishes, which are sent again there.
     */
    retire(): void;
}
