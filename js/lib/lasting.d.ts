import type { LongwireError } from "./errors.js";
import type { Answered, Refused, ServerMessage } from "./link.js";
/** What is asked of the server, and who hears the answer. */
export interface Operation {
    readonly op: string;
    readonly members: object;
    /** More members of the JSON object, already encoded. */
    readonly raw?: string;
    answered(message: ServerMessage): void;
    refused(error: LongwireError): void;
}
/** What lasting operations need of the link. */
export interface LastingHost {
    readonly errorOf: (message: Readonly<Record<string, unknown>>) => LongwireError;
    /** What the server would send on one long connection. */
    deliver(message: ServerMessage): void;
    failed(error: LongwireError): void;
    /** The server refused it: it does not last. */
    drop(lasting: Lasting): void;
    /** It has to be asked for anew. */
    changed(): void;
}
/**
 * What a client asked for once, to last as long as its connection, and what has to be asked again
 * in each HTTP request because there is no connection: a subscription, a membership …
 *
 * The client hears the first answer. What a later one says goes to it in the words that the server
 * has for a connection that goes on: a gap, an end, a change.
 */
export declare abstract class Lasting {
    #private;
    /** Whether the client has not been answered yet. */
    isNew: boolean;
    protected readonly host: LastingHost;
    constructor(host: LastingHost, answered: Answered, refused: Refused);
    /** How to ask for it now. */
    abstract operation(): Operation;
    /** How to name it to the client. */
    protected abstract readonly about: object;
    /** The server's answer, whether asked for alone or together with others. */
    answer(message: ServerMessage): void;
    refuse(error: LongwireError): void;
    /** Something else took its place before the server answered: of the two only that is told. */
    supersede(): void;
    /** The first answer. */
    protected begin(_message: ServerMessage): void;
    /** A later one. */
    protected again(_message: ServerMessage): void;
    /** What the server sends of it; tells whether the client is to hear of it. */
    heard(_message: ServerMessage): boolean;
    protected asking(op: string, members: object): Operation;
}
/** How far one stream was heard. */
export declare class StreamReading extends Lasting {
    #private;
    readonly about: {
        readonly stream: string;
    };
    held: string | undefined;
    /** Asked for by itself: together with others it was refused. */
    isAlone: boolean;
    constructor(host: LastingHost, members: {
        stream: string;
        position?: string;
    }, answered: Answered, refused: Refused);
    /** From where it goes on, once there is a position. */
    get place(): string | undefined;
    /** The answer as it stands among those of others. */
    told(answer: ServerMessage): void;
    get members(): object;
    operation(): Operation;
    protected begin({ position }: ServerMessage): void;
    protected again(answer: ServerMessage): void;
    heard({ op, upto, position }: ServerMessage): boolean;
}
/** Every stream that a pattern matches, and how far each was heard. */
export declare class PatternReading extends Lasting {
    #private;
    readonly about: {
        readonly pattern: string;
    };
    constructor(host: LastingHost, members: {
        pattern: string;
        start?: unknown;
        positions?: Record<string, string>;
    }, answered: Answered, refused: Refused);
    reads(stream: string): boolean;
    operation(): Operation;
    protected begin({ streams }: ServerMessage): void;
    heard(message: ServerMessage): boolean;
}
/** Membership, or work for a consumer: asked for in the same words each time. */
export declare class Standing extends Lasting {
    #private;
    readonly about: {
        readonly stream: string;
    };
    constructor(host: LastingHost, op: string, members: {
        stream: string;
        consumer?: string;
    }, answered: Answered, refused: Refused);
    operation(): Operation;
    refuse(error: LongwireError): void;
    heard({ op }: ServerMessage): boolean;
}
/**
 * The end of a membership or of work for a consumer, which the next request tells in the place of what
 * it ends: a request beside it could come before one that is on the way and says the contrary.
 */
export declare class Ending extends Standing {
    protected begin(message: ServerMessage): void;
}
/** Work for a consumer. */
export declare class Working extends Standing {
    #private;
    operation(): Operation;
    heard(message: ServerMessage): boolean;
    /** The server knows that these are dealt with, or given back. */
    settled(positions: readonly string[]): void;
}
/** Who is there. */
export declare class Watching extends Standing {
    #private;
    protected begin({ members }: ServerMessage): void;
    /** What happened between two requests is told as it would have been on one connection. */
    protected again({ members }: ServerMessage): void;
    heard({ op: _op, stream: _stream, event, members, ...member }: ServerMessage): boolean;
}
