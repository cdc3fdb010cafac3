import type { Answered, Link, LinkOwner, LinkSettings, Refused } from "./link.js";
import type { OpenTransport } from "./transport.js";
/**
 * The link over one transport, from its opening to its end: the hello, requests and their answers,
 * and the question whether the other side is still there.
 */
export declare class Connection implements Link {
    #private;
    constructor(open: OpenTransport, owner: LinkOwner, settings: LinkSettings);
    get isUsable(): boolean;
    request(op: string, members: object, answered: Answered, refused: Refused, raw?: string, isPatient?: boolean): void;
    probe(): void;
    close(code: number, reason: string): void;
}
