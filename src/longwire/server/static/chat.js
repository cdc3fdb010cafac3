// The demo chat: one room is one stream, `chat/` and the name behind the # in the address.
// Everything that others wrote reaches the page as text, never as markup.
import { connect } from "/longwire.js";

const HISTORY_MESSAGES = 50;
const SHOWN_MAX = 500;
const TEXT_MAX = 2000;
const NAME_MAX = 40;

const element = (id) => document.getElementById(id);
const [log, pending, scroller, empty, newer] = ["log", "pending", "scroller", "empty", "newer"].map(
  element,
);
const [pill, pillText, spokenState] = ["pill", "pill-text", "spoken-state"].map(element);
const [roomField, nameField, textField, counter] = ["room", "name", "text", "room-left"].map(element);

// --- who is writing: each tab is somebody of its own ---

const ADJECTIVES = "Amber Brisk Calm Clever Early Gentle Happy Lucky Quiet Quick Silver Sunny".split(" ");
const ANIMALS = "Badger Crane Falcon Fox Heron Lynx Marten Otter Owl Robin Seal Wren".split(" ");

const pick = (words) => words[Math.floor(Math.random() * words.length)];
const randomId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

function remembered(key, make) {
  try {
    const value = sessionStorage.getItem(key) ?? make();
    sessionStorage.setItem(key, value);
    return value;
  } catch {
    return make(); // storage is forbidden here: a reload makes somebody else
  }
}

const me = remembered("longwire-chat-id", randomId);
nameField.value = remembered("longwire-chat-name", () => `${pick(ADJECTIVES)} ${pick(ANIMALS)}`);

nameField.addEventListener("change", () => {
  nameField.value = cleanName(nameField.value) || `${pick(ADJECTIVES)} ${pick(ANIMALS)}`;
  try {
    sessionStorage.setItem("longwire-chat-name", nameField.value);
  } catch {
    // forbidden, as above
  }
});

/** One line without control and direction characters, at most as long as names are. */
function cleanName(value) {
  const line = String(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, " ").trim();
  return [...line].slice(0, NAME_MAX).join("");
}

// --- what a message looks like ---

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** What can be shown of an entry: anybody may have published anything. */
function read({ data, time }) {
  const isObject = typeof data === "object" && data !== null;
  if (isObject && typeof data.text === "string") {
    return {
      author: typeof data.author === "string" ? data.author : "",
      key: typeof data.key === "string" ? data.key : "",
      name: (typeof data.name === "string" && cleanName(data.name)) || "Somebody",
      text: shorten(data.text),
      time,
    };
  }
  const text = data instanceof Uint8Array ? `${data.length} bytes` : JSON.stringify(data);
  return { author: "", key: "", name: "Somebody", text: shorten(text), time, isStrange: true };
}

function shorten(text) {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`;
}

function hueOf(author) {
  let sum = 0;
  for (const character of author) sum = (sum * 31 + character.codePointAt(0)) % 8191;
  return sum % 8;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const FATES = {
  sending: ["◦", "on its way"],
  stored: ["✓", "stored by the server"],
  failed: ["!", "not confirmed"],
};

function makeMessage(message, fate) {
  const item = make("li", "message");
  const face = make("span", "face", [...message.name][0].toUpperCase());
  face.dataset.hue = hueOf(message.author || message.name);
  face.setAttribute("aria-hidden", "true");
  const bubble = make("div", "bubble");
  const meta = make("span", "meta");
  const when = make("time", "", clock.format(message.time));
  when.dateTime = new Date(message.time).toISOString();
  when.title = moment.format(message.time);
  meta.append(when);
  bubble.append(make("span", message.isStrange ? "words strange" : "words", message.text), meta);
  const body = make("div", "body");
  body.append(make("p", "sender", message.name), bubble);
  item.append(face, body);
  item.dataset.author = message.author;
  item.dataset.time = message.time;
  if (message.author === me) {
    item.classList.add("own");
    meta.append(make("span", "tick"));
    setFate(item, fate ?? "stored");
  }
  return item;
}

function setFate(item, fate, detail) {
  const [sign, meaning] = FATES[fate];
  const tick = item.querySelector(".tick");
  item.dataset.fate = fate;
  tick.textContent = sign;
  tick.title = detail ?? meaning;
  tick.setAttribute("role", "img");
  tick.setAttribute("aria-label", meaning);
}

// --- the list ---

const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;

function scrollToEnd() {
  scroller.scrollTop = scroller.scrollHeight;
}

/** Change the list and keep its end in view, unless the reader has scrolled away from it. */
function change(list, { own = false } = {}) {
  const wasAtEnd = isAtEnd();
  list();
  while (log.childElementCount > SHOWN_MAX) log.firstElementChild.remove();
  empty.hidden = !isLoaded || log.childElementCount + pending.childElementCount > 0;
  if (wasAtEnd || own) scrollToEnd();
  else newer.hidden = false;
}

const dayOf = (time) => new Date(Number(time)).toDateString();

function append(item) {
  const previous = log.lastElementChild;
  const { author, time } = item.dataset;
  if (time !== undefined && dayOf(time) !== lastDay) {
    lastDay = dayOf(time);
    if (lastDay !== dayOf(Date.now()) || previous) {
      log.append(make("li", "day", calendar.format(Number(time))));
    }
  } else if (time !== undefined && previous?.dataset.author === author && author !== "") {
    const isSoon = Number(time) - Number(previous.dataset.time) < 5 * 60_000;
    item.classList.toggle("follows", isSoon);
  }
  log.append(item);
}

function say(text, isWarning = false) {
  change(() => append(make("li", isWarning ? "system warning" : "system", text)));
}

scroller.addEventListener("scroll", () => {
  if (isAtEnd()) newer.hidden = true;
});
newer.addEventListener("click", () => {
  newer.hidden = true;
  scrollToEnd();
});
// A keyboard that slides in, or a growing text field, must not hide the last message.
let wasAtEnd = true;
scroller.addEventListener("scroll", () => (wasAtEnd = isAtEnd()), { passive: true });
new ResizeObserver(() => wasAtEnd && scrollToEnd()).observe(scroller);

// --- the room ---

const client = connect("/ws");
let room = "";
let subscription;
let isLoaded = false;
let lastDay = "";
let unread = 0;

/** A room's name as the address gives it, made one segment of a stream's name. */
function roomInAddress() {
  let name = location.hash.slice(1);
  try {
    name = decodeURIComponent(name);
  } catch {
    // not encoded: taken as it stands
  }
  name = cleanName(name.replace(/[/*#]/g, " ")).replace(/\s+/g, "-");
  return /^\.{0,2}$/.test(name) ? "lobby" : name;
}

function enter() {
  const name = roomInAddress();
  roomField.value = name;
  if (name === room) return;
  room = name;
  unread = 0;
  showTitle();
  subscription?.unsubscribe();
  log.replaceChildren();
  pending.replaceChildren();
  isLoaded = false;
  lastDay = "";
  empty.hidden = true;
  const current = client.subscribe(streamOf(room), { start: { last: HISTORY_MESSAGES } }, receive);
  subscription = current;
  const show = () => {
    if (subscription !== current) return;
    isLoaded = true;
    change(() => undefined, { own: true });
  };
  current.ready.then(show, () => undefined);
}

const streamOf = (name) => `chat/${name}`;

function receive(entry) {
  const message = read(entry);
  const isOwn = message.author === me;
  change(() => {
    const waiting = isOwn && [...pending.children].find(({ dataset }) => dataset.key === message.key);
    if (waiting) waiting.remove();
    append(makeMessage(message));
  });
  if (document.hidden && !isOwn) {
    unread += 1;
    showTitle();
  }
}

function showTitle() {
  document.title = `${unread ? `(${unread}) ` : ""}#${room} · longwire`;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  showTitle();
});
addEventListener("hashchange", enter);
roomField.addEventListener("change", () => (location.hash = encodeURIComponent(roomField.value)));
element("room-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = encodeURIComponent(roomField.value);
  textField.focus();
});

// --- writing ---

const composer = element("composer");

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = textField.value.trim();
  if (!text) return;
  send({ author: me, key: randomId(), name: cleanName(nameField.value) || "Somebody", text });
  textField.value = "";
  showCounter();
  textField.focus();
});

textField.addEventListener("keydown", (event) => {
  // Enter that ends the input of a Chinese or Japanese word sends nothing.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});
textField.addEventListener("input", showCounter);

function showCounter() {
  const left = TEXT_MAX - textField.value.length;
  counter.hidden = left > 200;
  counter.textContent = `${left} left`;
}

function send(data) {
  const item = makeMessage({ ...data, time: Date.now() }, "sending");
  item.dataset.key = data.key;
  change(() => pending.append(item), { own: true });
  client.publish(streamOf(room), data).then(
    ({ durability }) => setFate(item, "stored", `stored by the server (${durability})`),
    (error) => change(() => showFailure(item, data, error)),
  );
}

function showFailure(item, data, error) {
  setFate(item, "failed", error.message);
  const isUnknown = error.outcome === "unknown";
  const sentence = isUnknown
    ? "The server was gone before it confirmed this: it may or may not have arrived."
    : `Not sent: ${error.message}`;
  const trouble = make("p", "trouble", sentence);
  const again = make("button", "", "Send again");
  const discard = make("button", "", "Discard");
  for (const button of [again, discard]) {
    button.type = "button";
    button.addEventListener("click", () => change(() => item.remove()));
    trouble.append(button);
  }
  again.addEventListener("click", () => send(data));
  item.querySelector(".body").append(trouble);
}

// --- what happens to the connection ---

let retryAtMs = 0;
let countdown;

function showState({ state, retryInMs, reason }) {
  clearInterval(countdown);
  pill.dataset.state = state;
  pill.title = reason ? `Last interruption: ${reason}` : "Connection to the server";
  if (state === "waiting") {
    retryAtMs = Date.now() + retryInMs;
    pill.title = `${reason}. Click to try again now.`;
    countdown = setInterval(showCountdown, 250);
    showCountdown();
    spokenState.textContent = "Connection lost, trying again by itself.";
    return;
  }
  const text = { connecting: "Connecting…", open: "Connected", closed: "Disconnected" }[state];
  pillText.textContent = text;
  if (state !== "connecting") spokenState.textContent = text;
}

function showCountdown() {
  const seconds = Math.max(0, Math.ceil((retryAtMs - Date.now()) / 1000));
  pillText.textContent = seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting…";
}

pill.addEventListener("click", () => client.wake());

const GAPS = {
  epoch:
    "The server was restarted and its memory store is empty: earlier messages are gone from it; " +
    "what you see above is only what this tab remembers.",
  trimmed: "Some messages are missing here: the server dropped them before this tab came back.",
  diverged: "The server went back to an older copy: some messages above are gone from it.",
  ahead: "The server went back to an older copy: some messages above are gone from it.",
};

client.on("state", (event) => {
  showState(event);
  if (event.state === "closed") say("Disconnected for good. Reload the page to try again.", true);
});
client.on("recovered", ({ missed }) => {
  if (missed === 0) say("Back again. Nothing was missed.");
  else say(`Back again. ${missed === 1 ? "One message" : `${missed} messages`} came in meanwhile:`);
});
client.on("gap", ({ reason }) => {
  // What was acknowledged in the life before will not be delivered any more.
  change(() => {
    for (const item of pending.querySelectorAll('[data-fate="stored"]')) append(item);
  });
  say(GAPS[reason] ?? `Some messages are missing here (${reason}).`, true);
});
client.on("error", (error) => {
  // A publish that failed is told beside its message; these are about the room or the connection.
  say(error.message, true);
});

enter();
textField.focus();
