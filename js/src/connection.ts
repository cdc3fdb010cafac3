import { LongwireError, errorOf } from "./errors.js";
import type { Answered, Link, LinkOwner, LinkSettings, Refused, ServerMessage } from "./link.js";
import type { OpenTransport, Transport } from "./transport.js";

interface Request {
  readonly sentMs: number;
  /** The server may take its time. */
  readonly isPatient: boolean;
  readonly answered: Answered;
  readonly refused: Refused;
}

/** When something ends, as what, and what there is to doubt before it does. */
type Deadline = readonly [whenMs: number, reason: string, doubt?: "silence" | "answer"];

/** How often a server that sends no heartbeats is asked for one, seconds. */
const OWN_HEARTBEAT_S = 25;
/** From the server's word that it will close to the close itself, milliseconds. */
const CLOSING_MS = 5000;
/** A timer that is later than this was held up, by sleep or by a hidden tab's throttling. */
const LATE_MS = 2000;

/** The table of docs/protocol.md section 10.2. */
function allowsReconnect(code: number): boolean {
  if (code >= 3000) return code % 1000 < 500;
  return ![1000, 1002, 1003, 1007, 1008, 1009, 1010].includes(code);
}

/**
 * The link over one transport, from its opening to its end: the hello, requests and their answers,
 * and the question whether the other side is still there.
 */
export class Connection implements Link {
  readonly #owner: LinkOwner;
  readonly #settings: LinkSettings;
  readonly #transport: Transport;
  readonly #requests = new Map<number, Request>();
  readonly #startedMs = Date.now();
  #lastId = 0;
  #heardMs = this.#startedMs;
  #heartbeatS = 0;
  #connectedMs = 0;
  #probedMs = 0;
  /** When what the oldest request waited behind was answered. */
  #answeredMs = 0;
  /** Since when an answer is overdue; 0: none is. */
  #overdueMs = 0;
  #heldBytes = Infinity;
  #closing: (ServerMessage & { heardMs: number }) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = 0;
  #isOver = false;

  constructor(open: OpenTransport, owner: LinkOwner, settings: LinkSettings) {
    this.#owner = owner;
    this.#settings = settings;
    this.#transport = open({
      opened: () => this.#sayHello(),
      received: (text) => this.#receive(text),
      closed: (code, reason) => this.#end(code, reason),
    });
    this.#watch();
  }

  get isUsable(): boolean {
    return this.#connectedMs > 0 && !this.#closing && !this.#isOver;
  }

  request(
    op: string,
    members: object,
    answered: Answered,
    refused: Refused,
    raw = "",
    isPatient = false,
  ): void {
    const id = ++this.#lastId;
    const text = JSON.stringify({ op, id, ...members });
    this.#requests.set(id, { sentMs: Date.now(), isPatient, answered, refused });
    this.#transport.send(raw ? `${text.slice(0, -1)},${raw}}` : text);
    this.#watch();
  }

  probe(): void {
    if (this.#probedMs || !this.#connectedMs || this.#isOver) return;
    this.#probedMs = Date.now();
    const nothing = (): void => undefined;
    this.request("ping", {}, nothing, nothing);
  }

  close(code: number, reason: string): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#transport.close(code, reason);
  }

  #sayHello(): void {
    const { token, inbox, client } = this.#settings;
    this.request(
      "connect",
      { version: 1, client, token, inbox }, // JSON leaves out what is undefined
      (hello) => {
        this.#heartbeatS = Number(hello.heartbeat_s) || 0;
        this.#connectedMs = Date.now();
        this.#owner.connected(hello);
        this.#watch();
      },
      (error) => this.#drop(error.code, error),
    );
  }

  #receive(text: string): void {
    this.#heardMs = Date.now();
    this.#probedMs = 0;
    let message: ServerMessage;
    try {
      message = JSON.parse(text) as ServerMessage;
      if (typeof message?.op !== "string") throw new TypeError('it has no "op"');
    } catch (cause) {
      const start = JSON.stringify(text.slice(0, 80));
      this.#owner.failed(
        new LongwireError("bad_answer", `the server sent no message of the protocol: ${start}`, {
          cause,
        }),
      );
      this.#drop("the server sent no message of the protocol");
      return;
    }
    const request = message.id === undefined ? undefined : this.#requests.get(message.id);
    if (request) {
      // The answer to a later one says nothing of the oldest: its own may have been lost.
      if (request === this.#oldest()) {
        this.#answeredMs = this.#heardMs;
        this.#overdueMs = 0;
      }
      this.#requests.delete(message.id as number);
      if (message.op === "error") request.refused(errorOf(message));
      else request.answered(message);
    } else {
      this.#handle(message);
    }
  }

  #handle(message: ServerMessage): void {
    switch (message.op) {
      case "ping":
        this.#transport.send('{"op":"pong"}');
        break;
      case "error":
        this.#owner.failed(errorOf(message));
        break;
      case "closing":
        this.#closing = { ...message, heardMs: this.#heardMs };
        this.#watch();
        break;
      default:
        this.#owner.delivered(message);
    }
  }

  /** What is waited for, and until when: the earliest of the deadlines. */
  #deadline(): Deadline {
    const { connectTimeoutMs, answerTimeoutMs, probeTimeoutMs } = this.#settings;
    if (!this.#connectedMs) {
      return [this.#startedMs + connectTimeoutMs, `no answer within ${connectTimeoutMs / 1000} s`];
    }
    if (this.#closing) return [this.#closing.heardMs + CLOSING_MS, "the server is closing"];
    const silenceS = 2 * this.#heartbeatS || OWN_HEARTBEAT_S;
    const deadline: Deadline = this.#probedMs
      ? [this.#probedMs + probeTimeoutMs, `no sign of life within ${probeTimeoutMs / 1000} s`]
      : [this.#heardMs + silenceS * 1000, `the server was silent for ${silenceS} s`, "silence"];
    const oldest = this.#oldest();
    if (!oldest) return deadline;
    const reason = `no answer within ${answerTimeoutMs / 1000} s`;
    const answer: Deadline = this.#overdueMs
      ? [this.#overdueMs + probeTimeoutMs, reason]
      : [Math.max(oldest.sentMs, this.#answeredMs) + answerTimeoutMs, reason, "answer"];
    return answer[0] < deadline[0] ? answer : deadline;
  }

  /** Of the requests whose answer may not take its time: they stand in the order of sending. */
  #oldest(): Request | undefined {
    for (const request of this.#requests.values()) if (!request.isPatient) return request;
    return undefined;
  }

  /** Have a timer that is no later than the next deadline. */
  #watch(): void {
    if (this.#isOver) return;
    const [whenMs] = this.#deadline();
    if (this.#timer !== undefined && this.#dueMs <= whenMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = whenMs;
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, whenMs - Date.now()));
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = Date.now();
    const [whenMs, reason, doubt] = this.#deadline();
    if (nowMs < whenMs) return this.#watch();
    if (doubt && nowMs - this.#dueMs > LATE_MS) {
      // The machine slept: what the server sent may still lie unread, so silence proves nothing.
      this.#heardMs = this.#answeredMs = nowMs;
      this.probe();
    } else if (this.#isSendingSlowly()) {
      // Our question may still stand behind what is being sent.
      this.#answeredMs = nowMs;
      if (this.#overdueMs) this.#overdueMs = nowMs;
      if (this.#probedMs) this.#probedMs = nowMs;
    } else if (doubt === "answer") {
      this.#overdueMs = nowMs;
      this.probe();
    } else if (doubt && !this.#heartbeatS) {
      // Where the server sends no heartbeats, silence proves nothing either.
      this.#heardMs = nowMs;
      this.probe();
    } else {
      return this.#drop(reason);
    }
    this.#watch();
  }

  /** Whether the network took some of what was sent since the last time, and has more to take. */
  #isSendingSlowly(): boolean {
    const heldBytes = this.#transport.heldBytes;
    const isProgress = heldBytes > 0 && heldBytes < this.#heldBytes;
    this.#heldBytes = heldBytes || Infinity;
    return isProgress && this.#connectedMs > 0 && !this.#closing;
  }

  /** Give the connection up from this side: a dead peer would never answer a closing handshake. */
  #drop(reason: string, error?: LongwireError): void {
    this.#transport.close(4000, reason);
    this.#end(1006, reason, error);
  }

  #unnamedReason(): string {
    return this.#connectedMs ? "the connection was lost" : "no connection could be made";
  }

  #end(code: number, reason: string, error?: LongwireError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const closing = this.#closing;
    const after = closing?.after_s;
    this.#owner.ended({
      code: closing && code === 1006 ? Number(closing.code) : code,
      reason: reason || String(closing?.reason ?? "") || this.#unnamedReason(),
      reconnect: error
        ? error.retry
        : typeof closing?.reconnect === "boolean"
          ? closing.reconnect
          : allowsReconnect(code),
      livedMs: this.#connectedMs ? Date.now() - this.#connectedMs : 0,
      ...(Array.isArray(after) ? { afterMs: [1000 * after[0], 1000 * after[1]] as const } : {}),
      ...(error ? { error } : {}),
    });
  }
}
