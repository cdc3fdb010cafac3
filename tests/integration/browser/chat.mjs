// Two tabs chat, lose their server three times, and chat again.
import assert from "node:assert/strict";
import path from "node:path";
import { address, launch, watch } from "./browser.mjs";
import { ask, finish, report, settings, step, until } from "./driven.mjs";

const GONE = /restarted and its memory store is empty/;
const complaints = [];
/** What the pages have sent over their WebSockets. */
const sent = [];
const browser = await launch();

async function shot(page, name) {
  await page.bringToFront(); // a page behind another one is not laid out anew
  await page.screenshot({ path: path.join(settings.folder, `${name}.png`) });
}

async function open(name) {
  const page = await browser.newPage();
  watch(page, complaints);
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => void sent.push(payload)));
  await page.goto(address);
  await page.fill("#name", name);
  await isConnected(page);
  return page;
}

const stateOf = (page) => page.locator("#pill").getAttribute("data-state");
const isConnected = (page) => until(async () => (await stateOf(page)) === "open", "connected");
const isAway = (page) => until(async () => (await stateOf(page)) !== "open", "disconnected");

/** Click for the next attempt instead of waiting for it. */
const hurry = (page) =>
  until(async () => {
    const state = await stateOf(page);
    if (state === "waiting") await page.locator("#pill").click();
    return state === "open";
  }, "connected by a click");

async function write(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

const bubbles = (page, text) => page.locator(".message", { hasText: text });
const sees = (page, text) =>
  until(async () => (await bubbles(page, text).count()) === 1, `exactly one message "${text}"`);
const isStored = (page, text) =>
  until(
    async () => (await bubbles(page, text).getAttribute("data-fate")) === "stored",
    `a tick behind "${text}"`,
  );
const warnings = (page) => page.locator(".system.warning", { hasText: GONE }).count();

async function saysBothWays(one, other, words) {
  await write(one, `${words} from one`);
  await sees(other, `${words} from one`);
  await write(other, `${words} from the other`);
  await sees(one, `${words} from the other`);
  await sees(one, `${words} from one`);
  await isStored(one, `${words} from one`);
}

async function isNotWiderThanItsWindow(page) {
  const [width, inner] = await page.evaluate(() => {
    const scroller = document.getElementById("scroller");
    const widest = Math.max(document.documentElement.scrollWidth - innerWidth, 0);
    return [widest, scroller.scrollWidth - scroller.clientWidth];
  });
  assert.equal(width, 0);
  assert.equal(inner, 0);
}

step("an empty room");
const mira = await open("Mira");
await mira.locator("#empty").waitFor({ state: "visible" });
const jonas = await open("Jonas");

step("two tabs chat");
await write(mira, "Morning! Is the new build on the staging server?");
await sees(jonas, "Morning!");
assert.equal(await mira.locator("#empty").isVisible(), false);
await write(jonas, "Yes, since five minutes ago.");
await write(jonas, "I pulled the plug on my Wi-Fi twice while it ran, and nothing got lost.");
await sees(mira, "I pulled the plug");
assert.equal(await bubbles(mira, "Morning!").evaluate((node) => node.classList.contains("own")), true);
assert.equal(await bubbles(jonas, "Morning!").evaluate((node) => node.classList.contains("own")), false);
assert.equal(await bubbles(jonas, "Morning!").locator(".sender").textContent(), "Mira");
await isStored(mira, "Morning!");

step("markup is text");
const markup = '<img src=x onerror="window.hit = 1"><script>window.hit = 2</script>';
await mira.fill("#name", "<b onclick=alert(1)>Mira</b>");
await write(mira, markup);
await mira.fill("#name", "Mira");
await sees(jonas, markup);
assert.equal(await bubbles(jonas, markup).locator(".words").textContent(), markup);
assert.equal(await bubbles(jonas, markup).locator(".sender").textContent(), "<b onclick=alert(1)>Mira</b>");
assert.equal(await jonas.evaluate(() => window.hit), undefined);
assert.equal(await jonas.locator("#log img, #log script, #log b").count(), 0);

step("what others publish in another form is shown as text");
await jonas.evaluate(async () => {
  const { connect } = await import("/longwire.js");
  const client = connect("/ws");
  await client.publish("chat/lobby", { text: 7, name: {} });
  await client.publish("chat/lobby", "a bare string");
  await client.publish("chat/lobby", { name: "\u202e\n", text: "y".repeat(5000), author: [], key: 1 });
  client.close();
});
await sees(mira, '{"text":7,"name":{}}');
await sees(mira, '"a bare string"');
await until(async () => (await mira.locator(".message").last().textContent()).includes("…"), "a cut");

step("long words and long messages stay inside, on a phone too");
await write(jonas, "w".repeat(1990));
await until(async () => (await bubbles(mira, "w".repeat(1990)).count()) === 1, "the long word");
await jonas.fill("#text", "");
await jonas.locator("#text").pressSequentially("x");
await jonas.evaluate(() => {
  const field = document.getElementById("text");
  field.focus();
  document.execCommand("insertText", false, "z".repeat(3000));
});
assert.equal(await jonas.inputValue("#text").then((text) => text.length), 2000);
assert.equal(await jonas.locator("#room-left").textContent(), "0 left");
await jonas.fill("#text", "");
await isNotWiderThanItsWindow(mira);
await mira.setViewportSize({ width: 360, height: 700 });
await isNotWiderThanItsWindow(mira);
await shot(mira, "phone");
await mira.setViewportSize({ width: 1000, height: 800 });

step("a room of its own");
await jonas.goto(`${address}#quiet%20corner`);
assert.equal(await jonas.inputValue("#room"), "quiet-corner");
await jonas.locator("#empty").waitFor({ state: "visible" });
await write(mira, "only for the lobby");
await write(jonas, "only for the corner");
await isStored(jonas, "only for the corner");
assert.equal(await bubbles(jonas, "only for the lobby").count(), 0);
await jonas.fill("#room", "lobby");
await jonas.press("#room", "Enter");
await sees(jonas, "only for the lobby");
assert.equal(await bubbles(jonas, "only for the corner").count(), 0);
assert.equal(await bubbles(mira, "only for the corner").count(), 0);

step("history after a reload");
await mira.reload();
await sees(mira, "Morning!");
await sees(mira, "only for the lobby");
assert.equal(await bubbles(mira, "Morning!").evaluate((node) => node.classList.contains("own")), true);

step("the server is killed and started again");
await ask("kill");
await Promise.all([isAway(mira), isAway(jonas)]);
await write(mira, "written while the server was away");
await shot(mira, "away");
await ask("start");
await Promise.all([isConnected(mira), isConnected(jonas)]);
for (const page of [mira, jonas]) {
  await until(async () => (await warnings(page)) === 1, "the page says that history is gone");
  await sees(page, "Morning!");
}
await sees(jonas, "written while the server was away");
await saysBothWays(mira, jonas, "again");

step("the server restarts in order");
await ask("stop");
await Promise.all([isAway(mira), isAway(jonas)]);
await ask("start");
await Promise.all([isConnected(mira), isConnected(jonas)]);
for (const page of [mira, jonas]) await until(async () => (await warnings(page)) === 2, "said again");
await saysBothWays(jonas, mira, "once more");

step("the server dies with a message in flight");
await ask("suspend");
await write(mira, "in doubt");
await until(() => sent.some((text) => text.includes("in doubt")), "sent");
await ask("kill");
await ask("start");
await Promise.all([hurry(mira), hurry(jonas)]);
const trouble = bubbles(mira, "in doubt").locator(".trouble");
await trouble.waitFor();
assert.match(await trouble.textContent(), /may or may not have arrived/);
assert.equal(await bubbles(jonas, "in doubt").count(), 0);
await shot(mira, "doubt");
await trouble.getByText("Send again").click();
await sees(jonas, "in doubt");
await sees(mira, "in doubt");
await isStored(mira, "in doubt");

step("a server that stands still is noticed when the network returns");
await ask("suspend");
await browser.setOffline(true);
await browser.setOffline(false);
await Promise.all([isAway(mira), isAway(jonas)]);
await ask("resume");
await Promise.all([hurry(mira), hurry(jonas)]);
for (const page of [mira, jonas]) {
  await page.locator(".system", { hasText: "Back again. Nothing was missed." }).waitFor();
}
await saysBothWays(mira, jonas, "still here");

step("light and dark");
await shot(jonas, "light");
await jonas.emulateMedia({ colorScheme: "dark" });
await shot(jonas, "dark");

// A browser says itself that a connection failed; nothing else may have been said.
const expected = /WebSocket connection to '[^']*' failed|Failed to load resource: net::ERR_/;
const unexpected = complaints.filter((text) => !expected.test(text));
assert.deepEqual(unexpected, []);
report({ failures: complaints.length });
await browser.close();
finish();
