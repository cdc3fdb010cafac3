import { LongwireError } from "./errors.js";
import type { OutboxLimits, OutboxStore, Pending, StoreHost } from "./outbox_store.js";
import type { Ack } from "./producer.js";
/** Keeps published messages as long as the page or process lives. */
export declare class MemoryStore implements OutboxStore {
    #private;
    get size(): number;
    open(host: StoreHost, limits: OutboxLimits): void;
    add(stream: string, payload: string, bytes: number): Promise<Ack>;
    number(_messages: unknown, _numbers: unknown, done: () => void): void;
    settle(pending: Pending, _numbers: unknown, outcome: Ack | LongwireError): void;
    close(error: LongwireError): void;
}
