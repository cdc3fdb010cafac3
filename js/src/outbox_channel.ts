import { type Ack, LongwireError, type Outcome } from "./longwire.js";

/** What goes over the channel: one of the three calls of `ChannelHost`. */
interface Notice {
  readonly found?: readonly number[];
  readonly lastRow?: number;
  readonly row?: number;
  readonly ack?: Ack;
  readonly error?: Pick<LongwireError, "code" | "message" | "retry" | "details"> & { outcome?: Outcome };
}

/** What one tab hears from the others. */
export interface ChannelHost {
  /** Something was added to the database. */
  heardOfAddition(): void;
  /** The owner knows what became of a row. */
  heardOfOutcome(row: number, outcome: Ack | LongwireError): void;
  /** Another tab is the owner now. Of the rows up to `lastRow` it has found these. */
  heardOfOwner(found: readonly number[], lastRow: number): void;
}

/** What the tabs that share an outbox tell each other. */
export class OutboxChannel {
  readonly #channel: BroadcastChannel;

  constructor(name: string, host: ChannelHost) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Notice>) => {
      const { found, lastRow = 0, row, ack, error } = data;
      if (found) host.heardOfOwner(found, lastRow);
      else if (row === undefined) host.heardOfAddition();
      else if (ack) host.heardOfOutcome(row, ack);
      else if (error) host.heardOfOutcome(row, new LongwireError(error.code, error.message, error));
    };
  }

  tellAddition(): void {
    this.#post({});
  }

  tellOutcome(row: number, outcome: Ack | LongwireError): void {
    if (!(outcome instanceof LongwireError)) return this.#post({ row, ack: outcome });
    const { code, message, retry, details } = outcome;
    const known = outcome.outcome ? { outcome: outcome.outcome } : {};
    this.#post({ row, error: { code, message, retry, details, ...known } });
  }

  tellOwner(found: readonly number[], lastRow: number): void {
    this.#post({ found, lastRow });
  }

  close(): void {
    this.#channel.close();
  }

  #post(notice: Notice): void {
    this.#channel.postMessage(notice);
  }
}
