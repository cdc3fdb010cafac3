import { LongwireError } from "./errors.js";
import type { Link, ServerMessage } from "./link.js";
/** Requests that are made once, on the connection that is there or comes first, never repeated. */
export declare class Requests {
    #private;
    constructor(connection: () => Link | undefined);
    /** `isPatient`: the server may take long, as for a call, and only its silence is a fault. */
    ask(op: string, members: object, isPatient?: boolean): Promise<ServerMessage>;
    connected(): void;
    disconnected(): void;
    close(error: LongwireError): void;
}
