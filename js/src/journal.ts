import type { Numbers } from "./outbox_store.js";

/** A publish as the database has it. */
export interface Row {
  /** Its key, which rises with each publish of any tab. */
  readonly row: number;
  readonly stream: string;
  readonly payload: string;
  readonly bytes: number;
}

/** The number of a publish that was given one: it may have been sent. */
export interface RowNumber {
  readonly row: number;
  readonly sequence: number;
  readonly numberedMs: number;
}

/** What the database held when its owner came. */
export interface Kept {
  readonly producerId: string;
  readonly numbers: readonly Numbers[];
  readonly rows: readonly Row[];
  readonly rowNumbers: readonly RowNumber[];
  /** Rows above this one were added later. */
  readonly lastRow: number;
}

/** One record about all rows; it is written in each transaction that adds or removes some. */
interface Account {
  producerId: string;
  messages: number;
  bytes: number;
}

/** Something to be written with others in one transaction. */
export interface Change {
  /** Make the requests. It may be called again when the transaction failed. */
  apply(stores: Readonly<Record<StoreName, IDBObjectStore>>, account: Account): void;
  /** It is on the disk. */
  done?(): void;
  /** It is not, and will not be tried again. Without this function it is. */
  failed?(error: unknown): void;
}

const STORE_NAMES = ["publishes", "rowNumbers", "numbers", "account"] as const;
type StoreName = (typeof STORE_NAMES)[number];

const VERSION = 1;
const ACCOUNT = "account";
const RETRY_MS = 1000;

/**
 * The IndexedDB database of an outbox. Many tabs may have it open; the keys of the publishes are
 * their order. Writes are on the disk when they are said to be, many in one transaction.
 */
export class Journal {
  readonly #database: IDBDatabase;
  readonly #trouble: (cause: unknown) => void;
  #changes: Change[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;

  private constructor(database: IDBDatabase, trouble: (cause: unknown) => void) {
    this.#database = database;
    this.#trouble = trouble;
    database.onclose = () => this.#lose("the browser has closed it");
    database.onversionchange = ({ newVersion }) => {
      this.#lose(newVersion === null ? "it is being deleted" : "a newer page changes its layout");
    };
  }

  /** `trouble` hears what cannot be written, and why the database was taken away. */
  static async open(name: string, trouble: (cause: unknown) => void): Promise<Journal> {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("publishes", { keyPath: "row", autoIncrement: true });
      database.createObjectStore("rowNumbers", { keyPath: "row" });
      database.createObjectStore("numbers", { keyPath: "stream" });
      database.createObjectStore("account").put(emptyAccount(), ACCOUNT);
    };
    return new Journal(await resultOf(request), trouble);
  }

  /** Everything, for a new owner. Where nothing waits, numbers begin anew under another id. */
  async load(): Promise<Kept> {
    const transaction = this.#begin();
    const all = <T>(name: StoreName): Promise<T[]> => resultOf(transaction.objectStore(name).getAll());
    const account = transaction.objectStore("account");
    const publishes = transaction.objectStore("publishes");
    let { producerId } = await resultOf<Account>(account.get(ACCOUNT));
    const rows = await all<Row>("publishes");
    if (rows.length === 0) {
      producerId = crypto.randomUUID();
      transaction.objectStore("numbers").clear();
      transaction.objectStore("rowNumbers").clear();
    }
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    account.put({ producerId, messages: rows.length, bytes } satisfies Account, ACCOUNT);
    const lastRow = (await resultOf(publishes.add({}))) as number;
    publishes.delete(lastRow);
    const kept = {
      producerId,
      lastRow,
      rows,
      numbers: await all<Numbers>("numbers"),
      rowNumbers: await all<RowNumber>("rowNumbers"),
    };
    await end(transaction);
    return kept;
  }

  /** The publishes that came behind this one. */
  async rowsAfter(row: number): Promise<Row[]> {
    const store = this.#database.transaction("publishes").objectStore("publishes");
    return resultOf(store.getAll(IDBKeyRange.lowerBound(row, true)));
  }

  write(change: Change): void {
    this.#changes.push(change);
    this.#writing ??= this.#workOff();
  }

  /** Write what is left, and close. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    this.#database.close();
  }

  async #workOff(): Promise<void> {
    while (this.#changes.length > 0) {
      // What else is published in this turn goes into the same transaction.
      await Promise.resolve();
      const changes = this.#changes.splice(0);
      try {
        await this.#commit(changes);
      } catch (error) {
        for (const change of changes) change.failed?.(error);
        if (this.#isClosed) break;
        const left = changes.filter(({ failed }) => !failed);
        if (left.length === 0) continue;
        this.#trouble(error);
        this.#changes.unshift(...left);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      for (const change of changes) change.done?.();
    }
    this.#writing = undefined;
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    const transaction = this.#begin();
    const named = STORE_NAMES.map((name) => [name, transaction.objectStore(name)]);
    const stores = Object.fromEntries(named) as Record<StoreName, IDBObjectStore>;
    const account = await resultOf<Account>(stores.account.get(ACCOUNT));
    for (const change of changes) change.apply(stores, account);
    stores.account.put(account, ACCOUNT);
    await end(transaction);
  }

  #begin(): IDBTransaction {
    return this.#database.transaction(STORE_NAMES, "readwrite", { durability: "strict" });
  }

  #lose(cause: string): void {
    this.#isClosed = true;
    this.#database.close();
    this.#trouble(cause);
  }
}

function emptyAccount(): Account {
  return { producerId: crypto.randomUUID(), messages: 0, bytes: 0 };
}

function resultOf<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function end(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    transaction.commit();
  });
}
