import { type Change, Journal, type Row, type RowNumber } from "./journal.js";
import {
  type Ack,
  LongwireError,
  type Numbers,
  type OutboxLimits,
  type OutboxStore,
  type Pending,
  type StoreHost,
} from "./longwire.js";
import { OutboxChannel } from "./outbox_channel.js";

/** For how long a page that is being left may still hold the lock. */
const LEAVING_MS = 1000;
/** For how long news of another tab may be on its way. */
const TELLING_MS = 1000;

/** Who published a row in this tab, and waits for its outcome. */
interface Waiter {
  readonly settle: (outcome: Ack | LongwireError) => void;
  /** Whether the row is on the disk, to be sent. */
  isKept: boolean;
}

/**
 * Keeps published messages in IndexedDB, over reloads and restarts of the browser, until the server
 * has stored them.
 *
 * All tabs of a site that use the same name share one outbox. One of them, by a Web Lock, is its
 * owner and sends; the others add to the database and hear from the owner what became of it. When
 * the owner is closed or dies the next one takes over, with the same producer, epoch and numbers. A
 * name stands for one server and one user.
 */
export class DiskOutbox implements OutboxStore {
  readonly name: string;
  readonly opened: Promise<void>;
  readonly #waiters = new Map<number, Waiter>();
  /** For the owner: the rows of what it sends. */
  readonly #rows = new Map<Pending, number>();
  /** What is on its way to the disk. */
  readonly #writes = new Set<Promise<void>>();
  readonly #leave = new AbortController();
  #isOpened!: () => void;
  #host!: StoreHost;
  #limits!: OutboxLimits;
  #journal: Promise<Journal> | undefined;
  #channel!: OutboxChannel;
  /** Published here, without an outcome. */
  #own = 0;
  /** Taken, and published elsewhere or before. */
  #foreign = 0;
  #writingBytes = 0;
  #lastRow = 0;
  #release: (() => void) | undefined;
  #isReading = false;
  #mustRead = false;
  #closed: LongwireError | undefined;

  /** Throws a `LongwireError`, code `outbox_unusable`, where a browser's storage is missing. */
  constructor(name: string) {
    this.name = `longwire-outbox:${name}`;
    const missing = missingParts();
    if (missing) throw unusable(`an outbox on disk needs ${missing}, which is not here`);
    this.opened = new Promise((resolve) => (this.#isOpened = resolve));
  }

  get size(): number {
    return this.#own + this.#foreign;
  }

  open(host: StoreHost, limits: OutboxLimits): void {
    if (this.#journal) throw new LongwireError("bad_use", "an outbox belongs to one client");
    this.#host = host;
    this.#limits = limits;
    this.#channel = new OutboxChannel(this.name, {
      heardOfAddition: () => {
        if (this.#release) void this.#read();
      },
      heardOfOutcome: (row, outcome) => this.#settleOwn(row, outcome),
      heardOfOwner: (found, lastRow) => this.#lookFor(found, lastRow),
    });
    this.#journal = Journal.open(this.name, (cause) => this.#fail(cause));
    void this.#compete(this.#journal);
  }

  async add(stream: string, payload: string, bytes: number): Promise<Ack> {
    const { messagesMax, bytesMax } = this.#limits;
    // As much may wait for the disk as may wait on it.
    const isFull = this.#writes.size >= messagesMax || this.#writingBytes + bytes > bytesMax;
    if (isFull) throw this.#full();
    this.#own += 1;
    this.#writingBytes += bytes;
    return new Promise((resolve, reject) => {
      const settle = (outcome: Ack | LongwireError): void => {
        this.#own -= 1;
        if (outcome instanceof LongwireError) reject(outcome);
        else resolve(outcome);
        this.#host.resized();
      };
      const write = this.#write({ stream, payload, bytes }, { settle, isKept: false });
      this.#writes.add(write);
      void write.finally(() => {
        this.#writes.delete(write);
        this.#writingBytes -= bytes;
      });
    });
  }

  /** Resolves when what was published so far is on the disk, or was refused. */
  async kept(): Promise<void> {
    await Promise.all(this.#writes);
  }

  number(messages: readonly Pending[], numbers: Numbers, done: () => void): void {
    const changed = messages.map(({ sequence, numberedMs }) => ({ sequence, numberedMs }));
    const rows = messages.map((message) => this.#rows.get(message) as number);
    this.#change((stores) => {
      changed.forEach(({ sequence, numberedMs }, index) => {
        const row = rows[index] as number;
        if (sequence === undefined) stores.rowNumbers.delete(row);
        else stores.rowNumbers.put({ row, sequence, numberedMs } satisfies RowNumber);
      });
      stores.numbers.put(numbers);
    }, () => {
      if (!this.#closed) done();
    });
  }

  settle(message: Pending, numbers: Numbers, outcome: Ack | LongwireError): void {
    const row = this.#rows.get(message) as number;
    this.#rows.delete(message);
    const waiter = this.#waiters.get(row);
    const tell = (): void => {
      if (waiter) return this.#settleOwn(row, outcome);
      if (!this.#closed) this.#foreign -= 1;
      this.#channel.tellOutcome(row, outcome);
      // That tab may be gone: what was refused is told here, too.
      if (outcome instanceof LongwireError) this.#host.failed(about(message, outcome));
      this.#host.resized();
    };
    // Should this page end in between, the next owner sends it again. That does no harm to what is
    // stored. What is refused is not said to be so before it can never be sent again.
    const isRefused = outcome instanceof LongwireError;
    if (!isRefused) tell();
    else if (waiter) waiter.isKept = false;
    this.#change((stores, account) => {
      stores.publishes.delete(row);
      stores.rowNumbers.delete(row);
      stores.numbers.put(numbers);
      account.messages -= 1;
      account.bytes -= message.bytes;
    }, isRefused ? tell : undefined);
  }

  close(error: LongwireError): void {
    this.#closed = error;
    this.#leave.abort();
    for (const [row, { isKept }] of this.#waiters) {
      if (isKept) this.#settleOwn(row, error.withOutcome("kept"));
    }
    this.#rows.clear();
    this.#foreign = 0;
    this.#host.resized();
    void this.#end();
  }

  async #end(): Promise<void> {
    await this.kept();
    await this.#journal?.then((journal) => journal.close()).catch(() => undefined);
    this.#channel.close();
    this.#release?.();
  }

  // --- adding -----------------------------------------------------------------------------

  /** Resolves when it is on the disk, or was refused. */
  async #write(message: Omit<Row, "row">, waiter: Waiter): Promise<void> {
    let journal: Journal;
    try {
      journal = await (this.#journal as Promise<Journal>);
    } catch (cause) {
      return waiter.settle(this.#unusable(cause));
    }
    let row: number | undefined;
    await new Promise<void>((resolve) => {
      journal.write({
        apply: ({ publishes }, account) => {
          row = undefined;
          const { messagesMax, bytesMax } = this.#limits;
          if (account.messages >= messagesMax || account.bytes + message.bytes > bytesMax) return;
          account.messages += 1;
          account.bytes += message.bytes;
          publishes.add(message).onsuccess = ({ target }) => {
            row = (target as IDBRequest<number>).result;
            // Before others can see the row, and tell what became of it.
            this.#waiters.set(row, waiter);
          };
        },
        done: () => {
          if (row === undefined) waiter.settle(this.#full());
          else this.#added(row, waiter);
          resolve();
        },
        failed: (cause) => {
          if (row !== undefined) this.#waiters.delete(row);
          const isQuota = cause instanceof DOMException && cause.name === "QuotaExceededError";
          waiter.settle(isQuota ? this.#full(cause) : this.#unusable(cause));
          resolve();
        },
      });
    });
  }

  #added(row: number, waiter: Waiter): void {
    waiter.isKept = true;
    if (this.#closed) this.#settleOwn(row, this.#closed.withOutcome("kept"));
    if (this.#release) void this.#read();
    else this.#channel.tellAddition();
  }

  // --- owning -----------------------------------------------------------------------------

  /** Wait for the lock; hold it until the end. */
  async #compete(opening: Promise<Journal>): Promise<void> {
    try {
      const journal = await opening;
      setTimeout(() => this.#isOpened(), LEAVING_MS);
      const { signal } = this.#leave;
      await navigator.locks.request(this.name, { signal }, () => this.#becomeOwner(journal));
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#isOpened();
    }
  }

  async #becomeOwner(journal: Journal): Promise<void> {
    const released = new Promise<void>((resolve) => (this.#release = resolve));
    this.#isReading = true;
    const { producerId, numbers, rows, rowNumbers, lastRow } = await journal.load();
    this.#isReading = false;
    if (!this.#closed) {
      const found = rows.map(({ row }) => row);
      this.#channel.tellOwner(found, lastRow);
      this.#lookFor(found, lastRow);
      this.#host.owned(producerId, numbers);
      this.#take(rows, new Map(rowNumbers.map((known) => [known.row, known])));
      this.#lastRow = lastRow;
      if (this.#mustRead) void this.#read();
      this.#isOpened();
    }
    await released;
  }

  /** Take what was added by any tab, in the order of the rows. */
  async #read(): Promise<void> {
    this.#mustRead = true;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#mustRead && !this.#closed) {
      this.#mustRead = false;
      const journal = await (this.#journal as Promise<Journal>);
      const rows = await journal.rowsAfter(this.#lastRow).catch((error: unknown) => {
        this.#fail(error);
        return [];
      });
      if (!this.#closed) this.#take(rows);
    }
    this.#isReading = false;
  }

  #take(rows: readonly Row[], known?: ReadonlyMap<number, RowNumber>): void {
    const messages = rows.map(({ row, stream, payload, bytes }): Pending => {
      const number = known?.get(row);
      const message = {
        ...{ stream, payload, bytes, isInFlight: false },
        sequence: number?.sequence,
        numberedMs: number?.numberedMs ?? 0,
        // An owner before may have sent it.
        isReady: number !== undefined,
        isUncertain: number !== undefined,
      };
      this.#rows.set(message, row);
      this.#lastRow = row;
      if (!this.#waiters.has(row)) this.#foreign += 1;
      return message;
    });
    if (messages.length > 0) this.#host.added(messages);
  }

  #change(apply: Change["apply"], done?: () => void): void {
    void this.#journal?.then((journal) => journal.write({ apply, ...(done ? { done } : {}) }));
  }

  // --- between tabs -----------------------------------------------------------------------

  /** What the last owner has removed, and did not live to tell of, has no outcome to wait for. */
  #lookFor(found: readonly number[], lastRow: number): void {
    const left = new Set(found);
    const isGone = ([row, { isKept }]: [number, Waiter]): boolean =>
      isKept && row <= lastRow && !left.has(row);
    const gone = [...this.#waiters].filter(isGone);
    if (gone.length === 0) return;
    const sentence = "the tab that sent this message ended before it told what became of it";
    const error = new LongwireError("outcome_unknown", sentence, { outcome: "unknown" });
    // What it told may still be on its way.
    setTimeout(() => {
      for (const [row] of gone) this.#settleOwn(row, error);
    }, TELLING_MS);
  }

  #settleOwn(row: number, outcome: Ack | LongwireError): void {
    const waiter = this.#waiters.get(row);
    this.#waiters.delete(row);
    waiter?.settle(outcome);
  }

  // --- failing ----------------------------------------------------------------------------

  #fail(cause: unknown): void {
    if (!this.#closed) this.#host.failed(this.#unusable(cause));
  }

  #unusable(cause: unknown): LongwireError {
    return unusable(`${this.name} cannot be used: ${String(cause)}`, cause);
  }

  #full(cause?: unknown): LongwireError {
    const { messagesMax, bytesMax } = this.#limits;
    const sentence = cause
      ? `the browser has no room for more in ${this.name}`
      : `${this.name} is full: at most ${messagesMax} messages (${bytesMax} bytes) may wait in it`;
    return new LongwireError("outbox_full", sentence, {
      retry: true,
      outcome: "not_stored",
      details: { messagesMax, bytesMax },
      cause,
    });
  }
}

function missingParts(): string {
  const { indexedDB, BroadcastChannel } = globalThis;
  const missing = [];
  if (!indexedDB) missing.push("IndexedDB (Node.js has none)");
  // Pages that did not come over a safe connection have none, unless from the same machine.
  if (!globalThis.navigator?.locks) missing.push("Web Locks (a page of https:)");
  if (!BroadcastChannel) missing.push("BroadcastChannel");
  return missing.join(" and ");
}

/** The same error, with the stream and the members of the publish that it is about. */
function about({ stream, payload }: Pending, error: LongwireError): LongwireError {
  const { code, message, retry, outcome, cause } = error;
  const members = JSON.parse(`{${payload}}`) as Record<string, unknown>;
  const details = { stream, ...members, ...error.details };
  return new LongwireError(code, message, { retry, details, cause, ...(outcome ? { outcome } : {}) });
}

function unusable(sentence: string, cause?: unknown): LongwireError {
  return new LongwireError("outbox_unusable", sentence, { outcome: "not_stored", cause });
}
