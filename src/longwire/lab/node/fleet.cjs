// Many Socket.IO clients in one process, led by lines of JSON on standard input. The lines and the
// journal are those of longwire.lab.fleet and longwire.lab.journal.
"use strict";

const fs = require("node:fs");
const readline = require("node:readline");
const { io } = require("socket.io-client");

const ATTEMPTED = 1;
const RECEIVED = 4;
const CONNECTED = 5;
const DISCONNECTED = 6;
const RECORD_BYTES = 24;
const HELD_RECORDS = 512;
const STARTS_AT_ONCE = 32;
const STATUS_EVERY_MS = 500;
const FLUSH_EVERY_MS = 50;

const nowS = () => Number(process.hrtime.bigint()) / 1e9; // the monotonic clock, as Python has it
const say = (message) => fs.writeSync(1, JSON.stringify(message) + "\n");

class Journal {
  constructor(path) {
    this.fd = fs.openSync(path, "a");
    this.held = Buffer.alloc(RECORD_BYTES * HELD_RECORDS);
    this.length = 0;
    this.counts = new Array(9).fill(0);
  }

  write(kind, member, publisher = 0, sequence = 0) {
    const at = this.length;
    this.held.writeUInt32LE(kind, at); // one byte and three unused ones
    this.held.writeUInt32LE(member, at + 4);
    this.held.writeUInt32LE(publisher, at + 8);
    this.held.writeUInt32LE(sequence, at + 12);
    this.held.writeDoubleLE(nowS(), at + 16);
    this.length += RECORD_BYTES;
    this.counts[kind] += 1;
    if (kind === ATTEMPTED || this.length === this.held.length) this.flush();
  }

  flush() {
    if (this.length > 0) fs.writeSync(this.fd, this.held, 0, this.length);
    this.length = 0;
  }
}

class Member {
  constructor(settings, journal) {
    this.settings = settings;
    this.journal = journal;
    this.sequence = 0;
    this.timers = [];
  }

  start() {
    const { number, url, reads } = this.settings;
    // A connection of its own: by default clients of one URL in a process share one.
    this.socket = io(url, { auth: { reads }, transports: ["websocket"], forceNew: true });
    this.socket.on("connect", () => this.journal.write(CONNECTED, number));
    this.socket.on("disconnect", () => this.journal.write(DISCONNECTED, number));
    this.socket.on("message", (message) =>
      this.journal.write(RECEIVED, number, message.publisher, message.sequence),
    );
    return new Promise((resolve) => this.socket.once("connect", resolve));
  }

  publishOnTime(place) {
    const everyMs = 1000 / (this.settings.per_s ?? 1);
    const begin = () => {
      this.publish();
      this.timers.push(setInterval(() => this.publish(), everyMs));
    };
    this.timers.push(setTimeout(begin, place * everyMs));
  }

  publish() {
    const { number, publishes } = this.settings;
    this.journal.write(ATTEMPTED, number, number, this.sequence);
    // While there is no connection, the library keeps what is emitted and sends it later.
    this.socket.emit("publish", publishes, { publisher: number, sequence: this.sequence });
    this.sequence += 1;
  }

  stop() {
    for (const timer of this.timers) clearTimeout(timer);
  }
}

async function startAll(members) {
  const waiting = [...members];
  const startSome = async () => {
    for (let member = waiting.shift(); member; member = waiting.shift()) await member.start();
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startSome));
}

function status(members, journal) {
  const sum = (count) => members.reduce((total, member) => total + count(member), 0);
  return {
    event: "status",
    connected: sum((member) => Number(member.socket.connected)),
    attempted: journal.counts[ATTEMPTED],
    expected: sum((member) => member.sequence * (member.settings.readers ?? 1)),
    stored: 0,
    refused: 0,
    received: journal.counts[RECEIVED],
  };
}

async function main() {
  let members = [];
  let journal;
  const end = () => {
    if (journal) journal.flush();
    say({ event: "ended" });
    process.exit(0);
  };
  const orders = {
    go: () => {
      const publishing = members.filter((member) => member.settings.publishes != null);
      publishing.forEach((member, place) => member.publishOnTime(place / publishing.length));
    },
    stop: () => members.forEach((member) => member.stop()),
    end,
  };
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("close", end);
  const [first] = await new Promise((resolve) => lines.once("line", (line) => resolve([line])));
  lines.on("line", (line) => orders[JSON.parse(line).do]());

  const settings = JSON.parse(first);
  journal = new Journal(settings.journal);
  members = settings.members.map((member) => new Member(member, journal));
  await startAll(members);
  say({ event: "ready" });
  setInterval(() => say(status(members, journal)), STATUS_EVERY_MS);
  setInterval(() => journal.flush(), FLUSH_EVERY_MS);
}

main();
