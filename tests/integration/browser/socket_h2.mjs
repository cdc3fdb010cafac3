// Chromium's WebSocket over the HTTP/2 connection that its page came on (RFC 8441), and longwire.js
// over plain requests on it.
import { readFileSync } from "node:fs";
import path from "node:path";
import { address, launch } from "./browser.mjs";
import { finish, report, settings } from "./driven.mjs";

const log = path.join(settings.folder, "net-log.json");
const browser = await launch({
  args: [`--log-net-log=${log}`, "--net-log-capture-mode=Everything"],
  ignoreHTTPSErrors: true,
});
const page = await browser.newPage();
const secure = address.replace("http:", "https:");
const answer = await page.goto(secure + "healthz");
const facts = await page.evaluate(talk, secure.replace("https:", "wss:") + "echo");
const protocol = await page.evaluate(
  () => performance.getEntriesByType("navigation")[0].nextHopProtocol,
);
const plain = await page.evaluate(publishOver, ["sse", "long-poll"]);
await browser.close();
const text = readFileSync(log, "utf8");
report({
  ...facts,
  protocol,
  plain,
  status: answer.status(),
  // What the browser says that it sent, and that it never asked for an upgrade.
  overStream: text.includes(":protocol: websocket"),
  upgrades: (text.match(/Upgrade: websocket/g) ?? []).length,
});
finish();

/** Runs in the page: publish and read over each transport; also by which protocol that went. */
async function publishOver(transports) {
  const { connect } = await import("/longwire.js");
  const read = [];
  for (const transport of transports) {
    const client = connect("/ws", { transports: [transport] });
    const message = new Promise((resolve) => {
      client.subscribe(`plain/${transport}`, { start: "earliest" }, ({ data }) => resolve(data));
    });
    await client.publish(`plain/${transport}`, transport);
    read.push(await message);
    client.close();
  }
  const requests = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/ws"));
  return { read, protocols: [...new Set(requests.map(({ nextHopProtocol }) => nextHopProtocol))] };
}

/** Runs in the page: say things and compare what comes back. */
async function talk(url) {
  const socket = new WebSocket(url, ["chat"]);
  socket.binaryType = "arraybuffer";
  const next = (name) => new Promise((resolve) => socket.addEventListener(name, resolve, { once: true }));
  await next("open");
  const same = async (message) => {
    socket.send(message);
    const { data } = await next("message");
    return typeof message === "string" ? data === message : data.byteLength === message.length;
  };
  const all = [];
  for (const size of [0, 1, 125, 126, 65_536, 1_000_000]) {
    all.push(await same("x".repeat(size)), await same(new Uint8Array(size)));
  }
  const facts = { same: all.every(Boolean), subprotocol: socket.protocol, extensions: socket.extensions };
  socket.close(3456, "done");
  const { code, reason, wasClean } = await next("close");
  return { ...facts, close: { code, reason, wasClean } };
}
