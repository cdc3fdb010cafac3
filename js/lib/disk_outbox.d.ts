import { type Ack, LongwireError, type Numbers, type OutboxLimits, type OutboxStore, type Pending, type StoreHost } from "./longwire.js";
/**
 * Keeps published messages in IndexedDB, over reloads and restarts of the browser, until the server
 * has stored them.
 *
 * All tabs of a site that use the same name share one outbox. One of them, by a Web Lock, is its
 * owner and sends; the others add to the database and hear from the owner what became of it. When
 * the owner is closed or dies the next one takes over, with the same producer, epoch and numbers. A
 * name stands for one server and one user.
 */
export declare class DiskOutbox implements OutboxStore {
    #private;
    readonly name: string;
    readonly opened: Promise<void>;
    /** Throws a `LongwireError`, code `outbox_unusable`, where a browser's storage is missing. */
    constructor(name: string);
    get size(): number;
    open(host: StoreHost, limits: OutboxLimits): void;
    add(stream: string, payload: string, bytes: number): Promise<Ack>;
    /** Resolves when what was published so far is on the disk, or was refused. */
    kept(): Promise<void>;
    number(messages: readonly Pending[], numbers: Numbers, done: () => void): void;
    settle(message: Pending, numbers: Numbers, outcome: Ack | LongwireError): void;
    close(error: LongwireError): void;
}
