import { Journal, type Row, type RowNumber } from "./journal.js";
import {
  type Ack,
  LongwireError,
  type Numbers,
  type Outcome,
  type OutboxLimits,
  type OutboxStore,
  type Pending,
  type StoreHost,
} from "./longwire.js";

/** Who published a row in this tab, and waits for its outcome. */
interface Waiter {
  readonly settle: (outcome: Ack | LongwireError) => void;
  /** Whether the row is on the disk. */
  isKept: boolean;
}

/** What a tab tells the others: that it has added something, or what became of a row. */
interface Notice {
  readonly row?: number;
  readonly ack?: Ack;
  readonly error?: Pick<LongwireError, "code" | "message" | "retry" | "details"> & { outcome?: Outcome };
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
  #channel!: BroadcastChannel;
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
    if (this.#journal) throw new LongwireError("bad_use", "an outbox belongs to one client: make another one");
    this.#host = host;
    this.#limits = limits;
    this.#channel = new BroadcastChannel(this.name);
    this.#channel.onmessage = ({ data }: MessageEvent<Notice>) => this.#heard(data);
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
    }, done);
  }

  settle(message: Pending, numbers: Numbers, outcome: Ack | LongwireError): void {
    const row = this.#rows.get(message) as number;
    this.#rows.delete(message);
    // Told before it is removed: should this page end in between, the next owner sends it again, and
    // tells what it hears.
    if (this.#waiters.has(row)) {
      this.#settleOwn(row, outcome);
    } else {
      this.#foreign -= 1;
      this.#tell(row, message, outcome);
    }
    this.#change((stores, account) => {
      stores.publishes.delete(row);
      stores.rowNumbers.delete(row);
      stores.numbers.put(numbers);
      account.messages -= 1;
      account.bytes -= message.bytes;
    });
    this.#host.resized();
  }

  close(error: LongwireError): void {
    this.#closed = error;
    this.#leave.abort();
    for (const [row, { isKept }] of this.#waiters) if (isKept) this.#settleOwn(row, error.withOutcome("kept"));
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
    else this.#channel.postMessage({} satisfies Notice);
  }

  // --- owning -----------------------------------------------------------------------------

  /** Wait for the lock; hold it until the end. */
  async #compete(opening: Promise<Journal>): Promise<void> {
    try {
      const journal = await opening;
      const own = (lock: Lock | null): unknown => (lock ? this.#becomeOwner(journal) : "taken");
      if ((await navigator.locks.request(this.name, { ifAvailable: true }, own)) !== "taken") return;
      this.#isOpened();
      await navigator.locks.request(this.name, { signal: this.#leave.signal }, own);
    } catch (cause) {
      this.#fail(cause);
    } finally {
      this.#isOpened();
    }
  }

  async #becomeOwner(journal: Journal): Promise<void> {
    const released = new Promise<void>((resolve) => (this.#release = resolve));
    this.#isReading = true;
    const { producerId, numbers, rows, rowNumbers } = await journal.load();
    this.#isReading = false;
    if (!this.#closed) {
      this.#host.owned(producerId, numbers);
      this.#take(rows, new Map(rowNumbers.map((known) => [known.row, known])));
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

  #change(apply: Parameters<Journal["write"]>[0]["apply"], done?: () => void): void {
    const finish = (): void => {
      if (!this.#closed) done?.();
    };
    void this.#journal?.then((journal) => journal.write({ apply, done: finish }));
  }

  // --- between tabs -----------------------------------------------------------------------

  #heard({ row, ack, error }: Notice): void {
    if (row === undefined) {
      if (this.#release) void this.#read();
    } else if (ack) {
      this.#settleOwn(row, ack);
    } else if (error) {
      this.#settleOwn(row, new LongwireError(error.code, error.message, error));
    }
  }

  /** Tell the tab that published it. An error is told here, too: that tab may be gone. */
  #tell(row: number, { stream, payload }: Pending, outcome: Ack | LongwireError): void {
    if (!(outcome instanceof LongwireError)) {
      return this.#channel.postMessage({ row, ack: outcome } satisfies Notice);
    }
    const { code, message, retry, details } = outcome;
    const known = outcome.outcome ? { outcome: outcome.outcome } : {};
    this.#channel.postMessage({ row, error: { code, message, retry, details, ...known } });
    const members = JSON.parse(`{${payload}}`) as Record<string, unknown>;
    const about = { stream, ...members, ...details };
    const { cause } = outcome;
    this.#host.failed(new LongwireError(code, message, { retry, details: about, cause, ...known }));
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
      : `${this.name} is full: at most ${messagesMax} messages (${bytesMax} bytes) may wait to be acknowledged`;
    const details = { messagesMax, bytesMax };
    return new LongwireError("outbox_full", sentence, { retry: true, outcome: "not_stored", details, cause });
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

function unusable(sentence: string, cause?: unknown): LongwireError {
  return new LongwireError("outbox_unusable", sentence, { outcome: "not_stored", cause });
}
