import { type LastingHost, type Operation } from "./lasting.js";
import type { Answered, Refused, ServerMessage } from "./link.js";
/** Everything that a client asked for to last. */
export declare class LastingSet {
    #private;
    constructor(host: Omit<LastingHost, "drop">);
    get isEmpty(): boolean;
    /** Whether the client waits for the answer to one. */
    get hasNew(): boolean;
    /** From where `connect` is to read the inbox: `held` while it has no name; undefined: not at all. */
    inboxPlace(held: string | undefined): string | undefined;
    /** What `connected` says of the inbox. */
    adoptInbox(answer: ServerMessage): void;
    /** Take a request that lasts, or that ends one which does; false: it has to be sent by itself. */
    take(op: string, given: object, answered: Answered, refused: Refused): boolean;
    /** The server has answered a request that was sent by itself. */
    answered(op: string, given: object): void;
    /**
     * What the server is still to be told of when nothing is read any more: what is ending, and to give
     * back what consumers have delivered, to whoever goes on and need not wait for it.
     */
    endings(): Operation[];
    /** How to ask for all of it. */
    operations(): Operation[];
    /** Something came that the server sent by itself; tells whether the client is to hear of it. */
    heard(message: ServerMessage): boolean;
}
