// How the clients of a script connect: over the transport that the test names, with connections that can be lost.
import { need, settings } from "./driven.mjs";

const sockets = new Set();
class Socket extends need("ws") {
  constructor(...options) {
    super(...options);
    sockets.add(this);
    this.addEventListener("close", () => sockets.delete(this));
  }
}

let cut = new AbortController();
const cutFetch = (url, init) => fetch(url, { ...init, signal: AbortSignal.any([init.signal, cut.signal]) });

const quick = { retryFirstMs: 20, retryMaxMs: 100 };
export const isSocket = settings.transport === "websocket";

/** Options of a client whose connection lasts. */
export const lasting = { ...quick, ...(isSocket ? { WebSocket: need("ws") } : { transports: [settings.transport] }) };
/** Options of one that `lose` cuts off. */
export const losing = { ...lasting, ...(isSocket ? { WebSocket: Socket } : { fetch: cutFetch }) };

/** Cut all that can be, and wait until this client is back. */
export function lose(client) {
  const back = new Promise((resolve) => {
    const stop = client.on("state", ({ state }) => {
      if (state !== "open") return;
      stop();
      resolve();
    });
  });
  for (const socket of sockets) socket.terminate();
  cut.abort();
  cut = new AbortController();
  return back;
}
