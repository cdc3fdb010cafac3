import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
import type { Numbers, OutboxLimits, OutboxStore, Pending, StoreHost } from "./outbox_store.js";
import type { Position } from "./position.js";
import { type Ack, type ProducerHost } from "./producer.js";
export interface PublishOptions {
    /** For streams that keep the latest message of each key. */
    key?: string;
    /** Store it only if the stream still ends at this position. */
    ifTail?: Position;
    /** Store it only if the server keeps this stream at least so safely. */
    durability?: "memory" | "disk" | "replicated";
}
/** The way from the outbox to the server. */
export interface OutboxLink {
    readonly isUsable: boolean;
    /** A limit that the server named, or Infinity. */
    limit(name: string): number;
    request: ProducerHost["request"];
    retryDelayMs: ProducerHost["retryDelayMs"];
    failed(error: LongwireError): void;
}
/**
 * What was published and is not acknowledged yet. It is sent in order, and again under the same
 * numbers after each reconnect; a store keeps it.
 */
export declare class Outbox implements ProducerHost, StoreHost {
    #private;
    readonly store: OutboxStore;
    constructor(link: OutboxLink, store: OutboxStore, limits: OutboxLimits);
    publish(stream: string, data: unknown, options: PublishOptions): Promise<Ack>;
    publishBatch(stream: string, batch: readonly unknown[], { key, ...options }: PublishOptions): Promise<Ack>;
    /** Wait until nothing is left, whatever became of it. */
    flush(): Promise<void>;
    connected(): void;
    disconnected(): void;
    close(error: LongwireError): void;
    owned(producerId: string, numbers: readonly Numbers[]): void;
    added(messages: readonly Pending[]): void;
    resized(): void;
    failed(error: LongwireError): void;
    get hasRoom(): boolean;
    get inFlightMax(): number;
    get rememberedMs(): number;
    request(op: string, members: object, answered: (message: ServerMessage) => void, refused: (error: LongwireError) => void, raw: string): void;
    answered(): void;
    retryDelayMs(error: LongwireError, failures: number): number;
    whyTooLarge(stream: string, bytes: number): LongwireError | undefined;
}
