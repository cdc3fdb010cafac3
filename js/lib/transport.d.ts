/** What a connection hears from its transport. */
export interface TransportEvents {
    opened(): void;
    received(text: string): void;
    /** At most once, and not after `close()` was called. */
    closed(code: number, reason: string): void;
}
/** A two-way path for text messages, whatever carries them. */
export interface Transport {
    /** Sent, and not yet taken by the network, bytes. */
    readonly heldBytes: number;
    send(text: string): void;
    /** Give the path up at once: nothing is heard of it afterwards. */
    close(code: number, reason: string): void;
}
export type OpenTransport = (events: TransportEvents) => Transport;
/** The part of the browser's WebSocket that is used, so that another one can be handed in. */
export interface WebSocketLike {
    readonly protocol: string;
    readonly bufferedAmount: number;
    onopen: ((event: never) => void) | null;
    onmessage: ((event: never) => void) | null;
    onclose: ((event: never) => void) | null;
    onerror: ((event: never) => void) | null;
    send(text: string): void;
    close(code?: number, reason?: string): void;
}
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;
export declare const SUBPROTOCOL = "longwire.v1.json";
/** Carry messages over one WebSocket. */
export declare function openWebSocket(url: string, WebSocket: WebSocketConstructor, events: TransportEvents): Transport;
/** The absolute ws: or wss: form of an address, which may be relative to the page. */
export declare function webSocketUrl(address: string | URL): string;
