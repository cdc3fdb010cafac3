// longwire.js 0.1.0, Apache-2.0

// src/exchange.ts
var UNREACHABLE = "unreachable";
var OVERDUE = "overdue";
var BROKEN = "connection_lost";
var BAD_ANSWER = "bad_answer";
var RETRY_AFTER_S_MAX = 300;
var EVENTS = "text/event-stream";
var LINES = "application/x-ndjson";
var Exchange = class {
  #settings;
  #events;
  #controller = new AbortController();
  #timer;
  #isOver = false;
  constructor(settings, accept, operations, events, waitS) {
    this.#settings = settings;
    this.#events = events;
    const { key } = settings;
    const headers = { "Content-Type": LINES, Accept: accept, "Longwire-Client-Key": key };
    const wait = waitS === void 0 ? {} : { Prefer: `wait=${waitS}` };
    void this.#run(accept, { ...headers, ...wait }, `${operations.join("\n")}
`);
  }
  /** From now on so long, then it is over. */
  limit(timeoutMs, reason) {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.#fail(OVERDUE, reason), timeoutMs);
  }
  abort() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
  async #run(accept, headers, body) {
    const { url, fetch, credentials } = this.#settings;
    let response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers,
        body,
        credentials,
        cache: "no-store",
        signal: this.#controller.signal
      });
    } catch (cause) {
      return this.#fail(UNREACHABLE, `${url} cannot be reached: ${String(cause)}`);
    }
    try {
      if (!response.ok) return this.#refuse(response, await response.text());
      await this.#read(response, accept);
    } catch (cause) {
      return this.#fail(BROKEN, `the answer of ${url} broke off: ${String(cause)}`);
    }
    this.#end();
  }
  async #read(response, accept) {
    const type = response.headers.get("Content-Type") ?? "";
    if (!type.startsWith(accept) || !response.body) {
      return this.#fail(BAD_ANSWER, `the server answered with ${type || "nothing"} instead of ${accept}`);
    }
    let data = [];
    for await (const line of linesOf(response.body)) {
      if (this.#isOver) return;
      if (accept === LINES) this.#receive(line);
      else if (line.startsWith("data:")) data.push(line.slice(5));
      else if (line === "" && data.length > 0) {
        this.#receive(data.join("\n"));
        data = [];
      }
    }
  }
  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
    }
    if (typeof message?.op === "string") return this.#events.received(message);
    const start = JSON.stringify(text.slice(0, 80));
    this.#fail(BAD_ANSWER, `the server sent no message of the protocol: ${start}`);
  }
  /** RFC 9457, or what a proxy on the way says. */
  #refuse({ status, headers }, body) {
    let problem;
    try {
      problem = JSON.parse(body);
    } catch {
    }
    const { title, detail = title, type: _type, ...details } = problem ?? {};
    const after_s = Math.min(Number(headers.get("Retry-After") ?? NaN), RETRY_AFTER_S_MAX);
    this.#end(
      this.#settings.errorOf({
        code: `http_${status}`,
        message: detail ?? `the server answered with status ${status}`,
        retry: status >= 500 || status === 408 || status === 429,
        ...after_s >= 0 ? { after_s } : {},
        ...details,
        status
      })
    );
  }
  #fail(code, message) {
    this.#end(this.#settings.errorOf({ code, message, retry: true }));
  }
  #end(error) {
    if (this.#isOver) return;
    this.abort();
    this.#events.ended(error);
  }
};
async function* linesOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let begun = [];
  for (; ; ) {
    const { done, value } = await reader.read();
    const [first = "", ...others] = decoder.decode(value, { stream: !done }).split("\n");
    begun.push(first);
    for (const other of others) {
      yield begun.join("").replace(/\r$/, "");
      begun = [other];
    }
    if (done) break;
  }
}

// src/fallback_link.ts
var FallbackLink = class {
  #fallback;
  #owner;
  #settings;
  #token;
  #rung;
  #link;
  /** An attempt with a better transport. */
  #trial;
  #timer;
  #isConnected = false;
  #isOver = false;
  constructor(fallback, owner, settings) {
    this.#fallback = fallback;
    this.#owner = owner;
    this.#settings = settings;
    this.#token = settings.token;
    this.#rung = fallback.start;
    queueMicrotask(() => this.#try(this.#rung));
  }
  get isUsable() {
    return this.#link?.isUsable ?? false;
  }
  request(op, members, answered, refused, raw, isPatient) {
    const noted = (message) => {
      if (op === "authenticate") this.#token = members.token;
      answered(message);
    };
    this.#link?.request(op, members, noted, refused, raw, isPatient);
  }
  probe() {
    this.#link?.probe();
    if (this.#rung === 0 || !this.#isConnected) return;
    this.#fallback.hope();
    if (!this.#trial) this.#tryBetterLater();
  }
  close(code, reason) {
    this.#stop();
    this.#link?.close(code, reason);
  }
  #stop() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#trial?.close(1e3, "");
    this.#trial = void 0;
  }
  /** Open a link over one transport, with no other beside it. */
  #try(rung) {
    if (this.#isOver) return;
    this.#rung = rung;
    this.#link = this.#open(rung, {
      connected: (hello) => this.#connected(hello),
      ended: (ending) => this.#ended(ending)
    });
  }
  /** What is heard of a link before it is this one's own is of no interest, but for these two. */
  #open(rung, events) {
    const isOwn = () => link !== void 0 && link === this.#link;
    const owner = {
      connected: events.connected,
      delivered: (message) => isOwn() && this.#owner.delivered(message),
      failed: (error) => isOwn() && this.#owner.failed(error),
      ended: (ending) => isOwn() ? this.#ended(ending) : events.ended(ending)
    };
    const settings = { ...this.#settings, token: this.#token };
    let link;
    try {
      link = this.#fallback.openRung(rung, owner, settings);
    } catch (cause) {
      const reason = `cannot be opened: ${String(cause)}`;
      queueMicrotask(() => events.ended({ code: 0, reason, reconnect: true, livedMs: 0 }));
    }
    return link;
  }
  #connected(hello) {
    this.#isConnected = true;
    this.#fallback.worked(this.#rung);
    if (this.#rung > 0) this.#tryBetterLater();
    this.#owner.connected({ ...hello, transport: this.#fallback.nameOf(this.#rung) });
  }
  #ended(ending) {
    if (this.#isOver) return;
    if (this.#isConnected) this.#fallback.lost(this.#rung, ending);
    else {
      const next = this.#fallback.after(this.#rung, ending);
      if (next !== void 0) return this.#try(next);
    }
    this.#stop();
    this.#owner.ended(ending);
  }
  #tryBetterLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#fallback.triesBetter();
      this.#tryBetter(0);
    }, this.#fallback.nextBetterMs());
  }
  /** From the top down to what is there already. */
  #tryBetter(rung) {
    this.#trial = void 0;
    if (this.#isOver) return;
    if (rung >= this.#rung) return this.#tryBetterLater();
    const trial = this.#open(rung, {
      connected: (hello) => {
        const former = this.#link;
        this.#link = this.#trial;
        this.#trial = void 0;
        this.#rung = rung;
        former?.retire?.();
        this.#connected(hello);
      },
      ended: () => this.#tryBetter(rung + 1)
    });
    this.#trial = trial;
  }
};

// src/lasting.ts
var Lasting = class {
  /** Whether the client has not been answered yet. */
  isNew = true;
  host;
  #answered;
  #refused;
  constructor(host, answered, refused) {
    this.host = host;
    this.#answered = answered;
    this.#refused = refused;
  }
  /** The server's answer, whether asked for alone or together with others. */
  answer(message) {
    if (!this.isNew) return this.again(message);
    this.isNew = false;
    this.begin(message);
    this.#answered(message);
  }
  refuse(error) {
    const { code, message, retry, details } = error;
    this.host.drop(this);
    if (this.isNew) this.#refused(error);
    else this.host.deliver({ ...details, ...this.about, op: "ended", code, message, retry });
  }
  /** Something else took its place before the server answered: of the two only that is told. */
  supersede() {
    if (!this.isNew) return;
    this.isNew = false;
    this.#answered({ ...this.about, op: "superseded" });
  }
  /** The first answer. */
  begin(_message) {
  }
  /** A later one. */
  again(_message) {
  }
  /** What the server sends of it; tells whether the client is to hear of it. */
  heard(_message) {
    return true;
  }
  asking(op, members) {
    return {
      op,
      members,
      answered: (message) => this.answer(message),
      refused: (error) => this.refuse(error)
    };
  }
};
var StreamReading = class extends Lasting {
  about;
  #first;
  held;
  /** Asked for by itself: together with others it was refused. */
  isAlone = false;
  constructor(host, members, answered, refused) {
    super(host, answered, refused);
    this.about = { stream: members.stream };
    this.#first = members;
  }
  /** From where it goes on, once there is a position. */
  get place() {
    return this.held ?? this.#first.position;
  }
  /** The answer as it stands among those of others. */
  told(answer) {
    if (typeof answer.code === "string") this.refuse(this.host.errorOf(answer));
    else this.answer(answer);
  }
  get members() {
    return this.held === void 0 ? this.#first : { ...this.about, position: this.held };
  }
  operation() {
    return this.asking("subscribe", this.members);
  }
  begin({ position }) {
    this.held = String(position);
  }
  again(answer) {
    const gap = gapOf(this.about.stream, this.held, answer);
    if (!gap) return;
    this.begin(answer);
    this.host.deliver(gap);
  }
  heard({ op, upto, position }) {
    if (op === "closed" || op === "ended") this.host.drop(this);
    else this.held = String(upto ?? position);
    return true;
  }
};
var PatternReading = class extends Lasting {
  about;
  #members;
  #held = /* @__PURE__ */ new Map();
  /** Streams that the server has still to tell of before all others are new ones. */
  #untold = Infinity;
  constructor(host, members, answered, refused) {
    super(host, answered, refused);
    this.about = { pattern: members.pattern };
    this.#members = members;
  }
  reads(stream) {
    return this.#held.has(stream);
  }
  operation() {
    if (this.isNew) return this.asking("subscribe", this.#members);
    const start = this.#untold > 0 ? this.#members.start : "earliest";
    const positions = Object.fromEntries(this.#held);
    return this.asking("subscribe", { ...this.about, start, positions });
  }
  begin({ streams }) {
    this.#untold = Number(streams);
  }
  heard(message) {
    const { op, upto, position } = message;
    const stream = String(message.stream);
    if (op === "matched") return this.#matched(stream, message);
    if (op === "closed" || op === "ended") this.#held.delete(stream);
    else this.#held.set(stream, String(upto ?? position));
    return true;
  }
  #matched(stream, message) {
    const held = this.#held.get(stream);
    if (held === void 0) {
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
};
function gapOf(stream, after, answer) {
  const { recovered, reason, position: upto } = answer;
  return recovered === false ? { op: "gap", stream, after, upto, reason, lost: true } : void 0;
}
var Standing = class extends Lasting {
  about;
  #op;
  #members;
  constructor(host, op, members, answered, refused) {
    super(host, answered, refused);
    const { stream, consumer } = members;
    this.about = consumer === void 0 ? { stream } : { stream, consumer };
    this.#op = op;
    this.#members = members;
  }
  operation() {
    return this.asking(this.#op, this.#members);
  }
  refuse(error) {
    if (this.#op !== "enter" || this.isNew) return super.refuse(error);
    this.host.drop(this);
    this.host.failed(error.about(this.about));
  }
  heard({ op }) {
    if (op === "closed" || op === "ended") this.host.drop(this);
    return true;
  }
};
var Ending = class extends Standing {
  begin(message) {
    super.begin(message);
    this.host.drop(this);
  }
};
var Working = class extends Standing {
  /** What was delivered and is not acknowledged yet: the next request goes on with it. */
  #held = /* @__PURE__ */ new Set();
  operation() {
    const operation = super.operation();
    if (this.isNew) return operation;
    return { ...operation, members: { ...operation.members, held: [...this.#held] } };
  }
  heard(message) {
    if (message.op === "delivery") this.#held.add(String(message.position));
    return super.heard(message);
  }
  /** The server knows that these are dealt with, or given back. */
  settled(positions) {
    for (const position of positions) this.#held.delete(position);
  }
};
var Watching = class extends Standing {
  /** As the client was told, each under the name that it goes by. */
  #members = /* @__PURE__ */ new Map();
  begin({ members }) {
    this.#members = byName(members);
  }
  /** What happened between two requests is told as it would have been on one connection. */
  again({ members }) {
    const told = this.#members;
    this.#members = byName(members);
    for (const [name, text] of told) if (!this.#members.has(name)) this.#tell("leave", text);
    for (const [name, text] of this.#members) {
      if (told.get(name) !== text) this.#tell(told.has(name) ? "update" : "join", text);
    }
  }
  #tell(event, member) {
    const who = JSON.parse(member);
    this.host.deliver({ ...who, ...this.about, op: "presence", event });
  }
  heard({ op: _op, stream: _stream, event, members, ...member }) {
    if (event === "reset") this.#members = byName(members);
    for (const [name, text] of byName([member])) {
      if (event === "leave") this.#members.delete(name);
      else if (event !== "reset") this.#members.set(name, text);
    }
    return true;
  }
};
function byName(members) {
  const named = members.map((member) => {
    const { user, connection } = member;
    return [`${user} ${connection}`, JSON.stringify(member)];
  });
  return new Map(named);
}

// src/lasting_set.ts
var STREAMS_MAX = 500;
var LastingSet = class {
  #host;
  #all = /* @__PURE__ */ new Map();
  /** How many were told to end: each is a word of its own, also to the same. */
  #endings = 0;
  /** The name of the own inbox, which `connect` subscribes to, once it is known. */
  #inboxName;
  constructor(host) {
    this.#host = {
      ...host,
      drop: (lasting) => {
        for (const [key, each] of this.#all) if (each === lasting) this.#all.delete(key);
      }
    };
  }
  get isEmpty() {
    return this.#all.size === 0;
  }
  /** Whether the client waits for the answer to one. */
  get hasNew() {
    return [...this.#all.values()].some(({ isNew }) => isNew);
  }
  /** From where `connect` is to read the inbox: `held` while it has no name; undefined: not at all. */
  inboxPlace(held) {
    if (this.#inboxName === void 0) return held ?? "tail";
    const inbox = this.#inbox;
    return inbox && (inbox.place ?? "tail");
  }
  /** What `connected` says of the inbox. */
  adoptInbox(answer) {
    if (this.#inboxName === void 0) {
      const nobody = () => void 0;
      this.#inboxName = String(answer.stream);
      this.take("subscribe", answer, nobody, nobody);
    }
    this.#inbox?.answer(answer);
  }
  get #inbox() {
    return this.#all.get(`stream ${this.#inboxName}`);
  }
  /** Take a request that lasts, or that ends one which does; false: it has to be sent by itself. */
  take(op, given, answered, refused) {
    const members = given;
    const { stream, pattern, consumer } = members;
    const host = this.#host;
    const end = (key) => {
      this.#all.delete(key);
      queueMicrotask(() => answered({ ...given, op }));
      return true;
    };
    const begin = (key, lasting) => {
      this.#all.set(key, lasting);
      return true;
    };
    const supersede = (key) => {
      const former = this.#all.get(key);
      if (former) queueMicrotask(() => former.supersede());
    };
    const reading = pattern === void 0 ? `stream ${stream}` : `pattern ${pattern}`;
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
        if (pattern !== void 0) {
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
  answered(op, given) {
    const { stream, consumer } = given;
    const { positions = [] } = given;
    const working = this.#all.get(consumerKey(stream, consumer));
    if (working instanceof Working && (op === "ack" || op === "nack")) working.settled(positions);
  }
  /**
   * What the server is still to be told of when nothing is read any more: what is ending, and to give
   * back what consumers have delivered, to whoever goes on and need not wait for it.
   */
  endings() {
    const nobody = () => void 0;
    return [...this.#all.values()].flatMap((lasting) => {
      if (lasting instanceof Ending) return [lasting.operation()];
      if (!(lasting instanceof Working)) return [];
      return [{ op: "release", members: lasting.about, answered: nobody, refused: nobody }];
    });
  }
  /** Each stream is told to the client as the answer to them all would tell it. */
  #resume(streams, answered) {
    const answers = [];
    let missing = streams.length;
    streams.forEach((members, index) => {
      const told = (answer) => {
        answers[index] = answer;
        missing -= 1;
        if (missing === 0) answered({ op: "resumed", streams: answers });
      };
      const refused = ({ code, message, retry, details }) => told({ ...details, code, message, retry });
      this.take("subscribe", members, told, refused);
    });
  }
  /** How to ask for all of it. */
  operations() {
    const together = [];
    const others = [];
    const inbox = this.#inbox;
    for (const lasting of this.#all.values()) {
      if (lasting === inbox) continue;
      if (!(lasting instanceof StreamReading)) others.push(lasting.operation());
      else if (!lasting.isAlone) together.push(lasting);
      else {
        lasting.isAlone = false;
        others.push(lasting.operation());
      }
    }
    const first = together[0];
    if (together.length === 1 && first) return [first.operation(), ...others];
    const resumes = [];
    for (let at = 0; at < together.length; at += STREAMS_MAX) {
      resumes.push(this.#resuming(together.slice(at, at + STREAMS_MAX)));
    }
    return [...resumes, ...others];
  }
  #resuming(some) {
    return {
      op: "resume",
      members: { streams: some.map(({ members }) => members) },
      answered: ({ streams }) => {
        streams.forEach((answer, index) => some[index]?.told(answer));
      },
      // One that is malformed refuses all of them: then each is asked for by itself.
      refused: () => {
        for (const reading of some) reading.isAlone = true;
        this.#host.changed();
      }
    };
  }
  /** Something came that the server sent by itself; tells whether the client is to hear of it. */
  heard(message) {
    const { op, stream, pattern, consumer } = message;
    if (consumer !== void 0) return this.#hears(consumerKey(stream, consumer), message);
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
  #hears(key, message) {
    return this.#all.get(key)?.heard(message) ?? false;
  }
};
function consumerKey(stream, consumer) {
  return `consumer ${JSON.stringify([stream, consumer])}`;
}

// src/posting.ts
var OPERATIONS_MAX = 100;
var CHARACTERS_MAX = 256 * 1024;
var SLOWEST = 2;
var PATIENT_MAX = 2;
var TOO_LARGE = 413;
function lineOf(id, { op, members, raw }) {
  const text = JSON.stringify({ op, id, ...members });
  return raw ? `${text.slice(0, -1)},${raw}}` : text;
}
var Lane = class {
  constructor(max, timeoutMs) {
    this.max = max;
    this.timeoutMs = timeoutMs;
  }
  max;
  timeoutMs;
  waiting = [];
  busy = 0;
  /** As many in one request; fewer where the server found them too long together. */
  most = OPERATIONS_MAX;
  /** What goes in the next request. */
  take() {
    let characters = 0;
    const next = this.waiting.findIndex(({ raw = "" }, index) => {
      characters += raw.length;
      return index >= this.most || index > 0 && characters > CHARACTERS_MAX;
    });
    return this.waiting.splice(0, next < 0 ? this.most : next);
  }
};
var Posting = class {
  #host;
  #usual;
  #patient;
  #open = /* @__PURE__ */ new Set();
  constructor(host) {
    this.#host = host;
    this.#usual = new Lane(1, () => host.answerTimeoutMs);
    this.#patient = new Lane(PATIENT_MAX, () => host.patientTimeoutMs);
  }
  /** Whether everything has been answered. */
  get isIdle() {
    return this.#open.size === 0 && this.#usual.waiting.length + this.#patient.waiting.length === 0;
  }
  post(operation, isPatient = false) {
    const lane = isPatient ? this.#patient : this.#usual;
    lane.waiting.push(operation);
    if (lane.waiting.length === 1) queueMicrotask(() => this.#send(lane));
  }
  /** Another link sends what was published and is not on the way yet. */
  dropPublishes() {
    this.#usual.waiting = this.#usual.waiting.filter(({ op }) => op !== "publish");
  }
  /** Nothing is sent or heard any more. */
  close() {
    this.#usual.waiting = [];
    this.#patient.waiting = [];
    for (const exchange of this.#open) exchange.abort();
    this.#open.clear();
  }
  #send(lane) {
    if (lane.busy >= lane.max || lane.waiting.length === 0) return;
    lane.busy += 1;
    const operations = lane.take();
    const unanswered = new Map(operations.map((operation, index) => [index + 1, operation]));
    const lines = operations.map((operation, index) => lineOf(index + 1, operation));
    const exchange = this.#host.exchange(lines, {
      received: (message) => this.#answered(unanswered, message),
      ended: (error) => {
        this.#open.delete(exchange);
        lane.busy -= 1;
        this.#finish(lane, [...unanswered.values()], error);
        this.#send(lane);
      }
    });
    this.#open.add(exchange);
    const characters = lines.reduce((sum, { length }) => sum + length, 0);
    const timeoutMs = lane.timeoutMs();
    exchange.limit(timeoutMs + characters / SLOWEST, `no answer within ${timeoutMs / 1e3} s`);
  }
  #answered(unanswered, message) {
    const operation = unanswered.get(message.id);
    if (!operation) return;
    unanswered.delete(message.id);
    if (message.op === "error") operation.refused(this.#host.errorOf(message));
    else operation.answered(message);
  }
  #finish(lane, unanswered, error) {
    const status = Number(error?.details.status);
    if (status === TOO_LARGE && unanswered.length > 1) {
      lane.most = Math.ceil(unanswered.length / 2);
      lane.waiting.unshift(...unanswered);
    } else if (error && status >= 400 && status < 500 && status !== 401) {
      for (const operation of unanswered) operation.refused(error);
    } else if (error || unanswered.length > 0) {
      const message = "the server ended its answer before it was complete";
      this.#host.failed(error ?? this.#host.errorOf({ code: BROKEN, message, retry: true }));
    }
  }
};

// src/reading.ts
var IDLE_MS = 25e3;
var POLL_MS = 25e3;
var RESPONSE_OVER = 4005;
var COLLECTED_MS = 1e3;
var HASTE_MS = 1e3;
var Reading = class {
  #host;
  #isPolling;
  #times;
  #exchange;
  #answers = /* @__PURE__ */ new Map();
  /** Whether the server has done all that the present request asks for. */
  #isSettled = false;
  /** Whether the present request is a poll that is to be answered at once. */
  #isQuestion = false;
  #collected;
  #isChanged = false;
  #isOver = false;
  #isClosing = false;
  /** Whether there was news since the last request. */
  #hasNews = false;
  /** Whether the last response ended in silence, and nothing has come since. */
  #isInDoubt = false;
  #heartbeatMs = 0;
  #begunMs = 0;
  #pause;
  constructor(host, accept, times) {
    this.#host = host;
    this.#isPolling = accept !== EVENTS;
    this.#times = times;
  }
  /** What lasts is another, or the token is: have the server know. */
  change() {
    if (this.#isChanged) return;
    this.#isChanged = true;
    queueMicrotask(() => this.#reconsider());
  }
  /** Whether somebody is there is asked by beginning anew. */
  probe() {
    if (this.#mayGiveUp) this.begin(this.#times.probeTimeoutMs);
  }
  /**
   * Whether another request may take the place of the present one, which may still reach the server
   * after it: to ask twice does no harm, but what is new would be undone.
   */
  get #mayGiveUp() {
    const isWaiting = this.#isPolling && !this.#isQuestion;
    return this.#isSettled || isWaiting && !this.#host.lasting.hasNew;
  }
  stop() {
    this.#isOver = true;
    clearTimeout(this.#pause);
    clearTimeout(this.#collected);
    this.#exchange?.abort();
  }
  /** Ask the server anew. `timeoutMs`: for a sign of life. */
  begin(timeoutMs) {
    this.stop();
    this.#isOver = this.#isChanged = this.#hasNews = false;
    this.#begunMs = Date.now();
    const { lasting } = this.#host;
    const operations = lasting.operations();
    this.#answers = new Map(operations.map((operation, index) => [index + 1, operation]));
    const isAsking = lasting.hasNew || lasting.isEmpty || timeoutMs !== void 0;
    const waitMs = isAsking ? 0 : Math.min(POLL_MS, this.#heartbeatMs);
    this.#isSettled = false;
    this.#isQuestion = this.#isPolling && waitMs === 0;
    if (this.#isPolling && !this.#isQuestion) {
      this.#collected = setTimeout(() => this.#settle(), COLLECTED_MS);
    }
    this.#exchange = this.#host.exchange(
      operations.map((operation, index) => lineOf(index + 1, operation)),
      {
        received: (message) => this.#receive(message),
        ended: (error) => this.#end(error)
      },
      this.#isPolling ? Math.round(waitMs / 1e3) : void 0
    );
    const { firstEventTimeoutMs, answerTimeoutMs } = this.#times;
    const usualMs = this.#isPolling ? answerTimeoutMs + waitMs : firstEventTimeoutMs;
    this.#limit(timeoutMs ?? usualMs);
  }
  #limit(timeoutMs) {
    this.#exchange?.limit(timeoutMs, `the server was silent for ${timeoutMs / 1e3} s`);
  }
  #receive(message) {
    const { id, op } = message;
    if (id === 0 && op === "connected") {
      this.#heartbeatMs = 1e3 * Number(message.heartbeat_s) || IDLE_MS;
      this.#host.connected(message);
    } else if (id === void 0) this.#hear(message);
    else this.#answered(id, message);
    if (this.#isQuestion || this.#isOver) return;
    const isAnswered = this.#answers.size === 0;
    if (!this.#isPolling) this.#limit(isAnswered ? 2 * this.#heartbeatMs : this.#times.answerTimeoutMs);
    if (isAnswered) this.#settle();
  }
  #settle() {
    this.#isSettled = true;
    this.#reconsider();
  }
  #answered(id, message) {
    const operation = this.#answers.get(id);
    this.#answers.delete(id);
    if (message.op === "error") operation?.refused(this.#host.errorOf(message));
    else operation?.answered(message);
  }
  #hear(message) {
    this.#isInDoubt = false;
    switch (message.op) {
      case "ping":
        break;
      case "error":
        this.#host.failed(this.#host.errorOf(message));
        break;
      case "closing":
        if (message.code === RESPONSE_OVER) break;
        this.#isClosing = true;
        this.#host.closing(message);
        break;
      default:
        this.#hasNews = true;
        if (this.#host.lasting.heard(message)) this.#host.delivered(message);
    }
  }
  #reconsider() {
    if (this.#isChanged && this.#mayGiveUp && !this.#isOver && !this.#isClosing) this.begin();
  }
  #end(error) {
    if (this.#isClosing) return;
    if (error?.code === OVERDUE && this.#isSettled && !this.#isInDoubt) {
      this.#isInDoubt = true;
      return this.begin(this.#isPolling ? this.#times.probeTimeoutMs : void 0);
    }
    if (!error && this.#answers.size > 0) {
      const message = "the server ended its answer before it was complete";
      error = this.#host.errorOf({ code: BROKEN, message, retry: true });
    }
    if (error) return this.#host.ended(error);
    if (this.#isPolling) this.#isInDoubt = false;
    const isHasty = !this.#hasNews && Date.now() - this.#begunMs < HASTE_MS;
    if (this.#isPolling && this.#host.lasting.isEmpty && !this.#isChanged) this.#rest(IDLE_MS);
    else if (isHasty && !this.#isQuestion) this.#rest(HASTE_MS);
    else this.begin();
  }
  /** Ask again after a while, or when there is something new to ask for. */
  #rest(timeMs) {
    this.#isSettled = true;
    this.#pause = setTimeout(() => this.begin(), timeMs);
  }
};

// src/http_link.ts
var FIRST_EVENT_MS = 5e3;
var CALL_S = 30;
var CLOSING_MS = 5e3;
var FAULTS = [UNREACHABLE, OVERDUE, BROKEN, BAD_ANSWER];
var isFault = (code) => FAULTS.includes(code) || code.startsWith("http_");
var HttpLink = class {
  #http;
  #owner;
  #settings;
  #lasting;
  #posting;
  #reading;
  #token;
  #hello;
  #connectedMs = 0;
  #closing;
  #closingTimer;
  #isOver = false;
  #isRetired = false;
  /** How to refuse what a link that was retired has still to answer. */
  #asked = /* @__PURE__ */ new Set();
  constructor(http, accept, owner, settings) {
    this.#http = http;
    this.#owner = owner;
    this.#settings = settings;
    this.#token = settings.token;
    const { errorOf } = http;
    this.#lasting = new LastingSet({
      errorOf,
      deliver: (message) => owner.delivered(message),
      failed: (error) => owner.failed(error),
      changed: () => this.#reading.change()
    });
    this.#posting = new Posting(this.#postingHost());
    this.#reading = new Reading(
      {
        errorOf,
        lasting: this.#lasting,
        exchange: (operations, events, waitS) => {
          const inbox = this.#lasting.inboxPlace(settings.inbox);
          return this.#exchange(accept, { inbox }, operations, events, waitS);
        },
        connected: (hello) => this.#connected(hello),
        delivered: (message) => owner.delivered(message),
        failed: (error) => owner.failed(error),
        closing: (message) => this.#close(message),
        ended: (error) => this.#giveUp(error)
      },
      accept,
      { ...settings, firstEventTimeoutMs: settings.firstEventTimeoutMs ?? FIRST_EVENT_MS }
    );
    this.#reading.begin();
  }
  get isUsable() {
    return this.#connectedMs > 0 && !this.#closing && !this.#isOver && !this.#isRetired;
  }
  request(op, members, answered, refused, raw = "", isPatient = false) {
    if (this.#lasting.take(op, members, answered, refused)) return this.#reading.change();
    this.#post({ op, members, raw, answered, refused }, isPatient);
  }
  #post({ op, members, raw = "", answered, refused }, isPatient = false) {
    if (op !== "publish") this.#asked.add(refused);
    const isHeard = () => this.#asked.delete(refused) || op === "publish" && !this.#isRetired;
    const operation = {
      op,
      members,
      raw,
      answered: (message) => {
        this.#lasting.answered(op, members);
        if (op === "authenticate") this.#renew(members.token);
        if (isHeard()) answered(message);
      },
      refused: (error) => {
        if (isHeard()) refused(error);
      }
    };
    this.#posting.post(operation, isPatient);
  }
  probe() {
    if (this.isUsable) this.#reading.probe();
  }
  close() {
    this.#isOver = true;
    clearTimeout(this.#closingTimer);
    this.#reading.stop();
    this.#posting.close();
  }
  /**
   * Another link has taken over: reading ends at once. What was asked is still answered, but for
   * publishes, which are sent again there.
   */
  retire() {
    this.#isRetired = true;
    this.#reading.stop();
    this.#posting.dropPublishes();
    for (const operation of this.#lasting.endings()) this.#post(operation);
  }
  /** The next requests show the new token, the one that reads before the old token expires. */
  #renew(token) {
    this.#token = token;
    if (!this.#isRetired) this.#reading.change();
  }
  #exchange(accept, more, operations, events, waitS) {
    const { client } = this.#settings;
    const connect = { version: 1, client, token: this.#token, ...more };
    const nobody = () => void 0;
    const first = lineOf(0, { op: "connect", members: connect, answered: nobody, refused: nobody });
    return new Exchange(this.#http, accept, [first, ...operations], events, waitS);
  }
  #postingHost() {
    const link = this;
    const { answerTimeoutMs, probeTimeoutMs } = this.#settings;
    return {
      errorOf: this.#http.errorOf,
      exchange: (operations, events) => this.#exchange(LINES, {}, operations, events),
      // There is no asking for a sign of life in between: it is part of the wait.
      answerTimeoutMs: answerTimeoutMs + probeTimeoutMs,
      get patientTimeoutMs() {
        const { call_timeout_s = CALL_S } = link.#hello?.limits ?? {};
        return 1e3 * call_timeout_s + answerTimeoutMs;
      },
      failed: (error) => this.#giveUp(error)
    };
  }
  #connected(hello) {
    if (hello.inbox) this.#lasting.adoptInbox(hello.inbox);
    if (this.#hello) return;
    this.#hello = hello;
    this.#connectedMs = Date.now();
    this.#owner.connected(hello);
  }
  /** The server goes away, and what it has taken it will answer. */
  #close(message) {
    if (this.#closing) return;
    this.#closing = message;
    const untilMs = Date.now() + CLOSING_MS;
    const look = () => {
      if (this.#posting.isIdle || Date.now() >= untilMs) return this.#end();
      this.#closingTimer = setTimeout(look, CLOSING_MS / 100);
    };
    look();
  }
  #giveUp(error) {
    if (!this.#isRetired) return this.#end(error);
    this.close();
    const sentence = "the connection was lost before the answer; whether the request took effect is not known";
    const lost = this.#http.errorOf({ code: BROKEN, message: sentence, retry: true });
    for (const refused of this.#asked) refused(lost);
    this.#asked.clear();
  }
  #end(error) {
    if (this.#isOver) return;
    this.close();
    const { code = 1006, reason = "", reconnect, after_s } = this.#closing ?? { op: "" };
    const fault = error && isFault(error.code) ? error.code : void 0;
    const refusal = fault === void 0 ? error : void 0;
    const afterS = Number(error?.details.after_s);
    const after = Array.isArray(after_s) ? after_s : afterS >= 0 ? [afterS, 2 * afterS] : void 0;
    const ending = {
      code: Number(code),
      reason: error?.message ?? String(reason),
      reconnect: refusal ? refusal.retry : reconnect !== false,
      livedMs: this.#connectedMs ? Date.now() - this.#connectedMs : 0,
      fault,
      ...after ? { afterMs: [1e3 * after[0], 1e3 * after[1]] } : {},
      ...refusal ? { error: refusal } : {}
    };
    this.#owner.ended(ending);
  }
};

// src/transports.ts
var ALL_TRANSPORTS = ["websocket", "sse", "long-poll"];
function recall(url) {
  try {
    return sessionStorage.getItem(keyOf(url));
  } catch {
    return null;
  }
}
function remember(url, transport) {
  try {
    if (transport === "websocket") sessionStorage.removeItem(keyOf(url));
    else sessionStorage.setItem(keyOf(url), transport);
  } catch {
  }
}
function keyOf(url) {
  return `longwire ${url}`;
}

// src/fallback.ts
var FAILURES_MAX = 2;
var LIVED_MS = 5e3;
var BETTER_AFTER_MS = 6e4;
var WAITS_MAX = 16;
var Fallback = class {
  #host;
  #options;
  #http;
  #transports;
  /** Where the next attempt begins. */
  #start = 0;
  /** What was open last, and what was before that. */
  #works;
  #workedBefore;
  #failures = 0;
  #betterMs;
  /** When a better transport is tried, whatever becomes of links until then. */
  #betterAtMs;
  constructor(host, options, errorOf) {
    const { url, transport } = host;
    this.#host = host;
    this.#options = options;
    this.#http = {
      url: url.replace(/^ws/, "http"),
      errorOf,
      fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
      credentials: options.credentials ?? "include",
      key: randomKey()
    };
    this.#transports = options.transports ?? ALL_TRANSPORTS;
    this.#betterMs = this.#firstBetterMs;
    const known = this.#transports.indexOf(transport ?? recall(url));
    if (known >= 0) this.#works = this.#start = known;
    else if (!options.transports) this.#start = 1;
    if (transport) this.#failures = FAILURES_MAX;
  }
  /** Begin an attempt. */
  open(owner, settings) {
    return new FallbackLink(this, owner, settings);
  }
  // --- for the link -----------------------------------------------------------------------
  get start() {
    return this.#start;
  }
  nameOf(rung) {
    return this.#transports[rung];
  }
  /** Open a link over one transport. Throws where that does not exist. */
  openRung(rung, owner, settings) {
    const name = this.nameOf(rung);
    if (name === "websocket") return this.#host.open(owner, settings);
    return new HttpLink(this.#http, name === "sse" ? EVENTS : LINES, owner, settings);
  }
  /** A link is open. */
  worked(rung) {
    if (rung !== this.#works) this.#workedBefore = this.#works;
    this.#works = this.#start = rung;
    this.#failures = 0;
    if (rung === 0) this.#betterAtMs = void 0;
    remember(this.#host.url, this.nameOf(rung));
  }
  /** An attempt with one ended before it was open: the one to go on with at once, if any. */
  after(rung, ending) {
    if (ending.error || ending.afterMs) return void 0;
    this.#failures += 1;
    const isDoubted = rung !== this.#works || this.#failures > FAILURES_MAX;
    if (this.nameOf(rung) === "websocket" && !isDoubted) return void 0;
    const isLast = rung === this.#transports.length - 1;
    if (!isLast && ending.fault !== UNREACHABLE) return rung + 1;
    this.#start = isLast || rung === this.#works ? 0 : this.#works ?? 0;
    return void 0;
  }
  /** A link that was open has ended. */
  lost(rung, { livedMs, fault }) {
    const isLast = rung === this.#transports.length - 1;
    if (fault === OVERDUE && !isLast) this.#start = rung + 1;
    const before = this.#workedBefore;
    if (livedMs < LIVED_MS && before !== void 0 && before > rung) this.#start = this.#works = before;
  }
  /** How long to wait before a better transport is tried, milliseconds. */
  nextBetterMs() {
    const { random = Math.random } = this.#options;
    const nowMs = Date.now();
    this.#betterAtMs ??= nowMs + this.#betterMs * (0.5 + 0.5 * random());
    return Math.min(this.#betterMs, Math.max(0, this.#betterAtMs - nowMs));
  }
  /** A better transport is tried now. */
  triesBetter() {
    this.#betterMs = Math.min(2 * this.#betterMs, WAITS_MAX * this.#firstBetterMs);
    this.#betterAtMs = void 0;
  }
  /** There is a reason to hope: the machine woke, or is in another network. */
  hope() {
    if (this.#betterMs > this.#firstBetterMs) this.#betterAtMs = void 0;
    this.#betterMs = this.#firstBetterMs;
  }
  get #firstBetterMs() {
    return this.#options.betterAfterMs ?? BETTER_AFTER_MS;
  }
};
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
}
export {
  Fallback
};
