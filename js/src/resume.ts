import { type LongwireError, errorOf } from "./errors.js";
import type { ServerMessage } from "./link.js";

interface Subscribe {
  readonly members: object;
  readonly answered: (answer: ServerMessage) => void;
  readonly refused: (error: LongwireError) => void;
}

type Request = (
  op: string,
  members: object,
  answered: Subscribe["answered"],
  refused: Subscribe["refused"],
) => void;

/** In one message, so that it stays below what a server takes, whatever the streams are called. */
const STREAMS_MAX = 500;

/** Collects what is to be subscribed after a reconnect, and asks for it in one round trip. */
export class Resume {
  readonly #subscribes: Subscribe[] = [];

  add(members: object, answered: Subscribe["answered"], refused: Subscribe["refused"]): void {
    this.#subscribes.push({ members, answered, refused });
  }

  /** Send all; `streamsMax` is what the server lets a connection subscribe to. */
  send(request: Request, streamsMax: number): void {
    const most = Math.max(1, Math.min(STREAMS_MAX, streamsMax));
    for (let at = 0; at < this.#subscribes.length; at += most) {
      sendSome(request, this.#subscribes.slice(at, at + most));
    }
  }
}

function sendSome(request: Request, some: readonly Subscribe[]): void {
  const oneByOne = (): void => {
    for (const { members, answered, refused } of some) {
      request("subscribe", members, answered, refused);
    }
  };
  if (some.length === 1) return oneByOne();
  request(
    "resume",
    { streams: some.map(({ members }) => members) },
    ({ streams }) => {
      (streams as ServerMessage[]).forEach((answer, index) => {
        if (typeof answer.code === "string") some[index]?.refused(errorOf(answer));
        else some[index]?.answered(answer);
      });
    },
    // One that is malformed refuses all of them: then each is asked for by itself.
    oneByOne,
  );
}
