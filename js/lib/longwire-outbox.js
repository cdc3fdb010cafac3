// longwire.js 0.1.0, Apache-2.0

// src/journal.ts
var STORE_NAMES = ["publishes", "rowNumbers", "numbers", "account"];
var VERSION = 1;
var ACCOUNT = "account";
var RETRY_MS = 1e3;
var Journal = class _Journal {
  #database;
  #trouble;
  #changes = [];
  #writing;
  #isClosed = false;
  constructor(database, trouble) {
    this.#database = database;
    this.#trouble = trouble;
    database.onclose = () => this.#lose("the browser has closed it");
    database.onversionchange = ({ newVersion }) => {
      this.#lose(newVersion === null ? "it is being deleted" : "a newer page changes its layout");
    };
  }
  /** `trouble` hears what cannot be written, and why the database was taken away. */
  static async open(name, trouble) {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("publishes", { keyPath: "row", autoIncrement: true });
      database.createObjectStore("rowNumbers", { keyPath: "row" });
      database.createObjectStore("numbers", { keyPath: "stream" });
      database.createObjectStore("account").put(emptyAccount(), ACCOUNT);
    };
    return new _Journal(await resultOf(request), trouble);
  }
  /** Everything, for a new owner. Where nothing waits, numbers begin anew under another id. */
  async load() {
    const transaction = this.#begin();
    const all = (name) => resultOf(transaction.objectStore(name).getAll());
    const account = transaction.objectStore("account");
    const publishes = transaction.objectStore("publishes");
    let { producerId } = await resultOf(account.get(ACCOUNT));
    const rows = await all("publishes");
    if (rows.length === 0) {
      producerId = crypto.randomUUID();
      transaction.objectStore("numbers").clear();
      transaction.objectStore("rowNumbers").clear();
    }
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    account.put({ producerId, messages: rows.length, bytes }, ACCOUNT);
    const lastRow = await resultOf(publishes.add({}));
    publishes.delete(lastRow);
    const kept = {
      producerId,
      lastRow,
      rows,
      numbers: await all("numbers"),
      rowNumbers: await all("rowNumbers")
    };
    await end(transaction);
    return kept;
  }
  /** The publishes that came behind this one. */
  async rowsAfter(row) {
    const store = this.#database.transaction("publishes").objectStore("publishes");
    return resultOf(store.getAll(IDBKeyRange.lowerBound(row, true)));
  }
  write(change) {
    this.#changes.push(change);
    this.#writing ??= this.#workOff();
  }
  /** Write what is left, and close. */
  async close() {
    this.#isClosed = true;
    await this.#writing;
    this.#database.close();
  }
  async #workOff() {
    while (this.#changes.length > 0) {
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
    this.#writing = void 0;
  }
  async #commit(changes) {
    const transaction = this.#begin();
    const named = STORE_NAMES.map((name) => [name, transaction.objectStore(name)]);
    const stores = Object.fromEntries(named);
    const account = await resultOf(stores.account.get(ACCOUNT));
    for (const change of changes) change.apply(stores, account);
    stores.account.put(account, ACCOUNT);
    await end(transaction);
  }
  #begin() {
    return this.#database.transaction(STORE_NAMES, "readwrite", { durability: "strict" });
  }
  #lose(cause) {
    this.#isClosed = true;
    this.#database.close();
    this.#trouble(cause);
  }
};
function emptyAccount() {
  return { producerId: crypto.randomUUID(), messages: 0, bytes: 0 };
}
function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
function end(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    transaction.commit();
  });
}

// src/disk_outbox.ts
import {
  LongwireError as LongwireError2
} from "./longwire.js";

// src/outbox_channel.ts
import { LongwireError } from "./longwire.js";
var OutboxChannel = class {
  #channel;
  constructor(name, host) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => {
      const { found, lastRow = 0, row, ack, error } = data;
      if (found) host.heardOfOwner(found, lastRow);
      else if (row === void 0) host.heardOfAddition();
      else if (ack) host.heardOfOutcome(row, ack);
      else if (error) host.heardOfOutcome(row, new LongwireError(error.code, error.message, error));
    };
  }
  tellAddition() {
    this.#post({});
  }
  tellOutcome(row, outcome) {
    if (!(outcome instanceof LongwireError)) return this.#post({ row, ack: outcome });
    const { code, message, retry, details } = outcome;
    const known = outcome.outcome ? { outcome: outcome.outcome } : {};
    this.#post({ row, error: { code, message, retry, details, ...known } });
  }
  tellOwner(found, lastRow) {
    this.#post({ found, lastRow });
  }
  close() {
    this.#channel.close();
  }
  #post(notice) {
    this.#channel.postMessage(notice);
  }
};

// src/disk_outbox.ts
var LEAVING_MS = 1e3;
var TELLING_MS = 1e3;
var DiskOutbox = class {
  name;
  opened;
  #waiters = /* @__PURE__ */ new Map();
  /** For the owner: the rows of what it sends. */
  #rows = /* @__PURE__ */ new Map();
  /** What is on its way to the disk. */
  #writes = /* @__PURE__ */ new Set();
  #leave = new AbortController();
  #isOpened;
  #host;
  #limits;
  #journal;
  #channel;
  /** Published here, without an outcome. */
  #own = 0;
  /** Taken, and published elsewhere or before. */
  #foreign = 0;
  #writingBytes = 0;
  #lastRow = 0;
  #release;
  #isReading = false;
  #mustRead = false;
  #closed;
  /** Throws a `LongwireError`, code `outbox_unusable`, where a browser's storage is missing. */
  constructor(name) {
    this.name = `longwire-outbox:${name}`;
    const missing = missingParts();
    if (missing) throw unusable(`an outbox on disk needs ${missing}, which is not here`);
    this.opened = new Promise((resolve) => this.#isOpened = resolve);
  }
  get size() {
    return this.#own + this.#foreign;
  }
  open(host, limits) {
    if (this.#journal) throw new LongwireError2("bad_use", "an outbox belongs to one client");
    this.#host = host;
    this.#limits = limits;
    this.#channel = new OutboxChannel(this.name, {
      heardOfAddition: () => {
        if (this.#release) void this.#read();
      },
      heardOfOutcome: (row, outcome) => this.#settleOwn(row, outcome),
      heardOfOwner: (found, lastRow) => this.#lookFor(found, lastRow)
    });
    this.#journal = Journal.open(this.name, (cause) => this.#fail(cause));
    void this.#compete(this.#journal);
  }
  async add(stream, payload, bytes) {
    const { messagesMax, bytesMax } = this.#limits;
    const isFull = this.#writes.size >= messagesMax || this.#writingBytes + bytes > bytesMax;
    if (isFull) throw this.#full();
    this.#own += 1;
    this.#writingBytes += bytes;
    return new Promise((resolve, reject) => {
      const settle = (outcome) => {
        this.#own -= 1;
        if (outcome instanceof LongwireError2) reject(outcome);
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
  async kept() {
    await Promise.all(this.#writes);
  }
  number(messages, numbers, done) {
    const changed = messages.map(({ sequence, numberedMs }) => ({ sequence, numberedMs }));
    const rows = messages.map((message) => this.#rows.get(message));
    this.#change((stores) => {
      changed.forEach(({ sequence, numberedMs }, index) => {
        const row = rows[index];
        if (sequence === void 0) stores.rowNumbers.delete(row);
        else stores.rowNumbers.put({ row, sequence, numberedMs });
      });
      stores.numbers.put(numbers);
    }, () => {
      if (!this.#closed) done();
    });
  }
  settle(message, numbers, outcome) {
    const row = this.#rows.get(message);
    this.#rows.delete(message);
    const waiter = this.#waiters.get(row);
    const tell = () => {
      if (waiter) return this.#settleOwn(row, outcome);
      if (!this.#closed) this.#foreign -= 1;
      this.#channel.tellOutcome(row, outcome);
      if (outcome instanceof LongwireError2) this.#host.failed(about(message, outcome));
      this.#host.resized();
    };
    const isRefused = outcome instanceof LongwireError2;
    if (!isRefused) tell();
    else if (waiter) waiter.isKept = false;
    this.#change((stores, account) => {
      stores.publishes.delete(row);
      stores.rowNumbers.delete(row);
      stores.numbers.put(numbers);
      account.messages -= 1;
      account.bytes -= message.bytes;
    }, isRefused ? tell : void 0);
  }
  close(error) {
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
  async #end() {
    await this.kept();
    await this.#journal?.then((journal) => journal.close()).catch(() => void 0);
    this.#channel.close();
    this.#release?.();
  }
  // --- adding -----------------------------------------------------------------------------
  /** Resolves when it is on the disk, or was refused. */
  async #write(message, waiter) {
    let journal;
    try {
      journal = await this.#journal;
    } catch (cause) {
      return waiter.settle(this.#unusable(cause));
    }
    let row;
    await new Promise((resolve) => {
      journal.write({
        apply: ({ publishes }, account) => {
          row = void 0;
          const { messagesMax, bytesMax } = this.#limits;
          if (account.messages >= messagesMax || account.bytes + message.bytes > bytesMax) return;
          account.messages += 1;
          account.bytes += message.bytes;
          publishes.add(message).onsuccess = ({ target }) => {
            row = target.result;
            this.#waiters.set(row, waiter);
          };
        },
        done: () => {
          if (row === void 0) waiter.settle(this.#full());
          else this.#added(row, waiter);
          resolve();
        },
        failed: (cause) => {
          if (row !== void 0) this.#waiters.delete(row);
          const isQuota = cause instanceof DOMException && cause.name === "QuotaExceededError";
          waiter.settle(isQuota ? this.#full(cause) : this.#unusable(cause));
          resolve();
        }
      });
    });
  }
  #added(row, waiter) {
    waiter.isKept = true;
    if (this.#closed) this.#settleOwn(row, this.#closed.withOutcome("kept"));
    if (this.#release) void this.#read();
    else this.#channel.tellAddition();
  }
  // --- owning -----------------------------------------------------------------------------
  /** Wait for the lock; hold it until the end. */
  async #compete(opening) {
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
  async #becomeOwner(journal) {
    const released = new Promise((resolve) => this.#release = resolve);
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
  async #read() {
    this.#mustRead = true;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#mustRead && !this.#closed) {
      this.#mustRead = false;
      const journal = await this.#journal;
      const rows = await journal.rowsAfter(this.#lastRow).catch((error) => {
        this.#fail(error);
        return [];
      });
      if (!this.#closed) this.#take(rows);
    }
    this.#isReading = false;
  }
  #take(rows, known) {
    const messages = rows.map(({ row, stream, payload, bytes }) => {
      const number = known?.get(row);
      const message = {
        ...{ stream, payload, bytes, isInFlight: false },
        sequence: number?.sequence,
        numberedMs: number?.numberedMs ?? 0,
        // An owner before may have sent it.
        isReady: number !== void 0,
        isUncertain: number !== void 0
      };
      this.#rows.set(message, row);
      this.#lastRow = row;
      if (!this.#waiters.has(row)) this.#foreign += 1;
      return message;
    });
    if (messages.length > 0) this.#host.added(messages);
  }
  #change(apply, done) {
    void this.#journal?.then((journal) => journal.write({ apply, ...done ? { done } : {} }));
  }
  // --- between tabs -----------------------------------------------------------------------
  /** What the last owner has removed, and did not live to tell of, has no outcome to wait for. */
  #lookFor(found, lastRow) {
    const left = new Set(found);
    const isGone = ([row, { isKept }]) => isKept && row <= lastRow && !left.has(row);
    const gone = [...this.#waiters].filter(isGone);
    if (gone.length === 0) return;
    const sentence = "the tab that sent this message ended before it told what became of it";
    const error = new LongwireError2("outcome_unknown", sentence, { outcome: "unknown" });
    setTimeout(() => {
      for (const [row] of gone) this.#settleOwn(row, error);
    }, TELLING_MS);
  }
  #settleOwn(row, outcome) {
    const waiter = this.#waiters.get(row);
    this.#waiters.delete(row);
    waiter?.settle(outcome);
  }
  // --- failing ----------------------------------------------------------------------------
  #fail(cause) {
    if (!this.#closed) this.#host.failed(this.#unusable(cause));
  }
  #unusable(cause) {
    return unusable(`${this.name} cannot be used: ${String(cause)}`, cause);
  }
  #full(cause) {
    const { messagesMax, bytesMax } = this.#limits;
    const sentence = cause ? `the browser has no room for more in ${this.name}` : `${this.name} is full: at most ${messagesMax} messages (${bytesMax} bytes) may wait in it`;
    return new LongwireError2("outbox_full", sentence, {
      retry: true,
      outcome: "not_stored",
      details: { messagesMax, bytesMax },
      cause
    });
  }
};
function missingParts() {
  const { indexedDB: indexedDB2, BroadcastChannel: BroadcastChannel2 } = globalThis;
  const missing = [];
  if (!indexedDB2) missing.push("IndexedDB (Node.js has none)");
  if (!globalThis.navigator?.locks) missing.push("Web Locks (a page of https:)");
  if (!BroadcastChannel2) missing.push("BroadcastChannel");
  return missing.join(" and ");
}
function about({ stream, payload }, error) {
  const { code, message, retry, outcome, cause } = error;
  const members = JSON.parse(`{${payload}}`);
  const details = { stream, ...members, ...error.details };
  return new LongwireError2(code, message, { retry, details, cause, ...outcome ? { outcome } : {} });
}
function unusable(sentence, cause) {
  return new LongwireError2("outbox_unusable", sentence, { outcome: "not_stored", cause });
}
export {
  DiskOutbox
};
