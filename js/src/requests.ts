import { LongwireError } from "./errors.js";
import type { Link, ServerMessage } from "./link.js";

interface Waiting {
  readonly send: () => void;
  readonly reject: (error: LongwireError) => void;
}

/** Requests that are made once, on the connection that is there or comes first, never repeated. */
export class Requests {
  readonly #connection: () => Link | undefined;
  /** Those without a connection yet. */
  readonly #waiting = new Set<Waiting>();
  /** How to refuse those without an answer yet. */
  readonly #asked = new Set<(error: LongwireError) => void>();
  #closed: LongwireError | undefined;

  constructor(connection: () => Link | undefined) {
    this.#connection = connection;
  }

  /** `isPatient`: the server may take long, as for a call, and only its silence is a fault. */
  ask(op: string, members: object, isPatient = false): Promise<ServerMessage> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      const send = (): void => {
        this.#asked.add(reject);
        this.#connection()?.request(
          op,
          members,
          (answer) => {
            this.#asked.delete(reject);
            resolve(answer);
          },
          (error) => {
            this.#asked.delete(reject);
            reject(error);
          },
          "",
          isPatient,
        );
      };
      if (this.#connection()?.isUsable) send();
      else this.#waiting.add({ send, reject });
    });
  }

  connected(): void {
    for (const { send } of this.#waiting) send();
    this.#waiting.clear();
  }

  disconnected(): void {
    const sentence =
      "the connection was lost before the answer; whether the request took effect is not known";
    const asked = [...this.#asked];
    this.#asked.clear();
    for (const reject of asked) reject(new LongwireError("connection_lost", sentence, { retry: true }));
  }

  close(error: LongwireError): void {
    this.#closed = error;
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
    this.disconnected();
  }
}
