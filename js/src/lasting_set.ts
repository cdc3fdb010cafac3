import {
  Ending,
  type Lasting,
  type LastingHost,
  type Operation,
  PatternReading,
  Standing,
  StreamReading,
  Watching,
  Working,
} from "./lasting.js";
import type { Answered, Refused, ServerMessage } from "./link.js";

/** In one `resume`, so that it stays below what a server takes, whatever the streams are called. */
const STREAMS_MAX = 500;

/** What of a request's members says what it is about. */
interface Members {
  readonly stream: string;
  readonly pattern?: string;
  readonly consumer?: string;
  readonly watch?: boolean;
  readonly streams?: readonly { readonly stream: string }[];
}

/** Everything that a client asked for to last. */
export class LastingSet {
  readonly #host: LastingHost;
  readonly #all = new Map<string, Lasting>();
  /** How many were told to end: each is a word of its own, also to the same. */
  #endings = 0;
  /** The name of the own inbox, which `connect` subscribes to, once it is known. */
  #inboxName: string | undefined;

  constructor(host: Omit<LastingHost, "drop">) {
    this.#host = {
      ...host,
      drop: (lasting) => {
        for (const [key, each] of this.#all) if (each === lasting) this.#all.delete(key);
      },
    };
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** Whether the client waits for the answer to one. */
  get hasNew(): boolean {
    return [...this.#all.values()].some(({ isNew }) => isNew);
  }

  /** From where `connect` is to read the inbox: `held` while it has no name; undefined: not at all. */
  inboxPlace(held: string | undefined): string | undefined {
    if (this.#inboxName === undefined) return held ?? "tail";
    const inbox = this.#inbox;
    return inbox && (inbox.place ?? "tail");
  }

  /** What `connected` says of the inbox. */
  adoptInbox(answer: ServerMessage): void {
    if (this.#inboxName === undefined) {
      const nobody = (): void => undefined;
      this.#inboxName = String(answer.stream);
      this.take("subscribe", answer, nobody, nobody);
    }
    this.#inbox?.answer(answer);
  }

  get #inbox(): StreamReading | undefined {
    return this.#all.get(`stream ${this.#inboxName}`) as StreamReading | undefined;
  }

  /** Take a request that lasts, or that ends one which does; false: it has to be sent by itself. */
  take(op: string, given: object, answered: Answered, refused: Refused): boolean {
    const members = given as Members;
    const { stream, pattern, consumer } = members;
    const host = this.#host;
    const end = (key: string): boolean => {
      this.#all.delete(key);
      queueMicrotask(() => answered({ ...given, op }));
      return true;
    };
    const begin = (key: string, lasting: Lasting): boolean => {
      this.#all.set(key, lasting);
      return true;
    };
    const supersede = (key: string): void => {
      const former = this.#all.get(key);
      if (former) queueMicrotask(() => former.supersede());
    };
    const reading = pattern === undefined ? `stream ${stream}` : `pattern ${pattern}`;
    switch (op) {
      // The server is to be told of these two: others wait for it.
      case "leave":
      case "release": {
        const ended = op === "leave" ? `enter ${stream}` : consumerKey(stream, consumer);
        if (op === "leave") supersede(ended);
        this.#all.delete(ended);
        this.#endings += 1;
        return begin(`ending ${this.#endings}`, new Ending(host, op, members, answered, refused));
      }
      case "subscribe":
        if (pattern !== undefined) {
          return begin(reading, new PatternReading(host, { ...members, pattern }, answered, refused));
        }
        return begin(reading, new StreamReading(host, members, answered, refused));
      case "resume":
        this.#resume(members.streams ?? [], answered);
        return true;
      case "unsubscribe":
        return end(reading);
      case "members":
        if (!members.watch) return false;
        return begin(`watch ${stream}`, new Watching(host, op, members, answered, refused));
      case "unwatch":
        return end(`watch ${stream}`);
      case "enter":
        supersede(`enter ${stream}`);
        return begin(`enter ${stream}`, new Standing(host, op, members, answered, refused));
      case "consume":
        return begin(consumerKey(stream, consumer), new Working(host, op, members, answered, refused));
      default:
        return false;
    }
  }

  /** The server has answered a request that was sent by itself. */
  answered(op: string, given: object): void {
    const { stream, consumer } = given as Members;
    const { positions = [] } = given as { positions?: readonly string[] };
    const working = this.#all.get(consumerKey(stream, consumer));
    if (working instanceof Working && (op === "ack" || op === "nack")) working.settled(positions);
  }

  /**
   * What the server is still to be told of when nothing is read any more: what is ending, and to give
   * back what consumers have delivered, to whoever goes on and need not wait for it.
   */
  endings(): Operation[] {
    const nobody = (): void => undefined;
    return [...this.#all.values()].flatMap((lasting) => {
      if (lasting instanceof Ending) return [lasting.operation()];
      if (!(lasting instanceof Working)) return [];
      return [{ op: "release", members: lasting.about, answered: nobody, refused: nobody }];
    });
  }

  /** Each stream is told to the client as the answer to them all would tell it. */
  #resume(streams: readonly { readonly stream: string }[], answered: Answered): void {
    const answers: object[] = [];
    let missing = streams.length;
    streams.forEach((members, index) => {
      const told = (answer: object): void => {
        answers[index] = answer;
        missing -= 1;
        if (missing === 0) answered({ op: "resumed", streams: answers });
      };
      const refused: Refused = ({ code, message, retry, details }) =>
        told({ ...details, code, message, retry });
      this.take("subscribe", members, told, refused);
    });
  }

  /** How to ask for all of it. */
  operations(): Operation[] {
    const together: StreamReading[] = [];
    const others: Operation[] = [];
    const inbox = this.#inbox;
    for (const lasting of this.#all.values()) {
      if (lasting === inbox) continue;
      if (!(lasting instanceof StreamReading)) others.push(lasting.operation());
      else if (!lasting.isAlone) together.push(lasting);
      else {
        lasting.isAlone = false; // those that are well-formed go with others again
        others.push(lasting.operation());
      }
    }
    const first = together[0];
    if (together.length === 1 && first) return [first.operation(), ...others];
    const resumes: Operation[] = [];
    for (let at = 0; at < together.length; at += STREAMS_MAX) {
      resumes.push(this.#resuming(together.slice(at, at + STREAMS_MAX)));
    }
    return [...resumes, ...others];
  }

  #resuming(some: readonly StreamReading[]): Operation {
    return {
      op: "resume",
      members: { streams: some.map(({ members }) => members) },
      answered: ({ streams }) => {
        (streams as ServerMessage[]).forEach((answer, index) => some[index]?.told(answer));
      },
      // One that is malformed refuses all of them: then each is asked for by itself.
      refused: () => {
        for (const reading of some) reading.isAlone = true;
        this.#host.changed();
      },
    };
  }

  /** Something came that the server sent by itself; tells whether the client is to hear of it. */
  heard(message: ServerMessage): boolean {
    const { op, stream, pattern, consumer } = message;
    if (consumer !== undefined) return this.#hears(consumerKey(stream, consumer), message);
    if (op === "presence") return this.#hears(`watch ${String(stream)}`, message);
    if (op === "matched") return this.#hears(`pattern ${String(pattern)}`, message);
    const reads = this.#hears(`stream ${String(stream)}`, message);
    for (const lasting of this.#all.values()) {
      if (lasting instanceof PatternReading && lasting.reads(String(stream))) {
        return lasting.heard(message) || reads;
      }
    }
    return reads;
  }

  #hears(key: string, message: ServerMessage): boolean {
    return this.#all.get(key)?.heard(message) ?? false;
  }
}

function consumerKey(stream: unknown, consumer: unknown): string {
  return `consumer ${JSON.stringify([stream, consumer])}`;
}
