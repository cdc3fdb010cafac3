import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
import type { Numbers, OutboxStore, Pending } from "./outbox_store.js";
import type { Position } from "./position.js";
/** The server's word that a publish is stored. */
export interface Ack {
    readonly stream: string;
    /** Where the message stands; null for the repetition of one that was long ago. */
    readonly position: Position | null;
    /** Where the first message of a batch stands; null as `position`. */
    readonly first: Position | null;
    /** Whether this was a repetition of a publish that had been stored before. */
    readonly duplicate: boolean;
    /** How safe the message is: "memory", "disk" or "replicated". */
    readonly durability: string;
}
/** What a producer needs of its client. */
export interface ProducerHost {
    /** Where the messages and their numbers are kept. */
    readonly store: Pick<OutboxStore, "number" | "settle">;
    /** Whether a request may be sent now. */
    readonly hasRoom: boolean;
    /** Unacknowledged publishes that one stream may have. */
    readonly inFlightMax: number;
    /** For how long the server knows a repetition at least, milliseconds. */
    readonly rememberedMs: number;
    request(op: string, members: object, answered: (message: ServerMessage) => void, refused: (error: LongwireError) => void, raw: string): void;
    /** Why the server would not read a message of so many bytes, if that is so. */
    whyTooLarge(stream: string, bytes: number): LongwireError | undefined;
    /** One more request may be sent. */
    answered(): void;
    /** How long to wait before what was refused is tried again, milliseconds. */
    retryDelayMs(error: LongwireError, failures: number): number;
}
/**
 * What one client publishes to one stream, in order, each message once.
 *
 * Every message gets the next number before it is first sent and keeps it over connections, so that
 * the server knows a repetition; the store has the number before the server does. A number is used
 * again only when the server's answers prove that nothing was stored under it. Where they prove that
 * the server has forgotten this producer, the outcome of what was in flight is reported as unknown,
 * and once nothing numbered is left the epoch is raised and numbers start again from 0.
 */
export declare class StreamProducer {
    #private;
    constructor(host: ProducerHost, { stream, epoch, next, accepted }: Numbers);
    /** Take a message; it is sent when `resume` or `send` is called next. */
    add(pending: Pending): void;
    /** Send what may be sent now, but nothing whose repetition the server may not know any more. */
    resume(): void;
    /** Send what may be sent now. */
    send(): void;
    /** The connection is gone: what was in flight may or may not have been stored. */
    disconnected(): void;
}
