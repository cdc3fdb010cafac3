import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./connection.js";
import type { Position } from "./position.js";

/** The server's word that a publish is stored. */
export interface Ack {
  readonly stream: string;
  /** Where the message stands; null for the repetition of one that was long ago. */
  readonly position: Position | null;
  /** Where the first message of a batch stands; null as `position`. */
  readonly first: Position | null;
  /** Whether this was a repetition of a publish that had been stored before. */
  readonly duplicate: boolean;
  /** How safe the message is: "memory", "disk" or "replicated". */
  readonly durability: string;
}

/** A message on its way: from `publish()` until its outcome is known. */
export interface Pending {
  /** Its payload as members of a JSON object: `"data":…` or `"base64":…`. */
  readonly payload: string;
  readonly bytes: number;
  readonly resolve: (ack: Ack) => void;
  readonly reject: (error: LongwireError) => void;
  /** Its number; undefined before its first sending, and again once it is known not to be stored. */
  sequence?: number | undefined;
  isInFlight: boolean;
  /** Sent on a connection that ended before the answer: it may be stored. */
  isUncertain: boolean;
}

/** What a producer needs of its client. */
export interface ProducerHost {
  readonly producerId: string;
  /** Whether a request may be sent now. */
  readonly hasRoom: boolean;
  /** Unacknowledged publishes that one stream may have. */
  readonly inFlightMax: number;
  request(
    op: string,
    members: object,
    answered: (message: ServerMessage) => void,
    refused: (error: LongwireError) => void,
    raw: string,
  ): void;
  /** Why the server would not read a message of so many bytes, if that is so. */
  whyTooLarge(stream: string, bytes: number): LongwireError | undefined;
  /** One more request may be sent. */
  answered(): void;
  /** How long to wait before what was refused is tried again, milliseconds. */
  retryDelayMs(error: LongwireError, failures: number): number;
  /** The outcome of a message is known. */
  settled(pending: Pending): void;
}

/** Refusals that say "later", and that nothing was stored. Others leave it open. */
const NOT_STORED = ["rate_limited", "too_many_in_flight", "store_full"];
/** Refusals that say that the server does not know this producer's earlier publishes. */
const FORGOTTEN = ["producer_unknown", "producer_epoch_start", "sequence_gap"];

/**
 * What one client publishes to one stream, in order, each message once.
 *
 * Every message gets the next number when it is first sent and keeps it over connections, so that
 * the server knows a repetition. A number is used again only when the server's answers prove that
 * nothing was stored under it. Where they prove that the server has forgotten this producer, the
 * outcome of what was in flight is reported as unknown, and once nothing numbered is left the
 * epoch is raised and numbers start again from 0.
 */
export class StreamProducer {
  readonly #host: ProducerHost;
  readonly #stream: string;
  readonly #pending: Pending[] = [];
  #epoch = 0;
  #next = 0;
  /** One more than the highest number that the server accepted in this epoch. */
  #accepted = 0;
  #inFlight = 0;
  /** A refusal was seen: nothing new is numbered until all that is in flight is answered. */
  #isSettling = false;
  #mustRaiseEpoch = false;
  #failures = 0;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(host: ProducerHost, stream: string) {
    this.#host = host;
    this.#stream = stream;
  }

  add(pending: Pending): void {
    this.#pending.push(pending);
    this.send();
  }

  /** Send what may be sent now. */
  send(): void {
    if (this.#pause !== undefined) return;
    for (const pending of [...this.#pending]) {
      if (!this.#host.hasRoom || this.#inFlight >= this.#host.inFlightMax) return;
      if (pending.isInFlight) continue;
      if (pending.sequence === undefined) {
        if (this.#isSettling) continue;
        // Sent all the same, it would end each connection anew.
        const tooLarge = this.#host.whyTooLarge(this.#stream, pending.bytes);
        if (tooLarge) {
          this.#remove(pending);
          pending.reject(tooLarge);
          continue;
        }
        pending.sequence = this.#next++;
      }
      this.#sendOne(pending, pending.sequence);
    }
  }

  /** The connection is gone: what was in flight may or may not have been stored. */
  disconnected(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#inFlight = 0;
    for (const pending of this.#pending) {
      if (!pending.isInFlight) continue;
      pending.isInFlight = false;
      pending.isUncertain = true;
    }
  }

  /** Nothing will be sent any more. */
  close(error: LongwireError): void {
    clearTimeout(this.#pause);
    for (const pending of this.#pending.splice(0)) {
      const isOpen = pending.isInFlight || pending.isUncertain;
      this.#host.settled(pending);
      pending.reject(error.withOutcome(isOpen ? "unknown" : "not_stored"));
    }
  }

  #sendOne(pending: Pending, sequence: number): void {
    pending.isInFlight = true;
    this.#inFlight += 1;
    this.#host.request(
      "publish",
      {
        stream: this.#stream,
        producer: this.#host.producerId,
        epoch: this.#epoch,
        sequence,
      },
      (answer) => this.#accept(pending, sequence, answer),
      (error) => this.#refuse(pending, sequence, error),
      pending.payload,
    );
  }

  #accept(pending: Pending, sequence: number, answer: ServerMessage): void {
    this.#answered(pending);
    this.#failures = 0;
    this.#accepted = Math.max(this.#accepted, sequence + 1);
    this.#remove(pending);
    pending.resolve({
      stream: this.#stream,
      position: typeof answer.last === "string" ? answer.last : null,
      first: typeof answer.first === "string" ? answer.first : null,
      duplicate: answer.duplicate === true,
      durability: String(answer.durability),
    });
    this.#goOn();
  }

  #refuse(pending: Pending, sequence: number, error: LongwireError): void {
    this.#answered(pending);
    this.#isSettling = true;
    const expected = Number(error.details.expected);
    const isHole = error.code === "sequence_gap" || error.code === "producer_epoch_start";
    if (isHole && expected >= this.#accepted && expected < sequence) {
      // The server remembers what we remember, and nothing from `expected` on is stored.
      pending.sequence = undefined;
      pending.isUncertain = false;
    } else if (FORGOTTEN.includes(error.code)) {
      this.#mustRaiseEpoch = true;
      this.#refuseForgotten(pending, error);
    } else if (error.retry) {
      // It keeps its number, under another it could be stored twice.
      pending.isUncertain ||= !NOT_STORED.includes(error.code);
      this.#wait(error);
    } else {
      // Its number may be taken, then the next message must not come under the same one.
      this.#mustRaiseEpoch ||= pending.isUncertain && error.code !== "producer_fenced";
      this.#remove(pending);
      pending.reject(error.withOutcome(pending.isUncertain ? "unknown" : "not_stored"));
    }
    this.#goOn();
  }

  #refuseForgotten(pending: Pending, error: LongwireError): void {
    if (!pending.isUncertain) {
      // First sent on this connection and refused: it is not stored, and may be sent anew.
      pending.sequence = undefined;
      return;
    }
    this.#remove(pending);
    pending.reject(
      new LongwireError(
        "outcome_unknown",
        `the connection was lost before this message to ${this.#stream} was acknowledged, and ` +
          "the server no longer knows whether it was stored",
        { outcome: "unknown", details: { stream: this.#stream }, cause: error },
      ),
    );
  }

  #goOn(): void {
    if (this.#isSettling && this.#inFlight === 0) this.#settle();
    this.send();
  }

  /** Everything is answered: decide which number comes next. */
  #settle(): void {
    let next = this.#accepted;
    let hasNumbered = false;
    for (const { sequence } of this.#pending) {
      if (sequence === undefined) continue;
      hasNumbered = true;
      next = Math.max(next, sequence + 1);
    }
    if (this.#mustRaiseEpoch) {
      // The epoch rises only when nothing is left that the old one numbered.
      if (hasNumbered) return;
      this.#mustRaiseEpoch = false;
      this.#epoch += 1;
      this.#accepted = 0;
      next = 0;
    }
    this.#next = next;
    this.#isSettling = false;
  }

  #wait(error: LongwireError): void {
    if (this.#pause !== undefined) return;
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.send();
    }, delayMs);
  }

  #answered(pending: Pending): void {
    pending.isInFlight = false;
    this.#inFlight -= 1;
    this.#host.answered();
  }

  #remove(pending: Pending): void {
    this.#pending.splice(this.#pending.indexOf(pending), 1);
    this.#host.settled(pending);
  }
}
