// Chromium with a fresh profile, and pages whose complaints are kept.
import path from "node:path";
import { need, settings } from "./driven.mjs";

const { chromium } = need("playwright-core");

export const address = `http://127.0.0.1:${settings.port}/`;

export async function launch({ args = [], ...more } = {}) {
  return chromium.launchPersistentContext(path.join(settings.folder, "profile"), {
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
