// longwire.js in Chromium behind a proxy that puts more and more into its way, and takes it away again.
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";
import { ask, finish, need, report, settings, step, until } from "./driven.mjs";
import { makeProxy } from "./proxy.mjs";

const { connect } = await import(settings.library);
const proxy = await makeProxy(settings.port);
const quick = { retryFirstMs: 50, retryMaxMs: 300 };
// The other side of the conversation, with nothing in its way.
const straight = connect(`ws://127.0.0.1:${settings.port}/ws`, { ...quick, WebSocket: need("ws") });
const complaints = [];
straight.on("gap", (gap) => complaints.push(gap));

let tab;
const browser = await launch();

/** Load the page, with the outbox of the one before, and the position that it had read up to. */
async function load() {
  tab ??= await browser.newPage();
  await tab.goto(`http://127.0.0.1:${proxy.port}/healthz`);
  await tab.evaluate(async (quick) => {
    const { connect } = await import("/longwire.js");
    const { DiskOutbox } = await import("/longwire-outbox.js");
    window.outbox = new DiskOutbox("fallback");
    const patience = { firstEventTimeoutMs: 2000, betterAfterMs: 500, answerTimeoutMs: 3000 };
    window.client = connect("/ws", { ...quick, ...patience, outbox });
    window.transports = [];
    window.complaints = [];
    client.on("transport", ({ transport }) => transports.push(transport));
    client.on("gap", (gap) => complaints.push(gap));
    client.on("error", ({ code, message }) => complaints.push({ code, message }));
    const { position, read = [] } = JSON.parse(sessionStorage.getItem("read") ?? "{}");
    window.read = read;
    client.subscribe("down", { start: "earliest", position }, ({ data, position }) => {
      read.push(data);
      sessionStorage.setItem("read", JSON.stringify({ position, read }));
    });
  }, quick);
}

const written = [];
straight.subscribe("up", { start: "earliest" }, ({ data }) => void written.push(data));
let published = 0;

/** Publish in both directions for a while. */
async function talk(rounds = 10) {
  for (let round = 0; round < rounds; round += 1) {
    const numbers = Array.from({ length: 5 }, () => published++);
    for (const number of numbers) void straight.publish("down", number);
    await tab.evaluate((numbers) => {
      for (const number of numbers) void client.publish("up", number);
      return outbox.kept();
    }, numbers);
  }
}

/** Wait until everything has arrived on both sides. */
async function arrive() {
  await until(async () => (await tab.evaluate(() => read.length)) >= published, "all of down");
  await until(() => written.length >= published, "all of up");
  const all = Array.from({ length: published }, (_, number) => number);
  assert.deepEqual(await tab.evaluate(() => read), all);
  assert.deepEqual(written, all);
}

const isOver = (transport) =>
  until(() => tab.evaluate((transport) => client.state === "open" && client.transport === transport, transport), transport);

step("a proxy that refuses WebSockets: events");
proxy.allowsUpgrade = false;
await load();
await talk();
await isOver("sse");
await arrive();

step("it also holds responses back: long-polling, from where events have come to");
proxy.holdsBack = true;
proxy.cut();
await talk();
await isOver("long-poll");
await talk();
proxy.cut();
await talk();
await arrive();

step("a page that is reloaded remembers what worked, and its outbox what was not sent");
await ask("kill");
await talk(5);
await ask("start");
const upgrades = proxy.upgrades;
await load();
await isOver("long-poll");
assert.deepEqual(await tab.evaluate(() => transports), ["long-poll"]);
assert.ok(proxy.upgrades - upgrades <= 1, `${proxy.upgrades - upgrades} WebSockets were tried`);
await talk();
await arrive();

step("it holds nothing back any more: events again");
proxy.holdsBack = false;
await talk();
await isOver("sse");
await talk();
await arrive();

step("and lets WebSockets through: back to the best, and there it stays");
proxy.allowsUpgrade = true;
await talk();
await isOver("websocket");
assert.deepEqual(await tab.evaluate(() => transports), ["long-poll", "sse", "websocket"]);
proxy.cut();
await talk();
await isOver("websocket");
await arrive();
assert.deepEqual(await tab.evaluate(() => complaints), []);
assert.deepEqual(complaints, []);
await browser.close();
report({ published });
finish();
