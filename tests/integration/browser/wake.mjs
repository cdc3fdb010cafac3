// An open socket is not trusted when the network is back or the machine slept. (Without a screen
// no tab is hidden or frozen: js/test/wake.test.mjs has those events.)
import assert from "node:assert/strict";
import { address, launch, processesOf } from "./browser.mjs";
import { ask, finish, report, step, until } from "./driven.mjs";

const browser = await launch();
const tab = await browser.newPage();
await tab.goto(`${address}healthz`);
await tab.evaluate(async () => {
  const { connect } = await import("/longwire.js");
  window.client = connect("/ws", { retryFirstMs: 50, retryMaxMs: 200 });
  window.endings = [];
  client.on("state", ({ previous, reason }) => {
    if (previous === "open") endings.push(reason);
  });
});
const isOpen = () => tab.evaluate(() => client.state === "open");
const endings = () => tab.evaluate(() => window.endings);
await until(isOpen, "open");

/** Let `wake` happen in the tab while the server stands still. */
async function check(wake, withinMs) {
  const before = (await endings()).length;
  await ask("suspend");
  await wake();
  const startedMs = Date.now();
  await until(async () => (await endings()).length > before, "noticed", withinMs);
  const tookMs = Date.now() - startedMs;
  assert.equal((await endings()).at(-1), "no sign of life within 2 s");
  await ask("resume");
  await until(isOpen, "open again");
  return tookMs;
}

async function flicker() {
  await tab.context().setOffline(true);
  await tab.context().setOffline(false);
}

step("the network was away and is back, and the server answers");
await flicker();
await new Promise((resolve) => setTimeout(resolve, 2500));
assert.deepEqual(await endings(), []);

step("the network was away and is back, and the server does not answer");
const online = await check(flicker, 20_000);

step("the machine slept");
const slept = await check(async () => {
  const sleeping = processesOf("renderer");
  assert.ok(sleeping.length > 0);
  for (const pid of sleeping) process.kill(pid, "SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  for (const pid of sleeping) process.kill(pid, "SIGCONT");
}, 20_000);
await browser.close();
report({ online, slept });
finish();
