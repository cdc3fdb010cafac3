// Pages of the server's own origin, of one that it allows and of one that it does not, over each transport.
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";
import { finish, report, settings, step, until } from "./driven.mjs";

const browser = await launch();
await browser.addCookies([
  { name: "longwire_token", value: "ann", url: settings.server, httpOnly: true, sameSite: "Lax" },
]);

/** A page of that origin, with a function that makes a client of the server. */
async function open(origin) {
  const page = await browser.newPage();
  await page.goto(`${origin}/healthz`);
  await page.evaluate(async (server) => {
    const { connect } = await import("/longwire.js");
    window.errors = [];
    window.start = (options) => {
      window.client?.close();
      window.states = [];
      window.client = connect(`${server}/ws`, { retryFirstMs: 50, retryMaxMs: 100, ...options });
      client.on("state", ({ state }) => states.push(state));
      client.on("error", ({ code }) => errors.push(code));
    };
  }, settings.server);
  return page;
}

const tea = (page, options) =>
  page.evaluate(async (options) => {
    start(options);
    return client.call("tea.make", { kind: "mint" });
  }, options);

/** What a subscriber gets of what it publishes. */
const echo = (page, stream) =>
  page.evaluate(async (stream) => {
    const got = [];
    const subscription = client.subscribe(stream, ({ data }) => void got.push(data));
    await subscription.ready;
    await Promise.all([1, 2, 3].map((number) => client.publish(stream, number)));
    while (got.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
    return got;
  }, stream);

const own = await open(settings.server);
const allowed = await open(settings.allowed);
const foreign = await open(settings.foreign);
for (const transport of ["websocket", "sse", "long-poll"]) {
  const transports = [transport];
  for (const [name, page] of Object.entries({ own, allowed })) {
    step(`${transport}, a page of an origin that is ${name}: by its cookie, and by a token`);
    assert.equal(await tea(page, { transports }), "mint for ann");
    assert.equal(await page.evaluate(() => client.transport), transport);
    assert.deepEqual(await echo(page, `${name}/${transport}`), [1, 2, 3]);
    assert.equal(await tea(page, { transports, token: "bob" }), "mint for bob");
    assert.deepEqual(await page.evaluate(() => errors), []);
  }
  step(`${transport}, a page of a foreign origin: not at all`);
  await foreign.evaluate((transports) => start({ transports }), transports);
  await until(() => foreign.evaluate(() => states.filter((state) => state === "waiting").length > 2), "refused");
  assert.ok(!(await foreign.evaluate(() => states.includes("open"))));
}
await browser.close();
report({});
finish();
