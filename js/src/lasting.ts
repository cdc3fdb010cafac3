import type { LongwireError } from "./errors.js";
import type { Answered, Refused, ServerMessage } from "./link.js";

/** What is asked of the server, and who hears the answer. */
export interface Operation {
  readonly op: string;
  readonly members: object;
  /** More members of the JSON object, already encoded. */
  readonly raw?: string;
  answered(message: ServerMessage): void;
  refused(error: LongwireError): void;
}

/** What lasting operations need of the link. */
export interface LastingHost {
  readonly errorOf: (message: Readonly<Record<string, unknown>>) => LongwireError;
  /** What the server would send on one long connection. */
  deliver(message: ServerMessage): void;
  failed(error: LongwireError): void;
  /** The server refused it: it does not last. */
  drop(lasting: Lasting): void;
  /** It has to be asked for anew. */
  changed(): void;
}

/**
 * What a client asked for once, to last as long as its connection, and what has to be asked again
 * in each HTTP request because there is no connection: a subscription, a membership …
 *
 * The client hears the first answer. What a later one says goes to it in the words that the server
 * has for a connection that goes on: a gap, an end, a change.
 */
export abstract class Lasting {
  /** Whether the client has not been answered yet. */
  isNew = true;
  protected readonly host: LastingHost;
  readonly #answered: Answered;
  readonly #refused: Refused;

  constructor(host: LastingHost, answered: Answered, refused: Refused) {
    this.host = host;
    this.#answered = answered;
    this.#refused = refused;
  }

  /** How to ask for it now. */
  abstract operation(): Operation;

  /** How to name it to the client. */
  protected abstract readonly about: object;

  /** The server's answer, whether asked for alone or together with others. */
  answer(message: ServerMessage): void {
    if (!this.isNew) return this.again(message);
    this.isNew = false;
    this.begin(message);
    this.#answered(message);
  }

  refuse(error: LongwireError): void {
    const { code, message, retry, details } = error;
    this.host.drop(this);
    if (this.isNew) this.#refused(error);
    else this.host.deliver({ ...details, ...this.about, op: "ended", code, message, retry });
  }

  /** Something else took its place before the server answered: of the two only that is told. */
  supersede(): void {
    if (!this.isNew) return;
    this.isNew = false;
    this.#answered({ ...this.about, op: "superseded" });
  }

  /** The first answer. */
  protected begin(_message: ServerMessage): void {}

  /** A later one. */
  protected again(_message: ServerMessage): void {}

  /** What the server sends of it; tells whether the client is to hear of it. */
  heard(_message: ServerMessage): boolean {
    return true;
  }

  protected asking(op: string, members: object): Operation {
    return {
      op,
      members,
      answered: (message) => this.answer(message),
      refused: (error) => this.refuse(error),
    };
  }
}

/** How far one stream was heard. */
export class StreamReading extends Lasting {
  readonly about: { readonly stream: string };
  readonly #first: { readonly position?: string };
  held: string | undefined;
  /** Asked for by itself: together with others it was refused. */
  isAlone = false;

  constructor(
    host: LastingHost,
    members: { stream: string; position?: string },
    answered: Answered,
    refused: Refused,
  ) {
    super(host, answered, refused);
    this.about = { stream: members.stream };
    this.#first = members;
  }

  /** From where it goes on, once there is a position. */
  get place(): string | undefined {
    return this.held ?? this.#first.position;
  }

  /** The answer as it stands among those of others. */
  told(answer: ServerMessage): void {
    if (typeof answer.code === "string") this.refuse(this.host.errorOf(answer));
    else this.answer(answer);
  }

  get members(): object {
    return this.held === undefined ? this.#first : { ...this.about, position: this.held };
  }

  operation(): Operation {
    return this.asking("subscribe", this.members);
  }

  protected override begin({ position }: ServerMessage): void {
    this.held = String(position);
  }

  protected override again(answer: ServerMessage): void {
    const gap = gapOf(this.about.stream, this.held, answer);
    if (!gap) return;
    this.begin(answer);
    this.host.deliver(gap);
  }

  override heard({ op, upto, position }: ServerMessage): boolean {
    if (op === "closed" || op === "ended") this.host.drop(this);
    else this.held = String(upto ?? position);
    return true;
  }
}

/** Every stream that a pattern matches, and how far each was heard. */
export class PatternReading extends Lasting {
  readonly about: { readonly pattern: string };
  readonly #members: { readonly pattern: string; readonly start?: unknown };
  readonly #held = new Map<string, string>();
  /** Streams that the server has still to tell of before all others are new ones. */
  #untold = Infinity;

  constructor(
    host: LastingHost,
    members: { pattern: string; start?: unknown; positions?: Record<string, string> },
    answered: Answered,
    refused: Refused,
  ) {
    super(host, answered, refused);
    this.about = { pattern: members.pattern };
    this.#members = members;
  }

  reads(stream: string): boolean {
    return this.#held.has(stream);
  }

  operation(): Operation {
    if (this.isNew) return this.asking("subscribe", this.#members);
    const start = this.#untold > 0 ? this.#members.start : "earliest";
    const positions = Object.fromEntries(this.#held);
    return this.asking("subscribe", { ...this.about, start, positions });
  }

  protected override begin({ streams }: ServerMessage): void {
    this.#untold = Number(streams);
  }

  override heard(message: ServerMessage): boolean {
    const { op, upto, position } = message;
    const stream = String(message.stream);
    if (op === "matched") return this.#matched(stream, message);
    if (op === "closed" || op === "ended") this.#held.delete(stream);
    else this.#held.set(stream, String(upto ?? position));
    return true;
  }

  #matched(stream: string, message: ServerMessage): boolean {
    const held = this.#held.get(stream);
    if (held === undefined) {
      this.#untold -= 1;
      this.#held.set(stream, String(message.position));
      return true;
    }
    const gap = gapOf(stream, held, message);
    if (gap) {
      this.#held.set(stream, String(message.position));
      this.host.deliver(gap);
    }
    return false;
  }
}

/** A position that was not honoured is a gap in a subscription that goes on. */
function gapOf(stream: string, after: string | undefined, answer: ServerMessage): ServerMessage | undefined {
  const { recovered, reason, position: upto } = answer;
  return recovered === false ? { op: "gap", stream, after, upto, reason, lost: true } : undefined;
}

/** Membership, or work for a consumer: asked for in the same words each time. */
export class Standing extends Lasting {
  readonly about: { readonly stream: string };
  readonly #op: string;
  readonly #members: object;

  constructor(
    host: LastingHost,
    op: string,
    members: { stream: string; consumer?: string },
    answered: Answered,
    refused: Refused,
  ) {
    super(host, answered, refused);
    const { stream, consumer } = members;
    this.about = consumer === undefined ? { stream } : ({ stream, consumer } as { stream: string });
    this.#op = op;
    this.#members = members;
  }

  operation(): Operation {
    return this.asking(this.#op, this.#members);
  }

  override refuse(error: LongwireError): void {
    // Nothing in the protocol ends a membership: what it would say is an error of its own.
    if (this.#op !== "enter" || this.isNew) return super.refuse(error);
    this.host.drop(this);
    this.host.failed(error.about(this.about as Record<string, unknown>));
  }

  override heard({ op }: ServerMessage): boolean {
    if (op === "closed" || op === "ended") this.host.drop(this);
    return true;
  }
}

/**
 * The end of a membership or of work for a consumer, which the next request tells in the place of what
 * it ends: a request beside it could come before one that is on the way and says the contrary.
 */
export class Ending extends Standing {
  protected override begin(message: ServerMessage): void {
    super.begin(message);
    this.host.drop(this);
  }
}

/** Work for a consumer. */
export class Working extends Standing {
  /** What was delivered and is not acknowledged yet: the next request goes on with it. */
  readonly #held = new Set<string>();

  override operation(): Operation {
    const operation = super.operation();
    if (this.isNew) return operation;
    return { ...operation, members: { ...operation.members, held: [...this.#held] } };
  }

  override heard(message: ServerMessage): boolean {
    if (message.op === "delivery") this.#held.add(String(message.position));
    return super.heard(message);
  }

  /** The server knows that these are dealt with, or given back. */
  settled(positions: readonly string[]): void {
    for (const position of positions) this.#held.delete(position);
  }
}

/** Who is there. */
export class Watching extends Standing {
  /** As the client was told, each under the name that it goes by. */
  #members = new Map<string, string>();

  protected override begin({ members }: ServerMessage): void {
    this.#members = byName(members);
  }

  /** What happened between two requests is told as it would have been on one connection. */
  protected override again({ members }: ServerMessage): void {
    const told = this.#members;
    this.#members = byName(members);
    for (const [name, text] of told) if (!this.#members.has(name)) this.#tell("leave", text);
    for (const [name, text] of this.#members) {
      if (told.get(name) !== text) this.#tell(told.has(name) ? "update" : "join", text);
    }
  }

  #tell(event: string, member: string): void {
    const who = JSON.parse(member) as object;
    this.host.deliver({ ...who, ...this.about, op: "presence", event });
  }

  override heard({ op: _op, stream: _stream, event, members, ...member }: ServerMessage): boolean {
    if (event === "reset") this.#members = byName(members);
    for (const [name, text] of byName([member])) {
      if (event === "leave") this.#members.delete(name);
      else if (event !== "reset") this.#members.set(name, text);
    }
    return true;
  }
}

function byName(members: unknown): Map<string, string> {
  const named = (members as { user?: string; connection?: string }[]).map((member) => {
    const { user, connection } = member;
    return [`${user} ${connection}`, JSON.stringify(member)] as const;
  });
  return new Map(named);
}
