import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
/** Somebody who is there: a user, or an anonymous connection. */
export interface Member {
    readonly user?: string;
    readonly connection?: string;
    /** What was entered with. */
    readonly data?: unknown;
}
/** A change of who is there; "reset": these members and no others. */
export interface PresenceChange {
    readonly stream: string;
    readonly event: "join" | "update" | "leave" | "reset";
    /** Whom it is about. */
    readonly members: readonly Member[];
}
export type PresenceHandler = (change: PresenceChange) => void;
/** Who is there in one stream, kept up to date while there is a connection. */
export declare class Watch {
    #private;
    readonly stream: string;
    /** Settled when the members are known, or the server refused. */
    readonly ready: Promise<void>;
    get members(): Member[];
    unwatch(): void;
}
/** What this client entered and what it watches; both are taken up again after a reconnect. */
export declare class Presence {
    #private;
    enter(stream: string, data: unknown): Promise<void>;
    leave(stream: string): Promise<void>;
    watch(stream: string, handler: PresenceHandler | undefined): Watch;
    unwatch(watch: Watch): void;
    connected(): void;
    disconnected(): void;
    received(message: ServerMessage): void;
    close(error: LongwireError): void;
}
