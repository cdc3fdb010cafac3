// longwire.js 0.1.0, Apache-2.0

// src/backoff.ts
var OUTAGE_PART = 0.75;
var PAID_BACK = 10;
var LIVED_MS = 5e3;
var Backoff = class {
  #firstMs;
  #maxMs;
  #random;
  #lostMs;
  failures = 0;
  constructor(firstMs, maxMs, random) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }
  /** Count one failure and return how long to wait after it, milliseconds. */
  next(nowMs) {
    this.#lostMs ??= nowMs;
    this.failures += 1;
    const outageMs = nowMs - this.#lostMs;
    return this.#random() * Math.min(this.#maxMs, Math.max(this.#firstMs, OUTAGE_PART * outageMs));
  }
  /** A delay anywhere in a range that the server asked for, milliseconds. */
  within([fromMs, toMs]) {
    return fromMs + this.#random() * Math.max(0, toMs - fromMs);
  }
  /** A connection was lost. Returns whether it had lived: then the first attempt need not wait. */
  lost(nowMs, livedMs) {
    const hadLived = livedMs >= LIVED_MS;
    if (hadLived) {
      this.#lostMs = nowMs;
      this.failures = 0;
    } else if (this.#lostMs !== void 0) {
      const began = Math.max(this.#lostMs, nowMs - livedMs - this.#maxMs / OUTAGE_PART);
      this.#lostMs = Math.min(nowMs, began + (1 + PAID_BACK) * livedMs);
    }
    return hadLived;
  }
};

// src/errors.ts
var LongwireError = class _LongwireError extends Error {
  name = "LongwireError";
  code;
  /** Whether the same request may succeed later. */
  retry;
  /** Set when a publish failed: whether its message may have been stored all the same. */
  outcome;
  /** The further fields of the server's answer, such as `expected`. */
  details;
  constructor(code, message, options = {}) {
    super(message, options);
    this.code = code;
    this.retry = options.retry ?? false;
    if (options.outcome) this.outcome = options.outcome;
    this.details = options.details ?? {};
  }
  /** The same error, said of a publish. */
  withOutcome(outcome) {
    return this.#with({ outcome });
  }
  /** The same error, with what it is about. @internal */
  about(more) {
    return this.#with({ details: { ...this.details, ...more } });
  }
  #with(more) {
    return new _LongwireError(this.code, this.message, { cause: this.cause, ...this, ...more });
  }
};
function errorOf(message) {
  const { op: _op, id: _id, code, message: sentence, retry, ...details } = message;
  return new LongwireError(
    typeof code === "string" ? code : "internal",
    typeof sentence === "string" ? sentence : "no reason was given",
    { retry: retry === true, details }
  );
}

// src/connection.ts
var OWN_HEARTBEAT_S = 25;
var CLOSING_MS = 5e3;
var LATE_MS = 2e3;
function allowsReconnect(code) {
  if (code >= 3e3) return code % 1e3 < 500;
  return ![1e3, 1002, 1003, 1007, 1008, 1009, 1010].includes(code);
}
var Connection = class {
  #owner;
  #settings;
  #transport;
  #requests = /* @__PURE__ */ new Map();
  #startedMs = Date.now();
  #lastId = 0;
  #heardMs = this.#startedMs;
  #heartbeatS = 0;
  #connectedMs = 0;
  #probedMs = 0;
  /** When what the oldest request waited behind was answered. */
  #answeredMs = 0;
  /** Since when an answer is overdue; 0: none is. */
  #overdueMs = 0;
  #heldBytes = Infinity;
  #closing;
  #timer;
  #dueMs = 0;
  #isOver = false;
  constructor(open, owner, settings) {
    this.#owner = owner;
    this.#settings = settings;
    this.#transport = open({
      opened: () => this.#sayHello(),
      received: (text) => this.#receive(text),
      closed: (code, reason) => this.#end(code, reason)
    });
    this.#watch();
  }
  get isUsable() {
    return this.#connectedMs > 0 && !this.#closing && !this.#isOver;
  }
  request(op, members, answered, refused, raw = "", isPatient = false) {
    const id = ++this.#lastId;
    const text = JSON.stringify({ op, id, ...members });
    this.#requests.set(id, { sentMs: Date.now(), isPatient, answered, refused });
    this.#transport.send(raw ? `${text.slice(0, -1)},${raw}}` : text);
    this.#watch();
  }
  probe() {
    if (this.#probedMs || !this.#connectedMs || this.#isOver) return;
    this.#probedMs = Date.now();
    const nothing = () => void 0;
    this.request("ping", {}, nothing, nothing);
  }
  close(code, reason) {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#transport.close(code, reason);
  }
  #sayHello() {
    const { token, inbox, client } = this.#settings;
    this.request(
      "connect",
      { version: 1, client, token, inbox },
      // JSON leaves out what is undefined
      (hello) => {
        this.#heartbeatS = Number(hello.heartbeat_s) || 0;
        this.#connectedMs = Date.now();
        this.#owner.connected(hello);
        this.#watch();
      },
      (error) => this.#drop(error.code, error)
    );
  }
  #receive(text) {
    this.#heardMs = Date.now();
    this.#probedMs = 0;
    let message;
    try {
      message = JSON.parse(text);
      if (typeof message?.op !== "string") throw new TypeError('it has no "op"');
    } catch (cause) {
      const start = JSON.stringify(text.slice(0, 80));
      this.#owner.failed(
        new LongwireError("bad_answer", `the server sent no message of the protocol: ${start}`, {
          cause
        })
      );
      this.#drop("the server sent no message of the protocol");
      return;
    }
    const request = message.id === void 0 ? void 0 : this.#requests.get(message.id);
    if (request) {
      if (request === this.#oldest()) {
        this.#answeredMs = this.#heardMs;
        this.#overdueMs = 0;
      }
      this.#requests.delete(message.id);
      if (message.op === "error") request.refused(errorOf(message));
      else request.answered(message);
    } else {
      this.#handle(message);
    }
  }
  #handle(message) {
    switch (message.op) {
      case "ping":
        this.#transport.send('{"op":"pong"}');
        break;
      case "error":
        this.#owner.failed(errorOf(message));
        break;
      case "closing":
        this.#closing = { ...message, heardMs: this.#heardMs };
        this.#watch();
        break;
      default:
        this.#owner.delivered(message);
    }
  }
  /** What is waited for, and until when: the earliest of the deadlines. */
  #deadline() {
    const { connectTimeoutMs, answerTimeoutMs, probeTimeoutMs } = this.#settings;
    if (!this.#connectedMs) {
      return [this.#startedMs + connectTimeoutMs, `no answer within ${connectTimeoutMs / 1e3} s`];
    }
    if (this.#closing) return [this.#closing.heardMs + CLOSING_MS, "the server is closing"];
    const silenceS = 2 * this.#heartbeatS || OWN_HEARTBEAT_S;
    const deadline = this.#probedMs ? [this.#probedMs + probeTimeoutMs, `no sign of life within ${probeTimeoutMs / 1e3} s`] : [this.#heardMs + silenceS * 1e3, `the server was silent for ${silenceS} s`, "silence"];
    const oldest = this.#oldest();
    if (!oldest) return deadline;
    const reason = `no answer within ${answerTimeoutMs / 1e3} s`;
    const answer = this.#overdueMs ? [this.#overdueMs + probeTimeoutMs, reason] : [Math.max(oldest.sentMs, this.#answeredMs) + answerTimeoutMs, reason, "answer"];
    return answer[0] < deadline[0] ? answer : deadline;
  }
  /** Of the requests whose answer may not take its time: they stand in the order of sending. */
  #oldest() {
    for (const request of this.#requests.values()) if (!request.isPatient) return request;
    return void 0;
  }
  /** Have a timer that is no later than the next deadline. */
  #watch() {
    if (this.#isOver) return;
    const [whenMs] = this.#deadline();
    if (this.#timer !== void 0 && this.#dueMs <= whenMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = whenMs;
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, whenMs - Date.now()));
  }
  #expire() {
    this.#timer = void 0;
    const nowMs = Date.now();
    const [whenMs, reason, doubt] = this.#deadline();
    if (nowMs < whenMs) return this.#watch();
    if (doubt && nowMs - this.#dueMs > LATE_MS) {
      this.#heardMs = this.#answeredMs = nowMs;
      this.probe();
    } else if (this.#isSendingSlowly()) {
      this.#answeredMs = nowMs;
      if (this.#overdueMs) this.#overdueMs = nowMs;
      if (this.#probedMs) this.#probedMs = nowMs;
    } else if (doubt === "answer") {
      this.#overdueMs = nowMs;
      this.probe();
    } else if (doubt && !this.#heartbeatS) {
      this.#heardMs = nowMs;
      this.probe();
    } else {
      return this.#drop(reason);
    }
    this.#watch();
  }
  /** Whether the network took some of what was sent since the last time, and has more to take. */
  #isSendingSlowly() {
    const heldBytes = this.#transport.heldBytes;
    const isProgress = heldBytes > 0 && heldBytes < this.#heldBytes;
    this.#heldBytes = heldBytes || Infinity;
    return isProgress && this.#connectedMs > 0 && !this.#closing;
  }
  /** Give the connection up from this side: a dead peer would never answer a closing handshake. */
  #drop(reason, error) {
    this.#transport.close(4e3, reason);
    this.#end(1006, reason, error);
  }
  #unnamedReason() {
    return this.#connectedMs ? "the connection was lost" : "no connection could be made";
  }
  #end(code, reason, error) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    const closing = this.#closing;
    const after = closing?.after_s;
    this.#owner.ended({
      code: closing && code === 1006 ? Number(closing.code) : code,
      reason: reason || String(closing?.reason ?? "") || this.#unnamedReason(),
      reconnect: error ? error.retry : typeof closing?.reconnect === "boolean" ? closing.reconnect : allowsReconnect(code),
      livedMs: this.#connectedMs ? Date.now() - this.#connectedMs : 0,
      ...Array.isArray(after) ? { afterMs: [1e3 * after[0], 1e3 * after[1]] } : {},
      ...error ? { error } : {}
    });
  }
};

// src/base64.ts
var SLICE_BYTES = 32768;
function encodeBase64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    binary += String.fromCharCode(...bytes.subarray(at, at + SLICE_BYTES));
  }
  return btoa(binary);
}
function decodeBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// src/message.ts
function messageOf(stream, entry) {
  const { position, time, base64, data, key, erased } = entry;
  return {
    stream,
    position: String(position),
    time: Number(time),
    data: base64 === void 0 ? data : decodeBase64(String(base64)),
    ...key === void 0 ? {} : { key: String(key) },
    ...erased === true ? { erased } : {}
  };
}

// src/consumer.ts
var Consumer = class {
  stream;
  name;
  /** Settled with the server's first answer. */
  ready;
  #host;
  #options;
  #handler;
  #queue = [];
  #isDelivering = false;
  #isEnded = false;
  /** Counts connections: what was delivered on an earlier one is not acknowledged on this. */
  #life = 0;
  #failures = 0;
  #retry;
  #settle;
  /** @internal */
  constructor(host, stream, name, options, handler) {
    this.#host = host;
    this.stream = stream;
    this.name = name;
    this.#options = options;
    this.#handler = handler;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (state) => state instanceof LongwireError ? reject(state) : resolve(state);
    });
    this.ready.catch(() => void 0);
  }
  /** Stop. What is not acknowledged goes to others at once. */
  release() {
    if (this.#isEnded) return;
    if (this.#host.isUsable) this.#tell("release", {});
    this.end(new LongwireError("closed", "released before the answer"));
  }
  /** @internal */
  connected() {
    const life = this.#life;
    const { start, window: window2, ackWaitMs } = this.#options;
    const ack_wait_s = ackWaitMs === void 0 ? void 0 : ackWaitMs / 1e3;
    this.#host.ask("consume", { ...this.#names, start, window: window2, ack_wait_s }).then(
      (answer) => {
        this.#failures = 0;
        this.#settle(consumerStateOf(answer));
      },
      (error) => {
        if (life === this.#life) this.#refused(error);
      }
    );
  }
  /** The connection is gone: what was delivered on it comes again. @internal */
  disconnected() {
    clearTimeout(this.#retry);
    this.#life += 1;
    this.#queue.length = 0;
  }
  /** @internal */
  received(message) {
    if (this.#isEnded) return;
    const { stream } = this;
    if (message.op === "delivery") {
      const attempt = Number(message.attempt);
      this.#queue.push({ ...messageOf(stream, message), consumer: this.name, attempt });
    } else if (message.op === "gap") {
      const { reason, after, upto, lost } = message;
      const places = { held: String(after), position: String(upto) };
      if (lost === false) return;
      this.#queue.push(() => this.#host.gap({ stream, reason: String(reason), ...places }));
    } else if (message.op === "closed") {
      this.#queue.push(() => {
        this.#host.finished({ stream, position: String(message.position) });
        this.end(new LongwireError("closed", "the stream is closed"));
      });
    } else if (message.op === "ended") {
      this.disconnected();
      this.#refused(errorOf(message));
    }
    void this.#deliver();
  }
  /** @internal */
  end(error) {
    if (this.#isEnded) return;
    this.disconnected();
    this.#isEnded = true;
    this.#settle(error);
    this.#host.ended(this);
  }
  get #names() {
    return { stream: this.stream, consumer: this.name };
  }
  #tell(op, members) {
    this.#host.ask(op, { ...this.#names, ...members }).catch(() => void 0);
  }
  #refused(error) {
    const named = error.about(this.#names);
    this.#host.failed(named);
    if (!error.retry) return this.end(named);
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#retry = setTimeout(() => this.connected(), delayMs);
  }
  async #deliver() {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let item = this.#queue.shift(); item; item = this.#queue.shift()) {
      if (typeof item === "function") item();
      else await this.#handle(item);
    }
    this.#isDelivering = false;
  }
  async #handle(delivery) {
    const life = this.#life;
    const { position } = delivery;
    let failed = false;
    try {
      await this.#handler(delivery);
    } catch (cause) {
      failed = true;
      const sentence = `the handler of ${this.name} failed at ${this.stream}, ${position}: ${String(cause)}`;
      const details = { ...this.#names, position };
      this.#host.failed(new LongwireError("handler_failed", sentence, { details, cause }));
    }
    if (life !== this.#life || !this.#host.isUsable) return;
    const after_s = (this.#options.retryAfterMs ?? 1e3) / 1e3;
    if (failed) this.#tell("nack", { positions: [position], after_s });
    else this.#tell("ack", { positions: [position] });
  }
};
function consumerStateOf(answer) {
  const { exists, position, tail, unread, pending } = answer;
  return {
    exists: exists !== false,
    position: String(position),
    tail: String(tail),
    unread: Number(unread ?? 0),
    pending: Number(pending ?? 0)
  };
}

// src/emitter.ts
var Emitter = class {
  #listeners = /* @__PURE__ */ new Map();
  /** Call `listener` at every `name` event; returns the function that stops it. */
  on(name, listener) {
    let listeners = this.#listeners.get(name);
    if (!listeners) this.#listeners.set(name, listeners = /* @__PURE__ */ new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }
  /** Call the listeners of `name`; tells whether there was one. */
  emit(name, event) {
    const listeners = this.#listeners.get(name);
    if (!listeners?.size) return false;
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return true;
  }
};

// src/memory_store.ts
var MemoryStore = class {
  #waiters = /* @__PURE__ */ new Map();
  #host;
  #limits;
  #bytes = 0;
  get size() {
    return this.#waiters.size;
  }
  open(host, limits) {
    this.#host = host;
    this.#limits = limits;
    host.owned(randomId(), []);
  }
  async add(stream, payload, bytes) {
    this.#checkRoom(bytes);
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      const marks = { numberedMs: 0, isReady: false, isInFlight: false, isUncertain: false };
      const pending = { stream, payload, bytes, ...marks };
      this.#waiters.set(pending, { resolve, reject });
      this.#host.added([pending]);
    });
  }
  number(_messages, _numbers, done) {
    done();
  }
  settle(pending, _numbers, outcome) {
    const waiter = this.#waiters.get(pending);
    this.#waiters.delete(pending);
    this.#bytes -= pending.bytes;
    if (outcome instanceof LongwireError) waiter?.reject(outcome);
    else waiter?.resolve(outcome);
    this.#host.resized();
  }
  close(error) {
    for (const [{ isInFlight, isUncertain }, { reject }] of this.#waiters) {
      reject(error.withOutcome(isInFlight || isUncertain ? "unknown" : "not_stored"));
    }
    this.#waiters.clear();
    this.#host.resized();
  }
  #checkRoom(bytes) {
    const { messagesMax, bytesMax } = this.#limits;
    if (this.size < messagesMax && this.#bytes + bytes <= bytesMax) return;
    throw new LongwireError(
      "outbox_full",
      `${this.size} messages (${this.#bytes} bytes) wait to be acknowledged; at most ${messagesMax} (${bytesMax} bytes) may`,
      { retry: true, outcome: "not_stored", details: { messagesMax, bytesMax } }
    );
  }
};
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// src/producer.ts
var NOT_STORED = ["rate_limited", "too_many_in_flight", "store_full"];
var FORGOTTEN = ["producer_unknown", "producer_epoch_start", "sequence_gap"];
var StreamProducer = class {
  #host;
  #stream;
  #pending = [];
  /** Messages whose numbers the store does not have yet. */
  #changed = /* @__PURE__ */ new Set();
  #epoch;
  #next;
  #accepted;
  #inFlight = 0;
  /** A refusal was seen: nothing new is numbered until all that is in flight is answered. */
  #isSettling = false;
  #mustRaiseEpoch = false;
  #failures = 0;
  #pause;
  constructor(host, { stream, epoch, next, accepted }) {
    this.#host = host;
    this.#stream = stream;
    this.#epoch = epoch;
    this.#next = next;
    this.#accepted = accepted;
  }
  /** Take a message; it is sent when `resume` or `send` is called next. */
  add(pending) {
    this.#pending.push(pending);
    if (pending.sequence !== void 0) this.#next = Math.max(this.#next, pending.sequence + 1);
  }
  /** Send what may be sent now, but nothing whose repetition the server may not know any more. */
  resume() {
    const { rememberedMs } = this.#host;
    const isForgotten = ({ isUncertain, numberedMs }) => isUncertain && Date.now() - numberedMs >= rememberedMs;
    const forgotten = this.#pending.filter(isForgotten);
    if (forgotten.length === 0) return this.send();
    this.#isSettling = this.#mustRaiseEpoch = true;
    for (const pending of forgotten) this.#forget(pending);
    this.#goOn();
  }
  /** Send what may be sent now. */
  send() {
    if (this.#pause !== void 0) return;
    this.#numberNew();
    for (const pending of [...this.#pending]) {
      if (!this.#host.hasRoom || this.#inFlight >= this.#host.inFlightMax) return;
      if (pending.isInFlight || pending.sequence === void 0) continue;
      if (!pending.isReady) return;
      this.#sendOne(pending, pending.sequence);
    }
  }
  /** The connection is gone: what was in flight may or may not have been stored. */
  disconnected() {
    clearTimeout(this.#pause);
    this.#pause = void 0;
    this.#inFlight = 0;
    for (const pending of this.#pending) {
      if (!pending.isInFlight) continue;
      pending.isInFlight = false;
      pending.isUncertain = true;
    }
  }
  /** Give numbers to as many messages as may be in flight. */
  #numberNew() {
    let room = this.#host.hasRoom && !this.#isSettling ? this.#host.inFlightMax : 0;
    for (const pending of [...this.#pending]) {
      if (room <= 0) break;
      if (pending.sequence === void 0) {
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
  #renumber(pending, sequence) {
    pending.sequence = sequence;
    pending.isReady = false;
    this.#changed.add(pending);
  }
  /** Have the store keep the numbers that changed. */
  #keep() {
    if (this.#changed.size === 0) return;
    const epoch = this.#epoch;
    const changed = [...this.#changed];
    const sequences = changed.map(({ sequence }) => sequence);
    this.#changed.clear();
    this.#host.store.number(changed, this.#numbers(), () => {
      changed.forEach((pending, index) => {
        const { sequence } = pending;
        const isLatest = sequence === sequences[index] && epoch === this.#epoch;
        if (sequence !== void 0 && isLatest) pending.isReady = true;
      });
      this.send();
    });
  }
  #numbers() {
    const [epoch, next, accepted] = [this.#epoch, this.#next, this.#accepted];
    return { stream: this.#stream, epoch, next, accepted };
  }
  #sendOne(pending, sequence) {
    pending.isInFlight = true;
    this.#inFlight += 1;
    this.#host.request(
      "publish",
      { stream: this.#stream, epoch: this.#epoch, sequence },
      (answer) => this.#accept(pending, sequence, answer),
      (error) => this.#refuse(pending, sequence, error),
      pending.payload
    );
  }
  #accept(pending, sequence, answer) {
    this.#answered(pending);
    this.#failures = 0;
    this.#accepted = Math.max(this.#accepted, sequence + 1);
    this.#settleOne(pending, {
      stream: this.#stream,
      position: typeof answer.last === "string" ? answer.last : null,
      first: typeof answer.first === "string" ? answer.first : null,
      duplicate: answer.duplicate === true,
      durability: String(answer.durability)
    });
    this.#goOn();
  }
  #refuse(pending, sequence, error) {
    this.#answered(pending);
    this.#isSettling = true;
    const expected = Number(error.details.expected);
    const isHole = error.code === "sequence_gap" || error.code === "producer_epoch_start";
    if (isHole && expected >= this.#accepted && expected < sequence) {
      this.#accepted = expected;
      this.#renumber(pending, void 0);
      pending.isUncertain = false;
    } else if (FORGOTTEN.includes(error.code)) {
      this.#mustRaiseEpoch = true;
      if (pending.isUncertain) this.#forget(pending, error);
      else this.#renumber(pending, void 0);
    } else if (error.retry) {
      pending.isUncertain ||= !NOT_STORED.includes(error.code);
      this.#wait(error);
    } else {
      this.#mustRaiseEpoch ||= pending.isUncertain && error.code !== "producer_fenced";
      this.#settleOne(pending, error.withOutcome(pending.isUncertain ? "unknown" : "not_stored"));
    }
    this.#goOn();
  }
  #forget(pending, cause) {
    this.#settleOne(
      pending,
      new LongwireError(
        "outcome_unknown",
        `the connection was lost before this message to ${this.#stream} was acknowledged, and the server no longer knows whether it was stored`,
        { outcome: "unknown", details: { stream: this.#stream }, cause }
      )
    );
  }
  #goOn() {
    if (this.#isSettling && this.#inFlight === 0) this.#settle();
    this.send();
  }
  /** Everything is answered: decide which number comes next. */
  #settle() {
    let next = this.#accepted;
    let hasNumbered = false;
    for (const { sequence } of this.#pending) {
      if (sequence === void 0) continue;
      hasNumbered = true;
      next = Math.max(next, sequence + 1);
    }
    if (this.#mustRaiseEpoch) {
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
  #wait(error) {
    if (this.#pause !== void 0) return;
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#pause = setTimeout(() => {
      this.#pause = void 0;
      this.send();
    }, delayMs);
  }
  #answered(pending) {
    pending.isInFlight = false;
    this.#inFlight -= 1;
    this.#host.answered();
  }
  #settleOne(pending, outcome) {
    this.#pending.splice(this.#pending.indexOf(pending), 1);
    this.#changed.delete(pending);
    this.#host.store.settle(pending, this.#numbers(), outcome);
  }
};

// src/outbox.ts
var IN_FLIGHT_MAX = 64;
var ENVELOPE_BYTES = 1536;
var Outbox = class {
  store;
  #link;
  #producers = /* @__PURE__ */ new Map();
  #encoder = new TextEncoder();
  #waiting = [];
  #producerId = "";
  #inFlight = 0;
  #closed;
  constructor(link, store, limits) {
    this.#link = link;
    this.store = store;
    store.open(this, limits);
  }
  async publish(stream, data, options) {
    return this.#add(stream, encodePayload(data) + encodeOptions(options));
  }
  async publishBatch(stream, batch, { key, ...options }) {
    const each = encodeOptions(key === void 0 ? {} : { key });
    const entries = batch.map((data) => `{${encodePayload(data)}${each}}`);
    return this.#add(stream, `"batch":[${entries}]${encodeOptions(options)}`);
  }
  async #add(stream, payload) {
    if (this.#closed) throw this.#closed.withOutcome("not_stored");
    const bytes = this.#encoder.encode(payload).length;
    const tooLarge = this.whyTooLarge(stream, bytes);
    if (tooLarge) throw tooLarge;
    return this.store.add(stream, payload, bytes);
  }
  /** Wait until nothing is left, whatever became of it. */
  async flush() {
    await this.store.opened;
    if (this.store.size > 0) await new Promise((resolve) => this.#waiting.push(resolve));
  }
  connected() {
    for (const producer of this.#producers.values()) producer.resume();
  }
  disconnected() {
    this.#inFlight = 0;
    for (const producer of this.#producers.values()) producer.disconnected();
  }
  close(error) {
    this.#closed = error;
    for (const producer of this.#producers.values()) producer.disconnected();
    this.#producers.clear();
    this.store.close(error);
  }
  // --- for the store ----------------------------------------------------------------------
  owned(producerId, numbers) {
    this.#producerId = producerId;
    for (const known of numbers) {
      this.#producers.set(known.stream, new StreamProducer(this, known));
    }
  }
  added(messages) {
    const producers = new Set(messages.map((message) => this.#enqueue(message)));
    for (const producer of producers) producer.resume();
  }
  resized() {
    if (this.store.size === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }
  failed(error) {
    this.#link.failed(error);
  }
  // --- for the producers ------------------------------------------------------------------
  get hasRoom() {
    return this.#link.isUsable && this.#inFlight < this.#link.limit("in_flight");
  }
  get inFlightMax() {
    return Math.min(IN_FLIGHT_MAX, this.#link.limit("producer_in_flight"));
  }
  get rememberedMs() {
    return this.#link.limit("producer_state_s") * 1e3;
  }
  request(op, members, answered, refused, raw) {
    this.#inFlight += 1;
    this.#link.request(op, { producer: this.#producerId, ...members }, answered, refused, raw);
  }
  answered() {
    const wasFull = !this.hasRoom;
    this.#inFlight -= 1;
    if (wasFull) queueMicrotask(() => this.#sendAll());
  }
  retryDelayMs(error, failures) {
    return this.#link.retryDelayMs(error, failures);
  }
  whyTooLarge(stream, bytes) {
    const limit = this.#link.limit("message_bytes") - ENVELOPE_BYTES;
    if (bytes <= limit) return void 0;
    return new LongwireError(
      "entry_too_large",
      `a message to ${stream} has ${bytes} bytes as JSON; the server takes at most ${limit}`,
      { outcome: "not_stored", details: { bytes, limit } }
    );
  }
  #sendAll() {
    for (const producer of this.#producers.values()) producer.send();
  }
  #enqueue(message) {
    const { stream } = message;
    let producer = this.#producers.get(stream);
    if (!producer) {
      producer = new StreamProducer(this, { stream, epoch: 0, next: 0, accepted: 0 });
      this.#producers.set(stream, producer);
    }
    producer.add(message);
    return producer;
  }
};
function encodePayload(data) {
  if (data instanceof ArrayBuffer) return `"base64":"${encodeBase64(new Uint8Array(data))}"`;
  if (ArrayBuffer.isView(data)) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return `"base64":"${encodeBase64(bytes)}"`;
  }
  let json;
  let cause;
  try {
    json = JSON.stringify(data);
  } catch (error) {
    cause = error;
  }
  if (json !== void 0) return `"data":${json}`;
  throw new LongwireError(
    "bad_data",
    `a value of type ${typeof data} cannot be published: it must be JSON or bytes (Uint8Array, ArrayBuffer)`,
    { outcome: "not_stored", cause }
  );
}
function encodeOptions({ key, ifTail, durability }) {
  const members = JSON.stringify({ key, if_tail: ifTail, durability }).slice(1, -1);
  return members && `,${members}`;
}

// src/position.ts
var POSITION = /^\d{16}_[0-9a-z]{8}[0-9a-f]{16}$/;
function checkPosition(position) {
  if (POSITION.test(position)) return position;
  throw new LongwireError(
    "bad_position",
    `${JSON.stringify(position)} is not the position of a message: 16 digits, "_", 8 characters, 16 hex digits`
  );
}
function offsetOf(position) {
  return Number(position.slice(0, 16));
}

// src/pattern.ts
var MISMATCHES_MAX = 3;
var PatternSubscription = class {
  pattern;
  /** Settled with the server's first answer. */
  ready;
  #host;
  #handler;
  #tracks = /* @__PURE__ */ new Map();
  #queue = [];
  #start;
  #state = "idle";
  /** Streams that the server has still to tell of. */
  #untold = Infinity;
  #mismatches = 0;
  #failures = 0;
  #retry;
  #isDelivering = false;
  #settle;
  /** @internal */
  constructor(host, pattern, options, handler) {
    this.#host = host;
    this.pattern = pattern;
    this.#handler = handler;
    this.#start = options.start;
    for (const [stream, position] of Object.entries(options.positions ?? {})) {
      this.#tracks.set(stream, newTrack(checkPosition(position), true));
    }
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (error) => error ? reject(error) : resolve();
    });
    this.ready.catch(() => void 0);
  }
  /** How far each stream has been dealt with. */
  get positions() {
    return Object.fromEntries([...this.#tracks].map(([stream, { handled }]) => [stream, handled]));
  }
  /** Stop. What was received and not handled yet is dropped; `positions` say which. */
  unsubscribe() {
    if (this.#state === "asking" || this.#state === "live") this.#tellUnsubscribe(() => void 0);
    this.#queue.length = 0;
    this.end(new LongwireError("closed", "unsubscribed before the answer"));
  }
  /** @internal */
  connected() {
    if (this.#state === "paused" && this.#hasRoom) this.#state = "idle";
    if (this.#state !== "idle" || !this.#host.isUsable) return;
    clearTimeout(this.#retry);
    this.#state = "asking";
    const positions = {};
    for (const [stream, track] of this.#tracks) {
      if (!track.isFinished) positions[stream] = track.received;
    }
    this.#host.request(
      "subscribe",
      { pattern: this.pattern, start: this.#start, positions },
      (answer) => {
        if (this.#state !== "asking") return;
        this.#state = "live";
        this.#failures = 0;
        this.#untold = Number(answer.streams);
        this.#told(0);
        this.#settle();
      },
      (error) => {
        if (this.#state !== "asking") return;
        this.#state = "idle";
        const named = error.about({ pattern: this.pattern });
        this.#host.failed(named);
        if (error.retry) this.#later(error);
        else this.end(named);
      }
    );
  }
  /** @internal */
  disconnected() {
    if (this.#state === "ended") return;
    clearTimeout(this.#retry);
    this.#state = this.#state === "leaving" || this.#state === "paused" ? "paused" : "idle";
    for (const track of this.#tracks.values()) {
      track.isLive = false;
      track.wasInterrupted = true;
    }
  }
  /** @internal */
  end(error) {
    if (this.#state === "ended") return;
    this.#state = "ended";
    clearTimeout(this.#retry);
    this.#settle(error);
    this.#host.ended(this);
  }
  /** Whether the server delivers a stream to it. @internal */
  reads(stream) {
    return this.#tracks.get(stream)?.isLive ?? false;
  }
  /** A stream belongs to it, and its deliveries go on there. @internal */
  matched(message) {
    if (this.#state !== "live") return;
    this.#told(1);
    const stream = String(message.stream);
    const position = String(message.position);
    let track = this.#tracks.get(stream);
    if (!track) this.#tracks.set(stream, track = newTrack(position, false));
    const held = track.received;
    if (message.recovered === false) {
      this.#pass(
        stream,
        track,
        position,
        () => this.#host.gap({ stream, reason: String(message.reason), held, position })
      );
    } else if (track.wasInterrupted) {
      const missed = Math.max(0, offsetOf(String(message.tail)) - offsetOf(held));
      this.#queue.push(() => this.#host.recovered({ stream, position: held, missed }));
    }
    track.wasInterrupted = false;
    track.isLive = !track.isFinished;
    void this.#deliver();
  }
  /** A delivery of one of the streams. @internal */
  delivered(message) {
    const stream = String(message.stream);
    const track = this.#tracks.get(stream);
    if (!track?.isLive || this.#state !== "live") return;
    const upto = String(message.upto ?? message.position);
    if (message.op === "closed") {
      track.isLive = false;
      track.isFinished = true;
      this.#queue.push(() => this.#host.finished({ stream, position: upto }));
    } else if (!this.#follows(stream, track, String(message.after), upto)) {
      return;
    } else if (message.op === "entry") {
      track.received = upto;
      this.#queue.push(messageOf(stream, message));
      if (this.#queue.length >= this.#host.queueMessagesMax) this.#leave();
    } else {
      const { reason, lost } = message;
      const event = { stream, reason: String(reason), held: track.received, position: upto };
      this.#pass(stream, track, upto, () => lost !== false && this.#host.gap(event));
    }
    void this.#deliver();
  }
  /** The server does not deliver one of the streams any more. @internal */
  refused(stream, error) {
    const track = this.#tracks.get(stream);
    if (track) track.isLive = false;
    if (error.retry) this.#later(error);
    else this.#tracks.delete(stream);
    this.#host.failed(error.about({ stream, pattern: this.pattern }));
  }
  /** There was no room for one of them. @internal */
  untold() {
    this.#told(1);
  }
  /** What was there at the beginning is known: what is not was created since. */
  #told(count) {
    this.#untold -= count;
    if (this.#untold <= 0) this.#start = "earliest";
  }
  #pass(stream, track, position, announce) {
    track.received = position;
    this.#queue.push(() => {
      this.#hold(stream, position);
      announce();
    });
  }
  #follows(stream, track, after, upto) {
    const held = track.received;
    if (after === held) {
      this.#mismatches = 0;
      return true;
    }
    if (upto === held) return false;
    const sentence = `${stream}: the server delivered what follows ${after}, but ${held} is held`;
    const error = new LongwireError("interval_mismatch", sentence, {
      retry: true,
      details: { stream, held, after }
    });
    this.#host.failed(error);
    this.#mismatches += 1;
    if (this.#mismatches > MISMATCHES_MAX) this.end(error);
    else this.#leave();
    return false;
  }
  #later(error) {
    clearTimeout(this.#retry);
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#retry = setTimeout(() => {
      if (this.#state === "live") this.#leave();
      else this.connected();
    }, delayMs);
  }
  #tellUnsubscribe(done) {
    if (!this.#host.isUsable) return;
    this.#host.request("unsubscribe", { pattern: this.pattern }, done, done);
  }
  /** Leave all of them, and come back when the answer is there and the queue has room. */
  #leave() {
    this.#state = "leaving";
    for (const track of this.#tracks.values()) track.isLive = false;
    this.#tellUnsubscribe(() => {
      if (this.#state !== "leaving") return;
      this.#state = "paused";
      this.connected();
    });
  }
  get #hasRoom() {
    return this.#queue.length <= this.#host.queueMessagesMax / 2;
  }
  #hold(stream, position) {
    const track = this.#tracks.get(stream);
    if (track) track.handled = position;
  }
  async #deliver() {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let item = this.#queue.shift(); item; item = this.#queue.shift()) {
      if (this.#state === "paused") this.connected();
      if (typeof item === "function") item();
      else await this.#handle(item);
    }
    this.#isDelivering = false;
  }
  async #handle(message) {
    const { stream, position } = message;
    try {
      await this.#handler(message);
    } catch (cause) {
      const sentence = `the handler of ${this.pattern} failed at ${stream}, ${position}: ${String(cause)}`;
      const details = { stream, position };
      this.#host.failed(new LongwireError("handler_failed", sentence, { details, cause }));
    }
    this.#hold(stream, position);
  }
};
function newTrack(position, wasInterrupted) {
  return { received: position, handled: position, isLive: false, isFinished: false, wasInterrupted };
}

// src/presence.ts
var keyOf = ({ user, connection }) => user === void 0 ? `connection ${connection}` : `user ${user}`;
var Watch = class {
  stream;
  /** Settled when the members are known, or the server refused. */
  ready;
  #presence;
  #handler;
  #members = /* @__PURE__ */ new Map();
  #settle;
  /** @internal */
  constructor(presence, stream, handler) {
    this.stream = stream;
    this.#presence = presence;
    this.#handler = handler;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (error) => error ? reject(error) : resolve();
    });
    this.ready.catch(() => void 0);
  }
  get members() {
    return [...this.#members.values()];
  }
  unwatch() {
    this.#presence.unwatch(this);
  }
  /** @internal */
  changed(event, members) {
    if (event === "reset") this.#members.clear();
    for (const member of members) {
      if (event === "leave") this.#members.delete(keyOf(member));
      else this.#members.set(keyOf(member), member);
    }
    if (event === "reset") this.#settle();
    this.#handler?.({ stream: this.stream, event, members });
  }
  /** @internal */
  end(error) {
    this.#settle(error);
  }
};
var Presence = class {
  #host;
  #entered = /* @__PURE__ */ new Map();
  #watches = /* @__PURE__ */ new Map();
  #retries = /* @__PURE__ */ new Set();
  /** @internal */
  constructor(host) {
    this.#host = host;
  }
  async enter(stream, data) {
    const request = { stream, ...data === void 0 ? {} : { data } };
    this.#entered.set(stream, request);
    try {
      await this.#host.ask("enter", request);
    } catch (error) {
      if (isLost(error)) return;
      if (this.#entered.get(stream) === request) this.#entered.delete(stream);
      throw error;
    }
  }
  async leave(stream) {
    this.#entered.delete(stream);
    try {
      await this.#host.ask("leave", { stream });
    } catch (error) {
      if (!isLost(error)) throw error;
    }
  }
  watch(stream, handler) {
    if (this.#watches.has(stream)) {
      throw new LongwireError(
        "already_watching",
        `this client watches ${stream} already; use that watch`
      );
    }
    const watch = new Watch(this, stream, handler);
    this.#watches.set(stream, watch);
    if (this.#host.isUsable) this.#ask(watch);
    return watch;
  }
  unwatch(watch) {
    if (this.#watches.get(watch.stream) !== watch) return;
    this.#watches.delete(watch.stream);
    watch.end(new LongwireError("closed", "unwatched before the answer"));
    if (!this.#host.isUsable) return;
    this.#host.ask("unwatch", { stream: watch.stream }).catch(() => void 0);
  }
  connected() {
    for (const request of this.#entered.values()) this.#enterAgain(request);
    for (const watch of this.#watches.values()) this.#ask(watch);
  }
  disconnected() {
    for (const retry of this.#retries) clearTimeout(retry);
    this.#retries.clear();
  }
  received(message) {
    const { stream, event, members, op: _op, ...member } = message;
    this.#watches.get(String(stream))?.changed(event, members ?? [member]);
  }
  close(error) {
    this.disconnected();
    for (const watch of this.#watches.values()) watch.end(error);
    this.#watches.clear();
    this.#entered.clear();
  }
  #enterAgain(request, failures = 0) {
    const { stream } = request;
    if (this.#entered.get(stream) !== request) return;
    this.#host.ask("enter", request).catch((error) => {
      if (this.#entered.get(stream) !== request || isLost(error)) return;
      this.#host.failed(error.about({ stream }));
      if (error.retry) this.#later(error, failures, () => this.#enterAgain(request, failures + 1));
      else this.#entered.delete(stream);
    });
  }
  #ask(watch, failures = 0) {
    const { stream } = watch;
    const isWanted = () => this.#watches.get(stream) === watch;
    if (!isWanted()) return;
    this.#host.ask("members", { stream, watch: true }).then(
      ({ members }) => {
        if (isWanted()) watch.changed("reset", members);
      },
      (error) => {
        if (!isWanted() || isLost(error)) return;
        const named = error.about({ stream });
        this.#host.failed(named);
        if (error.retry) return this.#later(error, failures, () => this.#ask(watch, failures + 1));
        this.#watches.delete(stream);
        watch.end(named);
      }
    );
  }
  #later(error, failures, work) {
    const retry = setTimeout(
      () => {
        this.#retries.delete(retry);
        work();
      },
      this.#host.retryDelayMs(error, failures)
    );
    this.#retries.add(retry);
  }
};
function isLost(error) {
  return error.code === "connection_lost";
}

// src/requests.ts
var Requests = class {
  #connection;
  /** Those without a connection yet. */
  #waiting = /* @__PURE__ */ new Set();
  /** How to refuse those without an answer yet. */
  #asked = /* @__PURE__ */ new Set();
  #closed;
  constructor(connection) {
    this.#connection = connection;
  }
  /** `isPatient`: the server may take long, as for a call, and only its silence is a fault. */
  ask(op, members, isPatient = false) {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      const send = () => {
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
          isPatient
        );
      };
      if (this.#connection()?.isUsable) send();
      else this.#waiting.add({ send, reject });
    });
  }
  connected() {
    for (const { send } of this.#waiting) send();
    this.#waiting.clear();
  }
  disconnected() {
    const sentence = "the connection was lost before the answer; whether the request took effect is not known";
    const asked = [...this.#asked];
    this.#asked.clear();
    for (const reject of asked) reject(new LongwireError("connection_lost", sentence, { retry: true }));
  }
  close(error) {
    this.#closed = error;
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
    this.disconnected();
  }
};

// src/resume.ts
var STREAMS_MAX = 500;
var Resume = class {
  #subscribes = [];
  add(members, answered, refused) {
    this.#subscribes.push({ members, answered, refused });
  }
  /** Send all; `streamsMax` is what the server lets a connection subscribe to. */
  send(request, streamsMax) {
    const most = Math.max(1, Math.min(STREAMS_MAX, streamsMax));
    for (let at = 0; at < this.#subscribes.length; at += most) {
      sendSome(request, this.#subscribes.slice(at, at + most));
    }
  }
};
function sendSome(request, some) {
  const oneByOne = () => {
    for (const { members, answered, refused } of some) {
      request("subscribe", members, answered, refused);
    }
  };
  if (some.length === 1) return oneByOne();
  request(
    "resume",
    { streams: some.map(({ members }) => members) },
    ({ streams }) => {
      streams.forEach((answer, index) => {
        if (typeof answer.code === "string") some[index]?.refused(errorOf(answer));
        else some[index]?.answered(answer);
      });
    },
    // One that is malformed refuses all of them: then each is asked for by itself.
    oneByOne
  );
}

// src/subscription.ts
var MISMATCHES_MAX2 = 3;
var Subscription = class {
  /** Its name; of an inbox, empty until the server has told it. */
  stream;
  /** Settled with the first answer of the server: subscribed, or refused. */
  ready;
  #host;
  #handler;
  #start;
  #queue = [];
  #state = "idle";
  #handled;
  #received;
  #wasInterrupted = false;
  #mismatches = 0;
  #failures = 0;
  #retry;
  #isDelivering = false;
  #wake;
  #error;
  #settleReady;
  /** @internal */
  constructor(host, stream, options, handler) {
    this.#host = host;
    this.stream = stream;
    this.#handler = handler;
    this.#start = options.start ?? "tail";
    if (options.position !== void 0) {
      this.#handled = this.#received = checkPosition(options.position);
      this.#wasInterrupted = true;
    }
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = (error) => error ? reject(error) : resolve();
    });
    this.ready.catch(() => void 0);
  }
  /** How far this subscription has dealt with the stream; undefined before the first answer. */
  get position() {
    return this.#handled;
  }
  /** Stop. Messages that were received and not handled yet are dropped; `position` says which. */
  unsubscribe() {
    if (this.#state === "asking" || this.#state === "live") this.#tellUnsubscribe(() => void 0);
    this.end();
  }
  // --- for the client ---------------------------------------------------------------------
  /** There is a connection: ask for what comes after what was received. @internal */
  connected() {
    if (this.#state === "idle") this.#ask();
    else this.#resume();
  }
  /** The connection is gone. @internal */
  disconnected() {
    if (this.#state === "ended" || this.#state === "finished") return;
    this.#state = this.#state === "leaving" || this.#state === "paused" ? "paused" : "idle";
    this.#wasInterrupted = this.#received !== void 0;
  }
  /** No message will follow; with an error, it is why. @internal */
  end(error) {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#error = error;
    clearTimeout(this.#retry);
    this.#queue.length = 0;
    this.#settleReady(error ?? new LongwireError("closed", "unsubscribed before the answer"));
    this.#host.ended(this);
    this.#wake?.();
  }
  /** An entry of the stream, covering the interval (after, position]. @internal */
  entry(message) {
    const position = String(message.position);
    if (!this.#follows(String(message.after), position)) return;
    this.#received = position;
    this.#enqueue({ kind: "message", message: messageOf(this.stream, message) });
  }
  /** The server's word that (after, upto] will not come. @internal */
  gap(message) {
    const after = String(message.after);
    const upto = String(message.upto);
    if (!this.#follows(after, upto)) return;
    this.#enqueueGap(String(message.reason), after, upto, message.lost !== false);
  }
  /** The position to ask for when the server subscribes by itself, as to an inbox. @internal */
  get held() {
    return this.#received;
  }
  /** The server has subscribed by itself. @internal */
  adopt(answer) {
    if (this.#state === "paused") return this.#leave();
    this.#state = "asking";
    this.#subscribed(this.#received, answer);
  }
  /** The server has ended it. @internal */
  refused(error) {
    if (this.#state !== "live") return;
    this.#state = "asking";
    this.#refused(error);
  }
  /** The server's word that the stream is closed and this was all of it. @internal */
  closed(message) {
    if (this.#state !== "live") return;
    this.#state = "finished";
    const event = { stream: this.stream, position: String(message.position) };
    this.#enqueue({ kind: "end", event });
  }
  // --- the server's side ------------------------------------------------------------------
  #ask() {
    clearTimeout(this.#retry);
    if (!this.#host.isUsable) return;
    this.#state = "asking";
    const held = this.#received;
    const from = held === void 0 ? { start: this.#start } : { position: held };
    this.#host.subscribe(
      { stream: this.stream, ...from },
      (answer) => this.#subscribed(held, answer),
      (error) => this.#refused(error)
    );
  }
  #subscribed(held, answer) {
    if (this.#state !== "asking") return;
    this.#state = "live";
    this.#failures = 0;
    const position = String(answer.position);
    this.#received = position;
    if (held === void 0) {
      this.#handled = position;
    } else if (answer.recovered === false) {
      this.#enqueueGap(String(answer.reason), held, position, true);
    } else if (this.#wasInterrupted) {
      const missed = Math.max(0, offsetOf(String(answer.tail)) - offsetOf(held));
      const event = { stream: this.stream, position: held, missed };
      this.#enqueue({ kind: "recovered", event });
    }
    this.#wasInterrupted = false;
    this.#settleReady();
  }
  #refused(error) {
    if (this.#state !== "asking") return;
    this.#state = "idle";
    const named = error.about({ stream: this.stream });
    this.#host.failed(named);
    if (!error.retry) return this.end(named);
    const delayMs = this.#host.retryDelayMs(error, this.#failures++);
    this.#retry = setTimeout(() => this.connected(), delayMs);
  }
  #tellUnsubscribe(done) {
    if (this.#host.isUsable) {
      this.#host.request("unsubscribe", { stream: this.stream }, done, done);
    }
  }
  /** Leave the stream, and come back when the answer is there and the queue has room. */
  #leave() {
    this.#state = "leaving";
    this.#tellUnsubscribe(() => {
      if (this.#state !== "leaving") return;
      this.#state = "paused";
      this.#resume();
    });
  }
  #resume() {
    if (this.#state !== "paused") return;
    if (this.#queue.length > this.#host.queueMessagesMax / 2) return;
    this.#state = "idle";
    this.#ask();
  }
  /** Whether an interval goes on from what was received. What does not is never passed on. */
  #follows(after, upto) {
    if (this.#state !== "live" || this.#received === void 0) return false;
    if (after === this.#received) {
      this.#mismatches = 0;
      return true;
    }
    if (upto === this.#received) return false;
    this.#mismatches += 1;
    this.#host.failed(
      new LongwireError(
        "interval_mismatch",
        `${this.stream}: what follows ${after} came, but ${this.#received} is held`,
        { retry: true, details: { stream: this.stream, held: this.#received, after } }
      )
    );
    if (this.#mismatches > MISMATCHES_MAX2) {
      this.end(new LongwireError("interval_mismatch", `${this.stream}: the deliveries never fit`));
    } else {
      this.#leave();
    }
    return false;
  }
  // --- the application's side -------------------------------------------------------------
  #enqueueGap(reason, held, position, isLost2) {
    this.#received = position;
    this.#enqueue({ kind: "gap", event: { stream: this.stream, reason, held, position }, isLost: isLost2 });
  }
  #enqueue(item) {
    this.#queue.push(item);
    if (this.#state === "live" && this.#queue.length >= this.#host.queueMessagesMax) {
      this.#leave();
    }
    if (this.#handler) void this.#deliver(this.#handler);
    else this.#wake?.();
  }
  async #deliver(handler) {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let message = this.#take(); message; message = this.#take()) {
      try {
        const promise = handler(message);
        if (promise) await promise;
      } catch (cause) {
        const { position } = message;
        this.#host.failed(
          new LongwireError(
            "handler_failed",
            `the handler of ${this.stream} failed at ${position}: ${String(cause)}`,
            { details: { stream: this.stream, position }, cause }
          )
        );
      }
      this.#finish(message);
    }
    this.#isDelivering = false;
  }
  /** The next message; what was queued between is announced on the way. */
  #take() {
    for (let item = this.#queue.shift(); item; item = this.#queue.shift()) {
      this.#resume();
      if (item.kind === "message") return item.message;
      this.#announce(item);
    }
    return void 0;
  }
  #announce(item) {
    switch (item.kind) {
      case "gap":
        this.#handled = item.event.position;
        if (item.isLost) this.#host.gap(item.event);
        break;
      case "recovered":
        this.#host.recovered(item.event);
        break;
      case "end":
        this.#host.finished(item.event);
        this.end();
        break;
    }
  }
  #finish(message) {
    this.#handled = message.position;
  }
  async *[Symbol.asyncIterator]() {
    if (this.#handler) {
      throw new LongwireError(
        "bad_use",
        `the subscription to ${this.stream} has a handler; iterate over one without`
      );
    }
    try {
      for (; ; ) {
        const message = this.#take();
        if (message) {
          yield message;
          this.#finish(message);
        } else if (this.#state === "ended") {
          break;
        } else {
          await new Promise((resolve) => this.#wake = resolve);
        }
      }
      if (this.#error) throw this.#error;
    } finally {
      this.unsubscribe();
    }
  }
};

// src/within.ts
function within(work, ms) {
  let timer;
  const overdue = new Promise((_, reject) => {
    timer = setTimeout(reject, ms, `no answer within ${ms / 1e3} s`);
  });
  return Promise.race([work, overdue]).finally(() => clearTimeout(timer));
}

// src/token.ts
var LIFE_PART = 0.75;
var LEFT_PART = 0.5;
var TIMER_MS_MAX = 2 ** 31 - 1;
async function fetchToken(options) {
  const { token, connectTimeoutMs } = options;
  try {
    return typeof token === "function" ? await within(token(), connectTimeoutMs) : token;
  } catch (cause) {
    const sentence = `the token function failed: ${String(cause)}`;
    throw new LongwireError("token_failed", sentence, { retry: true, cause });
  }
}
var Renewal = class {
  #renew;
  #failed;
  #timer;
  #expiresMs = Infinity;
  constructor(renew, failed) {
    this.#renew = renew;
    this.#failed = failed;
  }
  /** The server's word for how long the token is good, seconds; anything else: for ever. */
  expiresIn(seconds) {
    this.stop();
    if (typeof seconds !== "number") return;
    this.#expiresMs = Date.now() + seconds * 1e3;
    this.#wait(seconds * 1e3 * LIFE_PART);
  }
  stop() {
    clearTimeout(this.#timer);
    this.#expiresMs = Infinity;
  }
  #wait(delayMs) {
    this.#timer = setTimeout(() => void this.#expire(), Math.min(delayMs, TIMER_MS_MAX));
  }
  async #expire() {
    const expiresMs = this.#expiresMs;
    try {
      await this.#renew();
    } catch (error) {
      if (this.#expiresMs !== expiresMs) return;
      this.#failed(error);
      const leftMs = expiresMs - Date.now();
      if (leftMs > 1e3) this.#wait(leftMs * LEFT_PART);
    }
  }
};

// src/transport.ts
var SUBPROTOCOL = "longwire.v1.json";
function openWebSocket(url, WebSocket, events) {
  const socket = new WebSocket(url, [SUBPROTOCOL]);
  let isOver = false;
  const finish = (code, reason) => {
    if (isOver) return;
    isOver = true;
    events.closed(code, reason);
  };
  socket.onopen = () => {
    if (isOver) return;
    if (socket.protocol !== SUBPROTOCOL) {
      socket.close(1e3);
      finish(1002, `the server does not speak ${SUBPROTOCOL}`);
      return;
    }
    events.opened();
  };
  socket.onmessage = ({ data }) => {
    if (!isOver) events.received(typeof data === "string" ? data : "");
  };
  socket.onclose = ({ code, reason }) => finish(code, reason);
  socket.onerror = () => void 0;
  return {
    get heldBytes() {
      return socket.bufferedAmount;
    },
    send: (text) => socket.send(text),
    close: (code, reason) => {
      isOver = true;
      socket.close(code, reason);
    }
  };
}
function webSocketUrl(address) {
  const base = typeof location === "object" ? location.href : void 0;
  let url;
  try {
    url = new URL(address, base);
  } catch {
    throw new LongwireError(
      "bad_url",
      `${JSON.stringify(String(address))} is not an address; outside a page it must be whole, like "ws://127.0.0.1:8080/ws"`
    );
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  url.hash = "";
  if (url.protocol === "ws:" || url.protocol === "wss:") return url.href;
  throw new LongwireError(
    "bad_url",
    `the scheme of ${url.href} must be ws, wss, http or https`
  );
}

// src/transports.ts
function recall(url) {
  try {
    return sessionStorage.getItem(keyOf2(url));
  } catch {
    return null;
  }
}
function keyOf2(url) {
  return `longwire ${url}`;
}

// src/wake.ts
var CHECK_MS = 5e3;
function onWake(wake) {
  const controller = new AbortController();
  const { signal } = controller;
  const page = typeof document === "object" ? document : void 0;
  let seenMs = Date.now();
  const interval = setInterval(() => {
    const lateMs = Date.now() - seenMs - CHECK_MS;
    seenMs = Date.now();
    if (lateMs > CHECK_MS && page?.visibilityState !== "hidden") wake();
  }, CHECK_MS);
  if (typeof window === "object" && typeof window.addEventListener === "function") {
    window.addEventListener("online", wake, { signal });
    window.addEventListener("pageshow", wake, { signal });
  }
  if (typeof page?.addEventListener === "function") {
    const seen = () => {
      if (page.visibilityState === "visible") wake();
    };
    page.addEventListener("visibilitychange", seen, { signal });
    page.addEventListener("resume", seen, { signal });
  }
  return () => {
    clearInterval(interval);
    controller.abort();
  };
}

// src/client.ts
var UNAUTHORIZED = 4503;
var DEFAULTS = {
  retryFirstMs: 500,
  retryMaxMs: 3e4,
  connectTimeoutMs: 1e4,
  answerTimeoutMs: 1e4,
  probeTimeoutMs: 2e3,
  outboxMessagesMax: 1e3,
  outboxBytesMax: 4 * 1024 * 1024,
  queueMessagesMax: 1e3,
  random: Math.random
};
var Client = class {
  /** The address of the WebSocket. */
  url;
  #options;
  #emitter = new Emitter();
  #subscriptions = /* @__PURE__ */ new Map();
  #patterns = /* @__PURE__ */ new Map();
  #consumers = /* @__PURE__ */ new Map();
  #outbox;
  #requests = new Requests(() => this.#connection);
  #presence;
  #renewal;
  #backoff;
  #stopWaking;
  #connection;
  /** Chooses among transports; made when the WebSocket may not do. */
  #fallback;
  #transport;
  #state = "connecting";
  #hello;
  /** While a connection begins: what is to be subscribed. */
  #resume;
  #inbox;
  #retry;
  #last = { reason: "", code: 0 };
  #closed;
  /** @internal */
  constructor(url, options) {
    this.url = webSocketUrl(url);
    this.#options = { ...DEFAULTS, ...options };
    const { retryFirstMs, retryMaxMs, random } = this.#options;
    this.#backoff = new Backoff(retryFirstMs, retryMaxMs, random);
    this.#outbox = new Outbox(this.#partHost(), this.#options.outbox ?? new MemoryStore(), {
      messagesMax: this.#options.outboxMessagesMax,
      bytesMax: this.#options.outboxBytesMax
    });
    this.#presence = new Presence(this.#partHost());
    this.#renewal = new Renewal(
      () => this.authenticate(),
      (error) => this.#fail(error)
    );
    this.#stopWaking = onWake(() => this.wake());
    queueMicrotask(() => void this.#attempt());
  }
  get state() {
    return this.#state;
  }
  /** What carries the connection, or did last. */
  get transport() {
    return this.#transport;
  }
  /** Published messages whose outcome is not known yet. */
  get pending() {
    return this.#outbox.store.size;
  }
  /** Call `listener` at each event of that name; returns the function that stops it. */
  on(name, listener) {
    return this.#emitter.on(name, listener);
  }
  subscribe(stream, options = {}, handler) {
    if (typeof options === "function") [options, handler] = [{}, options];
    if (this.#closed) throw this.#closed;
    if (this.#subscriptions.has(stream) || this.#patternThatReads(stream)) {
      throw alreadyReads(stream);
    }
    const subscription = new Subscription(
      this.#subscriptionHost(),
      stream,
      options,
      handler
    );
    this.#subscriptions.set(stream, subscription);
    subscription.connected();
    return subscription;
  }
  /**
   * Read what is sent to this user, where the server has inboxes; otherwise the subscription ends
   * with the error `no_inbox`.
   */
  inbox(handler, options = {}) {
    if (this.#closed) throw this.#closed;
    if (this.#inbox) throw alreadyReads("its inbox");
    const inbox = new Subscription(this.#subscriptionHost(), "", options, handler);
    this.#inbox = inbox;
    if (this.#connection?.isUsable) this.#beginInbox(false);
    return inbox;
  }
  /**
   * Read every stream that matches, also those that are created later: `*` stands for one segment
   * or a piece of one, `**` for one or more. A stream that has a subscription of its own, or that
   * another pattern reads, is an error `already_subscribed`: use a second client for it.
   */
  subscribePattern(pattern, options, handler) {
    if (this.#closed) throw this.#closed;
    if (this.#patterns.has(pattern)) throw alreadyReads(pattern);
    const host = this.#partHost(() => void this.#patterns.delete(pattern));
    const subscription = new PatternSubscription(host, pattern, options, handler);
    this.#patterns.set(pattern, subscription);
    subscription.connected();
    return subscription;
  }
  /** Work for a consumer: each delivery is acknowledged when its handler has returned. */
  consume(stream, consumer, options, handler) {
    if (this.#closed) throw this.#closed;
    const key = JSON.stringify([stream, consumer]);
    if (this.#consumers.has(key)) {
      const sentence = `this client consumes ${stream} as ${consumer} already`;
      throw new LongwireError("already_consuming", sentence);
    }
    const host = this.#partHost(() => void this.#consumers.delete(key));
    const worker = new Consumer(host, stream, consumer, options, handler);
    this.#consumers.set(key, worker);
    if (this.#connection?.isUsable) worker.connected();
    return worker;
  }
  /** Where a consumer stands, and how much of the stream is unread. */
  async consumerState(stream, consumer) {
    return consumerStateOf(await this.#requests.ask("consumer", { stream, consumer }));
  }
  /** Remove a consumer, with its position. */
  async forgetConsumer(stream, consumer) {
    await this.#requests.ask("release", { stream, consumer, forget: true });
  }
  /**
   * Append a message, JSON or bytes, to a stream. Resolves once it is stored; stored once,
   * however often it had to be sent. Rejects with a LongwireError whose `outcome` tells whether
   * it may be stored all the same.
   */
  publish(stream, data, options = {}) {
    return this.#outbox.publish(stream, data, options);
  }
  /** Append several messages next to each other, all or none. */
  publishBatch(stream, batch, options = {}) {
    return this.#outbox.publishBatch(stream, batch, options);
  }
  /** A page of a stream's past: what follows `after`, the latest before `before`, or of all. */
  async history(stream, options = {}) {
    const { after, before, limit } = options;
    const answer = await this.#requests.ask("history", { stream, after, before, limit });
    const entries = answer.entries;
    const messages = entries.map((entry) => messageOf(stream, entry));
    return { messages, more: answer.more === true, tail: String(answer.tail) };
  }
  /** Call a function of the application behind the server. Never repeated by itself. */
  async call(method, data, { timeoutMs } = {}) {
    const timeout_s = timeoutMs === void 0 ? void 0 : timeoutMs / 1e3;
    const answer = await this.#requests.ask("call", { method, data, timeout_s }, true);
    return answer.data;
  }
  /** Make a request of docs/protocol.md as it stands there, once; resolves with its answer. */
  ask(op, members) {
    return this.#requests.ask(op, members);
  }
  /** Be a member of a stream, over reconnects, until `leave`; again, to change the data. */
  enter(stream, data) {
    return this.#presence.enter(stream, data);
  }
  /** Be no member any more. */
  leave(stream) {
    return this.#presence.leave(stream);
  }
  /** Who is there now. */
  async members(stream) {
    const { members } = await this.#requests.ask("members", { stream });
    return members;
  }
  /** Follow who is there. */
  watch(stream, handler) {
    if (this.#closed) throw this.#closed;
    return this.#presence.watch(stream, handler);
  }
  /**
   * Show a token on the open connection: this one, or what the token option gives now. When the
   * server refuses it, the connection goes on with the one it had.
   */
  async authenticate(token) {
    const shown = token ?? await fetchToken(this.#options);
    if (shown === void 0) throw new LongwireError("bad_use", "there is no token");
    const answer = await this.#requests.ask("authenticate", { token: shown });
    if (typeof this.#options.token !== "function") this.#options.token = shown;
    this.#renewBefore(answer);
  }
  /** Wait until the outcome of everything published so far is known. */
  flush() {
    return this.#outbox.flush();
  }
  /** Have doubts now: ask an open connection for a sign of life, end the wait for a retry. */
  wake() {
    if (this.#state === "open") this.#connection?.probe();
    else if (this.#state === "waiting") void this.#attempt();
  }
  /** End for good. What is not acknowledged is rejected: `await flush()` first to wait for it. */
  close(reason = "") {
    this.#connection?.close(1e3, reason);
    this.#finish(new LongwireError("closed", reason || "the client was closed"));
  }
  // --- one attempt after the other --------------------------------------------------------
  async #attempt() {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    this.#setState("connecting");
    let token;
    try {
      token = await fetchToken(this.#options);
    } catch (error) {
      return this.#attemptFailed(error);
    }
    if (!this.#fallback && this.#needsFallback) await this.#loadFallback();
    if (this.#state !== "connecting") return;
    const client = `longwire.js/${"0.1.0"}`;
    const settings = { ...this.#options, client, token, inbox: this.#inbox?.held };
    try {
      this.#connection = (this.#fallback ?? this).open(this.#owner(), settings);
    } catch (cause) {
      const sentence = `cannot open ${this.url}: ${String(cause)}`;
      this.#attemptFailed(new LongwireError("connect_failed", sentence, { cause }));
    }
  }
  /** Open a WebSocket. Throws where there are none. @internal */
  open(owner, settings) {
    const WebSocket = this.#options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) throw new TypeError("there is no WebSocket here");
    return new Connection((events) => openWebSocket(this.url, WebSocket, events), owner, settings);
  }
  get #needsFallback() {
    const { transports, WebSocket = globalThis.WebSocket } = this.#options;
    if (transports) return String(transports) !== "websocket";
    const hasFailed = this.#last.code === 1006 && this.#backoff.failures > (this.#transport ? 1 : 0);
    return hasFailed || !WebSocket || recall(this.url) !== null;
  }
  /** The other transports are a module of their own; without it in time the WebSocket has to do. */
  async #loadFallback() {
    const loading = import("./longwire-http.js").then(({ Fallback }) => {
      this.#fallback ??= new Fallback(this, this.#options, errorOf);
    });
    await within(loading, this.#options.connectTimeoutMs).catch(() => void 0);
  }
  /** The attempt ended before there was a connection. */
  #attemptFailed(error) {
    if (this.#closed) return;
    this.#ended({ code: 0, reason: error.message, reconnect: error.retry, livedMs: 0, error });
  }
  #owner() {
    return {
      connected: (hello) => {
        const isMove = this.#state === "open";
        if (isMove) this.#pause();
        this.#hello = hello;
        this.#renewBefore(hello);
        const [previous, transport] = [this.#transport, hello.transport ?? "websocket"];
        this.#transport = transport;
        if (transport !== previous) this.#emitter.emit("transport", { transport, previous });
        this.#setState("open");
        if (this.#connection?.isUsable) this.#takeUp(!isMove);
      },
      delivered: (message) => this.#delivered(message),
      failed: (error) => this.#fail(error),
      ended: (ending) => this.#ended(ending)
    };
  }
  /** There is a new connection: go on with everything that outlives one. */
  #takeUp(isNew) {
    const resume = this.#resume = new Resume();
    if (this.#inbox) this.#beginInbox(isNew);
    for (const subscription of this.#subscriptions.values()) {
      if (subscription !== this.#inbox) subscription.connected();
    }
    this.#resume = void 0;
    resume.send((...request) => this.#connection?.request(...request), this.#limit("subscriptions"));
    for (const readers of [this.#patterns, this.#consumers]) {
      for (const reader of readers.values()) reader.connected();
    }
    this.#presence.connected();
    this.#outbox.connected();
    this.#requests.connected();
  }
  /** `isNew`: with this connection, to which the position was told. */
  #beginInbox(isNew) {
    const inbox = this.#inbox;
    const answer = this.#hello?.inbox;
    if (!answer) {
      const error = new LongwireError("no_inbox", "there is no inbox for this client");
      this.#fail(error);
      return inbox.end(error);
    }
    inbox.stream = String(answer.stream);
    this.#subscriptions.set(inbox.stream, inbox);
    if (isNew) return inbox.adopt(answer);
    const { stream } = inbox;
    const again = () => inbox.connected();
    this.#connection?.request("unsubscribe", { stream }, again, again);
  }
  #renewBefore({ expires_in_s }) {
    const isRenewable = typeof this.#options.token === "function";
    this.#renewal.expiresIn(isRenewable ? expires_in_s : void 0);
  }
  #delivered(message) {
    const { stream, consumer } = message;
    if (consumer !== void 0) {
      return this.#consumers.get(JSON.stringify([stream, consumer]))?.received(message);
    }
    const reader = this.#patternThatReads(String(stream));
    const subscription = this.#subscriptions.get(String(stream));
    switch (message.op) {
      case "matched":
        return this.#matched(message, reader ?? subscription);
      case "entry":
        reader?.delivered(message);
        return subscription?.entry(message);
      case "gap":
        reader?.delivered(message);
        return subscription?.gap(message);
      case "closed":
        reader?.delivered(message);
        return subscription?.closed(message);
      case "ended":
        return this.#refused(message, reader, subscription);
      case "presence":
        return this.#presence.received(message);
    }
  }
  #patternThatReads(stream) {
    return [...this.#patterns.values()].find((pattern) => pattern.reads(stream));
  }
  #refused(message, reader, subscription) {
    const error = errorOf(message);
    if (reader) reader.refused(String(message.stream), error);
    else if (subscription) subscription.refused(error);
    else {
      for (const pattern of this.#patterns.values()) pattern.untold();
      this.#fail(error);
    }
  }
  #matched(message, reader) {
    const pattern = this.#patterns.get(String(message.pattern));
    if (!reader || !pattern || reader === pattern) return pattern?.matched(message);
    const error = alreadyReads(`${String(message.stream)}, which ${pattern.pattern} matches,`);
    this.#fail(error);
    this.#connection?.request("unsubscribe", { pattern: pattern.pattern }, () => void 0, () => void 0);
    pattern.end(error);
  }
  /** What outlives a connection waits for the next. */
  #pause() {
    this.#presence.disconnected();
    for (const readers of [this.#subscriptions, this.#patterns, this.#consumers]) {
      for (const reader of readers.values()) reader.disconnected();
    }
    this.#outbox.disconnected();
  }
  #ended(ending) {
    this.#connection = void 0;
    this.#renewal.stop();
    this.#requests.disconnected();
    this.#last = { reason: ending.reason, code: ending.code };
    this.#pause();
    const { error } = ending;
    if (error) this.#fail(error);
    const isUnauthorized = error?.code === "unauthorized" || ending.code === UNAUTHORIZED;
    const mayRenew = isUnauthorized && typeof this.#options.token === "function";
    if (!ending.reconnect && !mayRenew) {
      const sentence = ending.reason || `the server closed with ${ending.code}`;
      const { code } = ending;
      const refusal = new LongwireError("closed_by_server", sentence, { details: { code } });
      if (!error) this.#fail(refusal);
      this.#finish(error ?? refusal);
      return;
    }
    const hadLived = this.#backoff.lost(Date.now(), ending.livedMs);
    let delayMs;
    if (ending.afterMs) delayMs = this.#backoff.within(ending.afterMs);
    else delayMs = hadLived ? 0 : this.#backoff.next(Date.now());
    if (delayMs === 0) return void this.#attempt();
    this.#retry = setTimeout(() => void this.#attempt(), delayMs);
    this.#setState("waiting", delayMs);
  }
  #finish(error) {
    if (this.#closed) return;
    this.#closed = error;
    clearTimeout(this.#retry);
    this.#stopWaking();
    this.#connection = void 0;
    const isOwnWill = error.code === "closed";
    for (const subscription of [...this.#subscriptions.values()]) {
      subscription.end(isOwnWill ? void 0 : error);
    }
    this.#renewal.stop();
    for (const readers of [this.#patterns, this.#consumers]) {
      for (const reader of [...readers.values()]) reader.end(error);
    }
    this.#inbox?.end(isOwnWill ? void 0 : error);
    this.#requests.close(error);
    this.#presence.close(error);
    this.#outbox.close(error);
    this.#setState("closed");
  }
  // --- what the parts need ----------------------------------------------------------------
  /** How long to wait before what `error` refused is tried again, milliseconds. */
  #retryDelayMs(error, failures) {
    const asked = Number(error.details.after_s) * 1e3;
    if (asked >= 0) return asked;
    const { retryFirstMs, retryMaxMs, random } = this.#options;
    return random() * Math.min(retryMaxMs, retryFirstMs * 2 ** failures);
  }
  /** A limit that the server named, or Infinity. */
  #limit(name) {
    const limits = this.#hello?.limits;
    return limits?.[name] ?? Infinity;
  }
  #subscriptionHost() {
    return this.#partHost((subscription) => {
      this.#subscriptions.delete(subscription.stream);
      if (subscription === this.#inbox) this.#inbox = void 0;
    });
  }
  #partHost(ended = () => void 0) {
    const client = this;
    return {
      ended,
      limit: (name) => client.#limit(name),
      ask: (...request) => client.#requests.ask(...request),
      get isUsable() {
        return client.#connection?.isUsable ?? false;
      },
      queueMessagesMax: client.#options.queueMessagesMax,
      request: (...request) => client.#connection?.request(...request),
      subscribe: (...request) => {
        if (client.#resume) client.#resume.add(...request);
        else client.#connection?.request("subscribe", ...request);
      },
      recovered: (event) => void client.#emitter.emit("recovered", event),
      finished: (event) => void client.#emitter.emit("end", event),
      gap: (event) => {
        if (client.#emitter.emit("gap", event)) return;
        const { stream, reason, held, position } = event;
        console.warn(`longwire: ${stream}: messages are missing (${reason}), ${held} … ${position}`);
      },
      failed: (error) => client.#fail(error),
      retryDelayMs: (error, failures) => client.#retryDelayMs(error, failures)
    };
  }
  #fail(error) {
    if (!this.#emitter.emit("error", error)) console.error("longwire:", error);
  }
  #setState(state, retryInMs) {
    const previous = this.#state;
    if (state === previous) return;
    this.#state = state;
    this.#emitter.emit("state", {
      ...this.#last,
      state,
      previous,
      failures: this.#backoff.failures,
      ...retryInMs === void 0 ? {} : { retryInMs }
    });
  }
};
function alreadyReads(what) {
  const sentence = `this client reads ${what} already; use that one`;
  return new LongwireError("already_subscribed", sentence);
}
function connect(url = "/ws", options = {}) {
  return new Client(url, options);
}
export {
  LongwireError,
  connect
};
