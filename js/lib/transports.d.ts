/** What carries a connection: one WebSocket, or plain HTTP with server-sent events or long-polling. */
export type Transport = "websocket" | "sse" | "long-poll";
/** Another transport carries the connection now. */
export interface TransportChange {
    readonly transport: Transport;
    /** What carried it before; undefined the first time. */
    readonly previous: Transport | undefined;
}
export interface FallbackOptions {
    /** Which transports may be used, best first. Default: all, in the order websocket, sse, long-poll. */
    transports?: readonly Transport[];
    /** The function to make HTTP requests with. Default: the global one. */
    fetch?: typeof fetch;
    /**
     * Which cookies HTTP requests carry. "include" (the default), as a WebSocket does; a server that
     * allows pages of any origin wants "same-origin".
     */
    credentials?: RequestCredentials;
    /** From a request for server-sent events to the first one; then long-polling is tried. 5,000. */
    firstEventTimeoutMs?: number;
    /** From a connection over a lesser transport to the first attempt with a better one. 60,000. */
    betterAfterMs?: number;
    /** Numbers in [0, 1) for the jitter. Default Math.random. */
    random?: () => number;
}
export declare const ALL_TRANSPORTS: readonly Transport[];
/** What works where it is not the WebSocket, as this tab has learnt; null: nothing learnt. */
export declare function recall(url: string): string | null;
export declare function remember(url: string, transport: Transport): void;
