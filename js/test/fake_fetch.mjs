// HTTP whose other end is the test: requests are kept, and their answers are said here.

/** One POST of a client. */
class FakeRequest {
  /** Whether the client gave it up. */
  isAborted = false;
  #isOver = false;
  #respond;
  #refuse;
  #chunks = [];
  #wanted = [];

  constructor(url, { headers, body, signal, credentials }) {
    Object.assign(this, { url, headers, credentials });
    this.operations = body.trimEnd().split("\n").map((line) => JSON.parse(line));
    this.response = new Promise((resolve, reject) => {
      this.#respond = resolve;
      this.#refuse = reject;
    });
    signal.addEventListener("abort", () => {
      if (this.#isOver) return;
      this.isAborted = true;
      this.#refuse(signal.reason);
      this.#give({ error: signal.reason });
    });
  }

  get isReading() {
    return this.headers.Accept === "text/event-stream" || this.operations.slice(1).some(({ op }) => LASTING.has(op));
  }

  asked(op) {
    return this.operations.find((operation) => operation.op === op);
  }

  // --- the test's side ---

  /** Begin the answer, with what `connect` is answered. */
  welcome(members = {}) {
    this.begins();
    this.says({ op: "connected", id: this.operations[0].id, version: 1, heartbeat_s: 25, ...members });
    return this;
  }

  begins(type = this.headers.Accept) {
    const read = () => new Promise((resolve, reject) => this.#wanted.push({ resolve, reject }) && this.#pump());
    const body = { getReader: () => ({ read }) };
    this.#respond({ ok: true, status: 200, headers: new Headers({ "Content-Type": type }), body });
  }

  /** Answer the first operation of that name. */
  answers(op, members) {
    this.says({ ...members, id: this.asked(op).id });
  }

  says(message) {
    const text = JSON.stringify(message);
    this.sends(this.headers.Accept === "text/event-stream" ? `data: ${text}\n\n` : `${text}\n`);
  }

  /** Text, or bytes that may be a part of some. */
  sends(data) {
    this.#give({ value: typeof data === "string" ? new TextEncoder().encode(data) : data });
  }

  ends() {
    this.#isOver = true;
    this.#give({ done: true });
  }

  breaks() {
    this.#isOver = true;
    this.#refuse(new TypeError("nobody there"));
    this.#give({ error: new TypeError("cut") });
  }

  refuses(status, problem, headers = {}) {
    this.#isOver = true;
    const text = async () => (typeof problem === "string" ? problem : JSON.stringify(problem));
    this.#respond({ ok: false, status, headers: new Headers(headers), text });
  }

  #give(chunk) {
    this.#chunks.push(chunk);
    this.#pump();
  }

  #pump() {
    while (this.#chunks.length > 0 && this.#wanted.length > 0) {
      const { done = false, value, error } = this.#chunks.shift();
      const { resolve, reject } = this.#wanted.shift();
      if (error) reject(error);
      else resolve({ done, value });
    }
  }
}

const LASTING = new Set(["subscribe", "resume", "enter", "members", "consume"]);

/** A `fetch` for one test, with the requests that were made by it. */
export function fakeFetch() {
  const requests = [];
  const fetch = (url, init) => {
    const request = new FakeRequest(url, init);
    requests.push(request);
    return request.response;
  };
  const open = () => requests.filter(({ isAborted }) => !isAborted);
  return {
    fetch,
    requests,
    /** The last one that was not given up. */
    get last() {
      return open().at(-1);
    },
    get reading() {
      return open().findLast(({ isReading }) => isReading);
    },
  };
}
