// Chromium's EventSource on a stream whose server is killed and comes back.
import { address, launch } from "./browser.mjs";
import { ask, finish, report, settings, until } from "./driven.mjs";

const browser = await launch();
const page = await browser.newPage();
await page.goto(address + "healthz");
await page.evaluate(follow, "/streams/news?offset=-1");
await ask("publish");
await until(() => page.evaluate(() => seen.data.length >= 20), "the first events");
await ask("restart");
await ask("publish");
await until(() => page.evaluate(() => seen.data.length >= 40), "the events after the restart");
await ask("close");
await until(() => page.evaluate(() => seen.source.readyState === 2), "the end of a closed stream");
const facts = await page.evaluate(() => ({ ...seen, source: undefined }));
await browser.close();
report(facts);
finish();

/** Runs in the page. */
function follow(url) {
  const source = new EventSource(url);
  globalThis.seen = { source, data: [], ids: [], opens: 0, verdicts: [], gaps: 0, closed: 0 };
  source.onopen = () => { seen.opens += 1; };
  source.onmessage = ({ data, lastEventId }) => {
    seen.data.push(JSON.parse(data));
    seen.ids.push(lastEventId);
  };
  source.addEventListener("subscribed", ({ data }) => seen.verdicts.push(JSON.parse(data)));
  source.addEventListener("gap", () => { seen.gaps += 1; });
  source.addEventListener("closed", () => { seen.closed += 1; });
}
