import { type HttpSettings } from "./exchange.js";
import { type Rung } from "./fallback_link.js";
import { type HttpEnding } from "./http_link.js";
import type { Link, LinkOwner, LinkSettings } from "./link.js";
import { type FallbackOptions, type Transport } from "./transports.js";
/** What a fallback needs of its client. */
export interface FallbackHost {
    /** The address of the WebSocket. */
    readonly url: string;
    /** What carries the connection, or did last. */
    readonly transport: Transport | undefined;
    /** Open a WebSocket. Throws where there are none. */
    open(owner: LinkOwner, settings: LinkSettings): Link;
}
/**
 * Chooses the transport: the best one that works here, which is found from the top down and
 * remembered, in a page also over reloads of it.
 *
 * One attempt goes down as long as a transport does not come through; it ends where the server has
 * spoken, or where nobody can be reached, which no other transport would mend.
 */
export declare class Fallback {
    #private;
    constructor(host: FallbackHost, options: FallbackOptions, errorOf: HttpSettings["errorOf"]);
    /** Begin an attempt. */
    open(owner: LinkOwner, settings: LinkSettings): Link;
    get start(): number;
    nameOf(rung: number): Transport;
    /** Open a link over one transport. Throws where that does not exist. */
    openRung(rung: number, owner: LinkOwner, settings: LinkSettings): Rung;
    /** A link is open. */
    worked(rung: number): void;
    /** An attempt with one ended before it was open: the one to go on with at once, if any. */
    after(rung: number, ending: HttpEnding): number | undefined;
    /** A link that was open has ended. */
    lost(rung: number, { livedMs, fault }: HttpEnding): void;
    /** How long to wait before a better transport is tried, milliseconds. */
    nextBetterMs(): number;
    /** A better transport is tried now. */
    triesBetter(): void;
    /** There is a reason to hope: the machine woke, or is in another network. */
    hope(): void;
}
