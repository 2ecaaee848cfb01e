// The try-it page: listens to the channel "demo" with hornet.js, as any page would, and shows what it hears.
"use strict";

const CHANNEL = "demo";
const MAX_SHOWN = 200;
const MAX_BODY_CHARS = 2000;
const ONE_LINE_CHARS = 60;
/** Messages closer together than this just appear: a list that never stops moving can't be read. */
const CALM_MS = 300;

/** The folder of this page: "/", or another one where a proxy serves Hornet under a path. */
const BASE = new URL(".", document.baseURI);

const element = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// --- The connection ---------------------------------------------------------------------------------

const TRANSPORTS = { websocket: "over WebSocket", polling: "over HTTP polling" };

/** The server forgets a token once it is used, so each attempt to connect asks for a fresh one. */
async function fetchToken() {
  const answer = await fetch("demo/token", { method: "POST" });
  if (!answer.ok) throw new Error(`no token: the server answered ${answer.status}`);
  return (await answer.json()).token;
}

/** The path of Socket.IO, as the browser sees it. A proxy may take the page's folder off, or pass it on. */
function socketPath() {
  const path = document.documentElement.dataset.path;
  return BASE.pathname !== "/" && path.startsWith(BASE.pathname) ? path : BASE.pathname + path.slice(1);
}

function listen() {
  if (typeof Hornet === "undefined") return showState("hornet.js is missing from this installation", "broken");
  const hornet = new Hornet({ channel: CHANNEL, token: fetchToken, io: { path: socketPath() } });
  let waiting = "connecting…";

  hornet.on("hornet", "connected", () => {
    waiting = "reconnecting…";
    showState("connected", "up");
    showTransport(hornet.socket.io.engine);
    // hornet.on() names one type; this page shows every type, so it reads the Socket.IO event itself.
    hornet.socket.off("message", receive).on("message", receive);
  });
  hornet.on("hornet", "disconnect", () => showState(waiting, "down"));
  hornet.on("hornet", "error", () => hornet.connected || showState(waiting, "down"));
  hornet.connect();
}

function receive(text) {
  const message = JSON.parse(text);
  if (message.channel === CHANNEL) showMessage(message);
}

function showState(text, state) {
  if (element("status").textContent === text) return; // else a screen reader says it at each attempt
  element("status").textContent = text;
  document.documentElement.dataset.state = state;
}

function showTransport(engine) {
  const show = (transport) => (element("transport").textContent = TRANSPORTS[transport.name] ?? "");
  show(engine.transport);
  engine.on("upgrade", show);
}

// --- The messages -----------------------------------------------------------------------------------

const messages = element("messages");
let received = 0;
let lastArrival = -Infinity;

/** Adds the message on top. All of it is text: whatever a stranger publishes can't become markup. */
function showMessage({ type, channel, ...body }) {
  const item = create("li", "", [
    create("span", "type", [type]),
    showTime(new Date()),
    create("pre", "", [create("code", "", paintJson(format(body)))]),
  ]);
  messages.prepend(item);
  if (messages.childElementCount > MAX_SHOWN) messages.lastElementChild.remove();
  received += 1;
  element("empty").hidden = true;
  element("count").textContent = received === 1 ? "1 message" : `${received.toLocaleString("en")} messages`;
  moveIn(item);
  reportOwn(type, body);
}

function showTime(now) {
  const time = create("time", "", [now.toLocaleTimeString("en-GB")]);
  time.dateTime = now.toISOString();
  return time;
}

/** JSON in one line where it is short, indented where it is not, cut where it is endless. */
function format(body) {
  const text = JSON.stringify(body, null, 2);
  const line = text.replace(/\n */g, " ");
  if (line.length <= ONE_LINE_CHARS) return line;
  return text.length <= MAX_BODY_CHARS ? text : `${text.slice(0, MAX_BODY_CHARS)}\n… and so on`;
}

/** The JSON text in pieces: names, strings and other values each in an element of their own. */
function paintJson(text) {
  const pieces = [];
  let end = 0;
  for (const found of text.matchAll(/("(?:[^"\\]|\\.)*")(?=(:)?)|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g)) {
    const kind = found[2] ? "name" : found[1] ? "string" : "value";
    pieces.push(text.slice(end, found.index), create("span", kind, [found[0]]));
    end = found.index + found[0].length;
  }
  return [...pieces, text.slice(end)];
}

function create(name, className, children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Older messages give way to the new one, and a spark runs along the road it came. */
function moveIn(item) {
  const now = performance.now();
  const isCrowded = now - lastArrival < CALM_MS;
  lastArrival = now;
  if (calm.matches || isCrowded) return;
  item.classList.add("fresh");
  if (element("log").scrollTop === 0) {
    const from = { transform: `translateY(${-item.offsetHeight}px)` };
    messages.animate([from, { transform: "none" }], { duration: CALM_MS, easing: "ease-out" });
  }
  document.querySelectorAll(".road li").forEach((step, index) => {
    const glow = [{}, { borderColor: "var(--amber)", offset: 0.3 }, {}];
    step.animate(glow, { duration: 700, delay: index * 90, easing: "ease-out" });
  });
}

// --- The form ---------------------------------------------------------------------------------------

const KIND_ANSWERS = {
  400: "That text can’t be published. Try another one.",
  413: "That text is too long. Try a shorter one.",
  429: "That was quick! Five messages a second is all this page sends. Try again in a moment.",
  503: "Redis does not answer at the moment. Your text is still here: try again shortly.",
};

/** The text on its way, to tell how long it took from here through Redis and back. */
let own = null;

async function publish(event) {
  event.preventDefault();
  const text = element("text").value;
  own = { text, since: performance.now() };
  let status = 0;
  try {
    const headers = { "Content-Type": "application/json" };
    status = (await fetch("demo/publish", { method: "POST", headers, body: JSON.stringify({ text }) })).status;
  } catch {
    // Nobody answered: status stays 0.
  }
  if (status === 202) {
    if (element("text").value === text) element("text").value = "";
    return;
  }
  own = null;
  say(KIND_ANSWERS[status] ?? "Hornet did not answer. Your text is still here: try again shortly.", true);
}

function reportOwn(type, body) {
  if (own === null || type !== "hello" || body.text !== own.text) return;
  const tookMs = Math.max(1, Math.round(performance.now() - own.since));
  own = null;
  say(`Through Redis and back to this page in ${tookMs} ms.`, false);
}

function say(text, isRefusal) {
  element("answer").textContent = text;
  element("answer").classList.toggle("refusal", isRefusal);
}

// --- The snippets -----------------------------------------------------------------------------------

function addCopyButton(figure) {
  const code = figure.querySelector("code");
  const button = create("button", "copy", ["Copy"]);
  button.type = "button";
  button.setAttribute("aria-label", `Copy: ${figure.querySelector("figcaption").textContent}`);
  const said = create("span", "said", []);
  said.setAttribute("role", "status");
  let timer;
  button.addEventListener("click", async () => {
    said.textContent = (await copy(code)) ? "Copied" : "Selected, now copy it";
    clearTimeout(timer);
    timer = setTimeout(() => (said.textContent = ""), 2000);
  });
  figure.querySelector("figcaption").append(said, button);
}

/** True when the text of `code` is in the clipboard; else it is selected, for the visitor to copy. */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    // Over plain http there is no navigator.clipboard: copy the selection, the old way.
  }
  const selection = getSelection();
  selection.selectAllChildren(code);
  if (!document.execCommand("copy")) return false;
  selection.removeAllRanges();
  return true;
}

function fillIn(name, text) {
  for (const place of document.querySelectorAll(`[data-${name}]`)) place.textContent = text;
}

fillIn("origin", location.origin);
fillIn("base", location.origin + BASE.pathname.slice(0, -1));
fillIn("own-path", socketPath());
for (const place of document.querySelectorAll("[data-io]")) place.hidden = socketPath() === "/socket.io/";
document.querySelectorAll("figure").forEach(addCopyButton);
element("form").addEventListener("submit", publish);
listen();
