import { LongwireError } from "./errors.js";
import type { OpenTransport } from "./transport.js";
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
export interface ConnectionOwner {
    /** The server accepted; requests may be sent. */
    connected(hello: ServerMessage): void;
    /** What the server sends without being asked: entries, gaps, presence … */
    delivered(message: ServerMessage): void;
    /** Something went wrong that no request asked for. */
    failed(error: LongwireError): void;
    /** The last call; requests without an answer stay without one. */
    ended(ending: Ending): void;
}
export interface ConnectionSettings {
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
interface Request {
    readonly sentMs: number;
    /** The server may take its time. */
    readonly isPatient: boolean;
    readonly answered: (message: ServerMessage) => void;
    readonly refused: (error: LongwireError) => void;
}
/**
 * One connection from its opening to its end: the hello, requests and their answers, and the
 * question whether the other side is still there.
 */
export declare class Connection {
    #private;
    constructor(open: OpenTransport, owner: ConnectionOwner, settings: ConnectionSettings);
    /** Whether requests may be sent: accepted, and the server has not said that it will close. */
    get isUsable(): boolean;
    /**
     * Send a request. `raw` is more members of its JSON object, already encoded. Exactly one of
     * the two functions is called, or neither when the connection ends first.
     */
    request(op: string, members: object, answered: Request["answered"], refused: Request["refused"], raw?: string, isPatient?: boolean): void;
    /** Ask for a sign of life; the connection ends when none comes in time. */
    probe(): void;
    /** End the connection for good, for the owner's own reason; `ended` is not called. */
    close(code: number, reason: string): void;
}
export {};
