import type { ServerMessage } from "./connection.js";
import { LongwireError } from "./errors.js";
import type { Position } from "./position.js";
import { type Ack, type Pending, type ProducerHost } from "./producer.js";
export interface PublishOptions {
    /** For streams that keep the latest message of each key. */
    key?: string;
    /** Store it only if the stream still ends at this position. */
    ifTail?: Position;
    /** Store it only if the server keeps this stream at least so safely. */
    durability?: "memory" | "disk" | "replicated";
}
export interface OutboxLimits {
    readonly messagesMax: number;
    readonly bytesMax: number;
}
/** The way from the outbox to the server. */
export interface OutboxLink {
    readonly isUsable: boolean;
    /** A limit that the server named, or Infinity. */
    limit(name: string): number;
    request: ProducerHost["request"];
    retryDelayMs: ProducerHost["retryDelayMs"];
}
/**
 * What was published and is not acknowledged yet, in memory, bounded in messages and bytes.
 * It is sent again, in order and under the same numbers, after each reconnect.
 */
export declare class Outbox implements ProducerHost {
    #private;
    readonly producerId: string;
    constructor(link: OutboxLink, limits: OutboxLimits);
    get size(): number;
    get hasRoom(): boolean;
    get inFlightMax(): number;
    publish(stream: string, data: unknown, options: PublishOptions): Promise<Ack>;
    publishBatch(stream: string, batch: readonly unknown[], { key, ...options }: PublishOptions): Promise<Ack>;
    /** Wait until nothing is left, whatever became of it. */
    flush(): Promise<void>;
    connected(): void;
    disconnected(): void;
    close(error: LongwireError): void;
    request(op: string, members: object, answered: (message: ServerMessage) => void, refused: (error: LongwireError) => void, raw: string): void;
    answered(): void;
    retryDelayMs(error: LongwireError, failures: number): number;
    whyTooLarge(stream: string, bytes: number): LongwireError | undefined;
    settled(pending: Pending): void;
}
