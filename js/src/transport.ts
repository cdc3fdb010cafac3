import { LongwireError } from "./errors.js";

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

export const SUBPROTOCOL = "longwire.v1.json";

/** Carry messages over one WebSocket. */
export function openWebSocket(
  url: string,
  WebSocket: WebSocketConstructor,
  events: TransportEvents,
): Transport {
  const socket = new WebSocket(url, [SUBPROTOCOL]);
  let isOver = false;
  const finish = (code: number, reason: string): void => {
    if (isOver) return;
    isOver = true;
    events.closed(code, reason);
  };
  socket.onopen = () => {
    if (isOver) return;
    if (socket.protocol !== SUBPROTOCOL) {
      socket.close(1000);
      finish(1002, `the server does not speak ${SUBPROTOCOL}`);
      return;
    }
    events.opened();
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    // A binary message has no meaning in this subprotocol; its text form is none either, so
    // the connection reports it as what it is.
    if (!isOver) events.received(typeof data === "string" ? data : "");
  };
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => finish(code, reason);
  // The close event that follows tells more. The listener must be there: some implementations
  // throw where nobody listens.
  socket.onerror = () => undefined;
  return {
    get heldBytes() {
      return socket.bufferedAmount;
    },
    send: (text) => socket.send(text),
    close: (code, reason) => {
      isOver = true;
      socket.close(code, reason);
    },
  };
}

/** The absolute ws: or wss: form of an address, which may be relative to the page. */
export function webSocketUrl(address: string | URL): string {
  const base = typeof location === "object" ? location.href : undefined;
  let url: URL;
  try {
    url = new URL(address, base);
  } catch {
    throw new LongwireError(
      "bad_url",
      `${JSON.stringify(String(address))} is not an address; outside a page it must be whole, ` +
        'like "ws://127.0.0.1:8080/ws"',
    );
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  url.hash = "";
  if (url.protocol === "ws:" || url.protocol === "wss:") return url.href;
  throw new LongwireError(
    "bad_url",
    `the scheme of ${url.href} must be ws, wss, http or https`,
  );
}
