import type { LongwireError } from "./errors.js";
/** One message of the protocol, as it came. */
export interface ServerMessage {
    readonly op: string;
    readonly id?: number;
    readonly [field: string]: unknown;
}
/** Why and how a connection ended. */
export interface Ending {
    readonly code: number;
    readonly reason: string;
    /** Whether another attempt makes sense. */
    readonly reconnect: boolean;
    /** The range of delays that the server asked for, milliseconds. */
    readonly afterMs?: readonly [number, number];
    /** How long the connection was open, milliseconds; 0 when it never was. */
    readonly livedMs: number;
    /** What the server refused to connect for. */
    readonly error?: LongwireError;
}
/** What a client hears from its link. */
export interface LinkOwner {
    /** The server accepted; requests may be sent. */
    connected(hello: ServerMessage): void;
    /** What the server sends without being asked: entries, gaps, presence … */
    delivered(message: ServerMessage): void;
    /** Something went wrong that no request asked for. */
    failed(error: LongwireError): void;
    /** The last call; requests without an answer stay without one. */
    ended(ending: Ending): void;
}
export interface LinkSettings {
    /** Who this is. */
    readonly token: string | undefined;
    /** The position held of the own inbox. */
    readonly inbox: string | undefined;
    readonly client: string;
    readonly connectTimeoutMs: number;
    /** From a request to its answer; then there is doubt. */
    readonly answerTimeoutMs: number;
    /** For a sign of life in doubt, and for an overdue answer to come all the same. */
    readonly probeTimeoutMs: number;
}
export type Answered = (message: ServerMessage) => void;
export type Refused = (error: LongwireError) => void;
/**
 * A way to the server and back, from its opening to its end, whatever carries it: what a client needs
 * of it, in the words of docs/protocol.md. `Connection` is the one over a WebSocket. One over plain
 * HTTP would open a response of server-sent events for `subscribe`, POST what `publish` says, and
 * refuse what it cannot do with an error that says so.
 */
export interface Link {
    /** Whether requests may be sent: accepted, and the server has not said that it will close. */
    readonly isUsable: boolean;
    /**
     * Send a request. `raw` is more members of its JSON object, already encoded. Exactly one of the two
     * functions is called, or neither when the link ends first. `isPatient`: the answer may take long,
     * and only the server's silence is a fault.
     */
    request(op: string, members: object, answered: Answered, refused: Refused, raw?: string, isPatient?: boolean): void;
    /** Ask for a sign of life; the link ends when none comes in time. */
    probe(): void;
    /** End for good, for the owner's own reason; `ended` is not called. */
    close(code: number, reason: string): void;
}
