// Chromium's own WebSocket against /echo.
import { address, launch, watch } from "./browser.mjs";
import { finish, report, settings } from "./driven.mjs";

const complaints = [];
const browser = await launch();
const page = await browser.newPage();
watch(page, complaints);
await page.goto(address);
const facts = await page.evaluate(talk, `ws://127.0.0.1:${settings.port}/echo`);
const talked = complaints.splice(0);
// The same server under another name is another origin; /healthz has no policy of its own.
await page.goto(`http://localhost:${settings.port}/healthz`);
const foreign = await page.evaluate(knock, `ws://127.0.0.1:${settings.port}/ws`);
report({ ...facts, foreign, talked, refused: complaints });
await browser.close();
finish();

/** Runs in the page: say things, compare what comes back, and tell what was seen. */
async function talk(url) {
  const socket = new WebSocket(url, ["chat.v2", "chat.v1"]);
  socket.binaryType = "arraybuffer";
  const next = (name) => new Promise((resolve) => socket.addEventListener(name, resolve, { once: true }));
  await next("open");
  const facts = { protocol: socket.protocol, extensions: socket.extensions };

  const sameText = async (text) => {
    socket.send(text);
    return (await next("message")).data === text;
  };
  const sameBytes = async (bytes) => {
    socket.send(bytes);
    const { data } = await next("message");
    const echoed = new Uint8Array(data);
    return echoed.length === bytes.length && echoed.every((byte, index) => byte === bytes[index]);
  };
  const noise = (length) => {
    const bytes = new Uint8Array(length);
    for (let start = 0; start < length; start += 65_536) {
      crypto.getRandomValues(bytes.subarray(start, start + 65_536));
    }
    return bytes;
  };

  facts.text = await sameText("hello, 世界 𝄞");
  facts.emptyText = await sameText("");
  facts.emptyBytes = await sameBytes(new Uint8Array(0));
  facts.lengths = [];
  for (const length of [1, 125, 126, 127, 65_535, 65_536, 1_000_000, 1 << 20]) {
    const isSame = (await sameBytes(noise(length))) && (await sameText("a€".repeat(length / 4)));
    if (isSame) facts.lengths.push(length);
  }
  const many = Array.from({ length: 500 }, (_, index) => `message ${index}`);
  const echoes = [];
  const all = new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      if (echoes.push(data) === many.length) resolve();
    });
  });
  many.forEach((message) => socket.send(message));
  await all;
  facts.order = echoes.every((echo, index) => echo === many[index]);

  socket.close(3456, "done, 再见");
  const { code, reason, wasClean } = await next("close");
  return { ...facts, close: { code, reason, wasClean } };
}

/** Runs in a page of another origin: try to connect, and tell how it ended. */
async function knock(url) {
  const socket = new WebSocket(url, "longwire.v1.json");
  return new Promise((resolve) => {
    socket.addEventListener("open", () => resolve("open"));
    socket.addEventListener("close", ({ code }) => resolve(code));
  });
}
