// Chromium with a fresh profile, and pages whose complaints are kept.
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { need, settings } from "./driven.mjs";

const { chromium } = need("playwright-core");

export const address = `http://127.0.0.1:${settings.port}/`;

const profile = path.join(settings.folder, "profile");

export async function launch({ args = [], ...more } = {}) {
  return chromium.launchPersistentContext(profile, {
    executablePath: settings.chromium,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", ...args],
    viewport: { width: 1000, height: 800 },
    ...more,
  });
}

/** What the console of a page and the page itself complained about. */
export function watch(page, complaints) {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
}

/** The processes of the browser that this script launched, of one type: "browser", "renderer" … */
export function processesOf(type) {
  const found = readdirSync("/proc").flatMap(readProcess);
  const ours = new Set(
    found.filter(({ words }) => words.includes(`--user-data-dir=${profile}`)).map(({ pid }) => pid),
  );
  for (let size = 0; size < ours.size; ) {
    size = ours.size;
    for (const { pid, parent } of found) if (ours.has(parent)) ours.add(pid);
  }
  const typeOf = ({ words }) => words.find((word) => word.startsWith("--type="))?.slice(7) ?? "browser";
  return found.filter((each) => ours.has(each.pid) && typeOf(each) === type).map(({ pid }) => pid);
}

function readProcess(name) {
  if (!/^\d+$/.test(name)) return [];
  try {
    const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split(/[\0 ]/);
    const [, parent] = readFileSync(`/proc/${name}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
    return [{ pid: Number(name), parent: Number(parent), words }];
  } catch {
    return []; // it has ended meanwhile
  }
}
