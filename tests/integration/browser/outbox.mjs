// An outbox in IndexedDB: reloads, several tabs, a killed browser, a server that is away.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { address, launch, processesOf } from "./browser.mjs";
import { ask, finish, report, step, until } from "./driven.mjs";

const numbers = (from, upto) => Array.from({ length: upto - from }, (_, index) => from + index);

/** A tab with a client on the outbox of that name; `window.started` is what was published. */
async function open(browser, name, options = {}) {
  const tab = await browser.newPage();
  await load(tab, name, options);
  return tab;
}

async function load(tab, name, options = {}, origin = address) {
  await tab.goto(`${origin}healthz`);
  await tab.evaluate(begin, [name, options]);
}

/** Runs in the page. */
async function begin([name, options]) {
  const { connect } = await import("/longwire.js");
  const { DiskOutbox } = await import("/longwire-outbox.js");
  window.outbox = new DiskOutbox(name);
  window.client = connect("/ws", { retryFirstMs: 50, retryMaxMs: 300, outbox, ...options });
  window.errors = [];
  window.outcomes = [];
  client.on("error", ({ code, outcome, details }) => errors.push({ code, outcome, details }));
  window.publish = (stream, data) =>
    client.publish(stream, data).then(
      ({ duplicate }) => outcomes.push({ data, duplicate }),
      ({ code, outcome }) => outcomes.push({ data, code, outcome }),
    );
}

const publish = (tab, stream, values) =>
  tab.evaluate(
    ([stream, values]) => {
      for (const value of values) void publish(stream, value);
      return outbox.kept();
    },
    [stream, values],
  );
const flush = (tab) => tab.evaluate(() => client.flush());
const pending = (tab) => tab.evaluate(() => client.pending);
const outcomes = (tab) => tab.evaluate(() => window.outcomes);
const errors = (tab) => tab.evaluate(() => window.errors);

/** The data of a whole stream. */
async function stored(tab, stream) {
  return tab.evaluate(async (stream) => {
    const all = [];
    for (let after = `${"0".repeat(16)}_${"0".repeat(24)}`, more = true; more; ) {
      const page = await client.history(stream, { after, limit: 500 });
      all.push(...page.messages.map(({ data }) => data));
      ({ more } = page);
      after = page.messages.at(-1)?.position ?? after;
    }
    return all;
  }, stream);
}

/** The numbers under which the outbox of a tab goes on. */
async function producer(tab) {
  return tab.evaluate(async () => {
    const request = indexedDB.open(outbox.name);
    await new Promise((resolve) => (request.onsuccess = resolve));
    const transaction = request.result.transaction(["account", "numbers"]);
    const account = transaction.objectStore("account").get("account");
    const numbers = transaction.objectStore("numbers").getAll();
    await new Promise((resolve) => (transaction.oncomplete = resolve));
    request.result.close();
    return { ...account.result, numbers: numbers.result };
  });
}

let browser = await launch();

step("what was published while the server was away survives a reload, in order, once");
let tab = await open(browser, "reload");
await publish(tab, "reload/a", numbers(0, 10));
await flush(tab);
assert.deepEqual((await outcomes(tab)).map(({ data, duplicate }) => [data, duplicate]), numbers(0, 10).map((data) => [data, false]));
await until(async () => (await producer(tab)).messages === 0, "the database is empty");
await ask("kill");
await publish(tab, "reload/a", numbers(10, 160));
await publish(tab, "reload/b", [{ 世界: "𝄞" }, null, "x".repeat(100_000)]);
assert.equal(await pending(tab), 153);
const before = await producer(tab);
assert.equal(before.messages, 153);
await tab.goto("about:blank");
await ask("start");
await load(tab, "reload");
await flush(tab);
assert.deepEqual(await stored(tab, "reload/a"), numbers(0, 160));
assert.deepEqual(await stored(tab, "reload/b"), [{ 世界: "𝄞" }, null, "x".repeat(100_000)]);
const after = await producer(tab);
assert.equal(after.producerId, before.producerId);
assert.deepEqual(after.numbers.map(({ stream, epoch, next }) => [stream, epoch, next]), [["reload/a", 0, 160], ["reload/b", 0, 3]]);

step("reloads in the middle of publishing lose and double nothing");
let next = 0;
for (let round = 0; round < 8; round += 1) {
  await load(tab, "storm");
  await until(() => tab.evaluate(() => client.state === "open"), "open");
  await publish(tab, "storm", numbers(next, next + 40));
  next += 40;
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
  if (round % 3 === 2) await ask("kill").then(() => ask("start"));
}
await flush(tab);
await load(tab, "storm");
await flush(tab);
assert.deepEqual(await stored(tab, "storm"), numbers(0, next));

step("two tabs share one outbox: one sends for both, and the other goes on when it is closed");
const first = await open(browser, "tabs");
await until(() => first.evaluate(() => client.state === "open"), "open");
const second = await open(browser, "tabs");
for (let round = 0; round < 5; round += 1) {
  const at = round * 20;
  await Promise.all([
    publish(first, "tabs", numbers(at, at + 20).map((number) => `first ${number}`)),
    publish(second, "tabs", numbers(at, at + 20).map((number) => `second ${number}`)),
  ]);
}
await Promise.all([flush(first), flush(second)]);
for (const one of [first, second]) {
  const told = await outcomes(one);
  assert.equal(told.length, 100);
  assert.ok(told.every(({ duplicate }) => duplicate === false), JSON.stringify(told));
}
assert.equal(new Set((await stored(first, "tabs"))).size, 200);
await publish(second, "tabs//", ["bad"]);
await until(async () => (await outcomes(second)).length === 101, "the refusal");
assert.deepEqual((await outcomes(second)).pop(), { data: "bad", code: "bad_stream_name", outcome: "not_stored" });
assert.deepEqual((await errors(first)).map(({ code, details }) => [code, details.stream, details.data]), [["bad_stream_name", "tabs//", "bad"]]);
await ask("suspend");
await publish(first, "tabs", numbers(100, 120).map((number) => `first ${number}`));
await publish(second, "tabs", numbers(100, 120).map((number) => `second ${number}`));
await new Promise((resolve) => setTimeout(resolve, 300)); // the first is waiting for the answers
await first.close();
await ask("resume");
await flush(second);
await publish(second, "tabs", numbers(120, 140).map((number) => `second ${number}`));
await flush(second);
const all = await stored(second, "tabs");
assert.deepEqual(all.filter((text) => text.startsWith("first")), numbers(0, 120).map((number) => `first ${number}`));
assert.deepEqual(all.filter((text) => text.startsWith("second")), numbers(0, 140).map((number) => `second ${number}`));
assert.equal((await outcomes(second)).filter(({ code }) => code === undefined).length, 140);
assert.deepEqual(await errors(second), []);

step("a client that is closed leaves its outbox to the next one in the same page");
await ask("kill");
await publish(second, "tabs", ["left", "behind"]);
await second.evaluate(() => client.close());
const kept = { code: "closed", outcome: "kept" };
assert.deepEqual((await outcomes(second)).slice(-2), ["left", "behind"].map((data) => ({ data, ...kept })));
await second.evaluate(begin, ["tabs", {}]);
await publish(second, "tabs", ["after"]);
await ask("start");
await flush(second);
assert.deepEqual((await stored(second, "tabs")).slice(-3), ["left", "behind", "after"]);

step("a database that is deleted under a page is an error that says so");
await second.evaluate(() => void indexedDB.deleteDatabase(outbox.name));
await until(async () => (await errors(second)).length > 0, "an error");
assert.equal((await errors(second))[0].code, "outbox_unusable");
await publish(second, "tabs", ["lost"]);
assert.deepEqual((await outcomes(second)).at(-1), { data: "lost", code: "outbox_unusable", outcome: "not_stored" });
await second.close();

step("a browser without room on its disk is a full outbox");
const elsewhere = address.replace("127.0.0.1", "localhost"); // an origin that has used nothing yet
const session = await browser.newCDPSession(tab);
const origin = elsewhere.slice(0, -1);
await session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 2_000_000 });
const cramped = await browser.newPage();
await load(cramped, "cramped", { outboxBytesMax: 100_000_000 }, elsewhere);
await until(() => cramped.evaluate(() => client.state === "open"), "open");
await ask("suspend");
const noise = randomBytes(375_000).toString("base64"); // cannot be packed on the disk
const large = Array.from({ length: 8 }, (_, number) => number + noise);
for (const one of large) await publish(cramped, "cramped", [one]);
const refusals = await outcomes(cramped);
assert.ok(refusals.length > 0 && refusals.length < 8, `${refusals.length} refused`);
for (const { code, outcome } of refusals) assert.deepEqual([code, outcome], ["outbox_full", "not_stored"]);
await ask("resume");
await flush(cramped);
const roomy = (await outcomes(cramped)).filter(({ code }) => code === undefined);
assert.equal(roomy.length, 8 - refusals.length);
assert.deepEqual((await stored(cramped, "cramped")).map(([first]) => first), roomy.map(({ data: [first] }) => first));
await session.send("Storage.overrideQuotaForOrigin", { origin });
await cramped.close();

step("a full outbox says so, to every tab, and has room again later");
const limited = { outboxMessagesMax: 5, outboxBytesMax: 2000 };
const full = await open(browser, "full", limited);
const fuller = await open(browser, "full", limited);
await ask("kill");
await publish(full, "full", [0, 1, 2]);
await publish(fuller, "full", [3, 4, 5]);
await publish(full, "full", [6]);
assert.deepEqual(await outcomes(fuller), [{ data: 5, code: "outbox_full", outcome: "not_stored" }]);
assert.deepEqual(await outcomes(full), [{ data: 6, code: "outbox_full", outcome: "not_stored" }]);
await ask("start");
await flush(full);
await flush(fuller);
await until(async () => (await producer(full)).messages === 0, "room again");
const fitting = "x".repeat(2000 - '"data":""'.length);
await publish(fuller, "full", [`${fitting}x`, fitting]);
await flush(fuller);
const [past, at] = (await outcomes(fuller)).slice(3);
assert.deepEqual([past.data.length, past.code, at.data.length, at.code], [1992, "outbox_full", 1991, undefined]);
assert.deepEqual(await stored(full, "full"), [0, 1, 2, 3, 4, fitting]);
await full.close();
await fuller.close();

step("what is refused after a reload is an error event with what was published");
await ask("kill");
await publish(tab, "bad//name", [{ never: true }]);
await tab.goto("about:blank"); // or that page could still hear of the refusal
await ask("start");
await load(tab, "storm");
await flush(tab);
const [refused] = await errors(tab);
assert.equal(refused.code, "bad_stream_name");
assert.deepEqual([refused.details.stream, refused.details.data], ["bad//name", { never: true }]);

step("a browser that is killed sends the rest after its restart, once, in order");
const journal = [];
let count = 0;
for (let round = 0; round < 3; round += 1) {
  tab = await open(browser, "killed", { outboxMessagesMax: 100_000 });
  await tab.exposeFunction("note", (upto) => void journal.push(upto));
  const isAway = round === 1;
  if (isAway) await ask("kill");
  else await until(() => tab.evaluate(() => client.state === "open"), "open");
  void tab
    .evaluate(async (count) => {
      for (let number = count; ; number += 1) {
        void publish("killed", number);
        if (number % 7 === 0) await outbox.kept().then(() => note(number));
      }
    }, count)
    .catch(() => undefined);
  await until(() => journal.at(-1) >= count + 100, "a hundred");
  for (const pid of processesOf("browser")) process.kill(pid, "SIGKILL");
  await browser.close().catch(() => undefined);
  await until(() => processesOf("browser").length === 0, "the browser is gone");
  count = journal.at(-1) + 1000; // nobody knows which of the later ones were kept
  if (isAway) await ask("start");
  browser = await launch();
}
tab = await open(browser, "killed");
await flush(tab);
const survived = await stored(tab, "killed");
assert.deepEqual(survived, [...new Set(survived)].sort((one, other) => one - other));
const present = new Set(survived);
let from = 0;
for (const upto of journal) {
  if (upto - from > 500) from = upto - (upto % 7); // the first of a round
  for (let number = from; number <= upto; number += 1) assert.ok(present.has(number), `${number} is missing`);
  from = upto + 1;
}
assert.deepEqual(await errors(tab), []);
await browser.close();
report({ survived: survived.length });
finish();
