// A WebSocket whose other end is the test: what a client sends is kept, what it hears is said here.
export class FakeSocket {
  protocol = "";
  bufferedAmount = 0;
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  sent = [];
  closedWith = undefined;
  #read = 0;

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
  }

  // --- the client's side ---

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code, reason) {
    this.closedWith ??= { code, reason };
  }

  // --- the test's side ---

  /** What the client sent since the last call. */
  take() {
    const taken = this.sent.slice(this.#read);
    this.#read = this.sent.length;
    return taken;
  }

  /** Open, answer the client's `connect`, and return it. */
  welcome(members = {}) {
    this.protocol = this.protocols[0];
    this.onopen({});
    const [hello] = this.take();
    this.says({ op: "connected", id: hello.id, version: 1, heartbeat_s: 25, ...members });
    return hello;
  }

  says(message) {
    this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  breaks(code = 1006, reason = "") {
    this.onclose({ code, reason });
  }
}

/** A constructor for one test, which keeps the sockets it made in `sockets`. */
export function socketClass() {
  return class extends FakeSocket {
    static sockets = [];
    constructor(url, protocols) {
      super(url, protocols);
      new.target.sockets.push(this);
    }
    static get last() {
      return this.sockets.at(-1);
    }
  };
}

/** Let everything run that waits for nothing but its turn. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

export const START = `${"0".repeat(16)}_${"0".repeat(24)}`;

/** The position of an offset, with an epoch and a link that look like some. */
export function at(offset, epoch = "k3v9x0qa") {
  if (offset === 0) return START;
  return `${String(offset).padStart(16, "0")}_${epoch}${String(offset).padStart(16, "0")}`;
}

export function entry(stream, offset, data, epoch) {
  const [after, position] = [at(offset - 1, epoch), at(offset, epoch)];
  return { op: "entry", stream, after, position, time: 1_789_000_000_000 + offset, data };
}
