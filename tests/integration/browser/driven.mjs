// The other end of driving.py: what a script was told, and how it says where it is.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import path from "node:path";

export const settings = JSON.parse(process.argv[2]);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

export const step = (text) => write({ step: text });
export const report = (facts) => write({ report: facts });

/** Have the test that started this script do something, and wait for it. */
export async function ask(action) {
  write({ ask: action });
  await lines.next();
}

/** End well: an open standard input would keep the process. */
export function finish() {
  process.exit(0);
}

/** A package of tests/node. */
export const need = createRequire(path.join(settings.node, "package.json"));

/** Wait until `check` returns something true, and return that. */
export async function until(check, what, timeoutMs = 60_000) {
  const giveUpMs = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > giveUpMs) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
