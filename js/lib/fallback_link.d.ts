import type { Fallback } from "./fallback.js";
import type { Answered, Link, LinkOwner, LinkSettings, Refused } from "./link.js";
/** A link over one transport; one over HTTP can be retired when a better one takes over. */
export type Rung = Link & {
    retire?(): void;
};
/**
 * One connection over whatever carries it: an attempt that goes down from transport to transport,
 * and once it is open, attempts with better ones beside it. When one of these is open too it takes
 * over: the owner is told by another `connected`, and goes on there.
 */
export declare class FallbackLink implements Link {
    #private;
    constructor(fallback: Fallback, owner: LinkOwner, settings: LinkSettings);
    get isUsable(): boolean;
    request(op: string, members: object, answered: Answered, refused: Refused, raw?: string, isPatient?: boolean): void;
    probe(): void;
    close(code: number, reason: string): void;
}
