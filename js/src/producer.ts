import { LongwireError } from "./errors.js";
import type { ServerMessage } from "./link.js";
import type { Numbers, OutboxStore, Pending } from "./outbox_store.js";
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

/** What a producer needs of its client. */
export interface ProducerHost {
  /** Where the messages and their numbers are kept. */
  readonly store: Pick<OutboxStore, "number" | "settle">;
  /** Whether a request may be sent now. */
  readonly hasRoom: boolean;
  /** Unacknowledged publishes that one stream may have. */
  readonly inFlightMax: number;
  /** For how long the server knows a repetition at least, milliseconds. */
  readonly rememberedMs: number;
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
}

/** Refusals that say "later", and that nothing was stored. Others leave it open. */
const NOT_STORED = ["rate_limited", "too_many_in_flight", "store_full"];
/** Refusals that say that the server does not know this producer's earlier publishes. */
const FORGOTTEN = ["producer_unknown", "producer_epoch_start", "sequence_gap"];

/**
 * What one client publishes to one stream, in order, each message once.
 *
 * Every message gets the next number before it is first sent and keeps it over connections, so that
 * the server knows a repetition; the store has the number before the server does. A number is used
 * again only when the server's answers prove that nothing was stored under it. Where they prove that
 * the server has forgotten this producer, the outcome of what was in flight is reported as unknown,
 * and once nothing numbered is left the epoch is raised and numbers start again from 0.
 */
export class StreamProducer {
  readonly #host: ProducerHost;
  readonly #stream: string;
  readonly #pending: Pending[] = [];
  /** Messages whose numbers the store does not have yet. */
  readonly #changed = new Set<Pending>();
  #epoch: number;
  #next: number;
  #accepted: number;
  #inFlight = 0;
  /** A refusal was seen: nothing new is numbered until all that is in flight is answered. */
  #isSettling = false;
  #mustRaiseEpoch = false;
  #failures = 0;
  #pause: ReturnType<typeof setTimeout> | undefined;

  constructor(host: ProducerHost, { stream, epoch, next, accepted }: Numbers) {
    this.#host = host;
    this.#stream = stream;
    this.#epoch = epoch;
    this.#next = next;
    this.#accepted = accepted;
  }

  /** Take a message; it is sent when `resume` or `send` is called next. */
  add(pending: Pending): void {
    this.#pending.push(pending);
    if (pending.sequence !== undefined) this.#next = Math.max(this.#next, pending.sequence + 1);
  }

  /** Send what may be sent now, but nothing whose repetition the server may not know any more. */
  resume(): void {
    const { rememberedMs } = this.#host;
    const isForgotten = ({ isUncertain, numberedMs }: Pending): boolean =>
      isUncertain && Date.now() - numberedMs >= rememberedMs;
    const forgotten = this.#pending.filter(isForgotten);
    if (forgotten.length === 0) return this.send();
    // The server would take them for new ones if it has, and store them again.
    this.#isSettling = this.#mustRaiseEpoch = true;
    for (const pending of forgotten) this.#forget(pending);
    this.#goOn();
  }

  /** Send what may be sent now. */
  send(): void {
    if (this.#pause !== undefined) return;
    this.#numberNew();
    for (const pending of [...this.#pending]) {
      if (!this.#host.hasRoom || this.#inFlight >= this.#host.inFlightMax) return;
      if (pending.isInFlight || pending.sequence === undefined) continue;
      if (!pending.isReady) return; // what comes after it must not overtake it
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

  /** Give numbers to as many messages as may be in flight. */
  #numberNew(): void {
    let room = this.#host.hasRoom && !this.#isSettling ? this.#host.inFlightMax : 0;
    for (const pending of [...this.#pending]) {
      if (room <= 0) break;
      if (pending.sequence === undefined) {
        // Sent all the same, it would end each connection anew.
        const tooLarge = this.#host.whyTooLarge(this.#stream, pending.bytes);
        if (tooLarge) {
          this.#settleOne(pending, tooLarge);
          continue;
        }
        pending.numberedMs = Date.now();
        this.#renumber(pending, this.#next++);
      }
      room -= 1;
    }
    this.#keep();
  }

  #renumber(pending: Pending, sequence: number | undefined): void {
    pending.sequence = sequence;
    pending.isReady = false;
    this.#changed.add(pending);
  }

  /** Have the store keep the numbers that changed. */
  #keep(): void {
    if (this.#changed.size === 0) return;
    const epoch = this.#epoch;
    const changed = [...this.#changed];
    const sequences = changed.map(({ sequence }) => sequence);
    this.#changed.clear();
    this.#host.store.number(changed, this.#numbers(), () => {
      changed.forEach((pending, index) => {
        const { sequence } = pending;
        // It may have got another number meanwhile, which the store is yet to keep.
        const isLatest = sequence === sequences[index] && epoch === this.#epoch;
        if (sequence !== undefined && isLatest) pending.isReady = true;
      });
      this.send();
    });
  }

  #numbers(): Numbers {
    const [epoch, next, accepted] = [this.#epoch, this.#next, this.#accepted];
    return { stream: this.#stream, epoch, next, accepted };
  }

  #sendOne(pending: Pending, sequence: number): void {
    pending.isInFlight = true;
    this.#inFlight += 1;
    this.#host.request(
      "publish",
      { stream: this.#stream, epoch: this.#epoch, sequence },
      (answer) => this.#accept(pending, sequence, answer),
      (error) => this.#refuse(pending, sequence, error),
      pending.payload,
    );
  }

  #accept(pending: Pending, sequence: number, answer: ServerMessage): void {
    this.#answered(pending);
    this.#failures = 0;
    this.#accepted = Math.max(this.#accepted, sequence + 1);
    this.#settleOne(pending, {
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
      // The server remembers what we remember; it has what is below `expected`, and nothing above.
      this.#accepted = expected;
      this.#renumber(pending, undefined);
      pending.isUncertain = false;
    } else if (FORGOTTEN.includes(error.code)) {
      this.#mustRaiseEpoch = true;
      // First sent on this connection and refused, it is not stored, and may be sent anew.
      if (pending.isUncertain) this.#forget(pending, error);
      else this.#renumber(pending, undefined);
    } else if (error.retry) {
      // It keeps its number, under another it could be stored twice.
      pending.isUncertain ||= !NOT_STORED.includes(error.code);
      this.#wait(error);
    } else {
      // Its number may be taken, then the next message must not come under the same one.
      this.#mustRaiseEpoch ||= pending.isUncertain && error.code !== "producer_fenced";
      this.#settleOne(pending, error.withOutcome(pending.isUncertain ? "unknown" : "not_stored"));
    }
    this.#goOn();
  }

  #forget(pending: Pending, cause?: LongwireError): void {
    this.#settleOne(
      pending,
      new LongwireError(
        "outcome_unknown",
        `the connection was lost before this message to ${this.#stream} was acknowledged, and ` +
          "the server no longer knows whether it was stored",
        { outcome: "unknown", details: { stream: this.#stream }, cause },
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
    this.#keep();
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

  #settleOne(pending: Pending, outcome: Ack | LongwireError): void {
    this.#pending.splice(this.#pending.indexOf(pending), 1);
    this.#changed.delete(pending);
    this.#host.store.settle(pending, this.#numbers(), outcome);
  }
}
