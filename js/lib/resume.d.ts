import { type LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
interface Subscribe {
    readonly members: object;
    readonly answered: (answer: ServerMessage) => void;
    readonly refused: (error: LongwireError) => void;
}
type Request = (op: string, members: object, answered: Subscribe["answered"], refused: Subscribe["refused"]) => void;
/** Collects what is to be subscribed after a reconnect, and asks for it in one round trip. */
export declare class Resume {
    #private;
    add(members: object, answered: Subscribe["answered"], refused: Subscribe["refused"]): void;
    /** Send all; `streamsMax` is what the server lets a connection subscribe to. */
    send(request: Request, streamsMax: number): void;
}
export {};
