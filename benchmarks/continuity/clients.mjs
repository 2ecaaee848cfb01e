// Stock Socket.IO clients that recover their sessions.    node clients.mjs FOLDER MODULE BALANCER TOKENS
// Reads one line, a JSON list of {client, channels, transports, delivery}. Prints lists of what happened, as JSON.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, module, balancer, tokens] = process.argv.slice(2);
const { io } = createRequire(`${folder}/`)(module);
const PRINT_EVERY_MS = 50;
const RETRY_MS = 200;

let happened = [];
const note = (...what) => happened.push(what);
setInterval(() => {
  if (!happened.length) return;
  process.stdout.write(`${JSON.stringify(happened)}\n`);
  happened = [];
}, PRINT_EVERY_MS);

async function fetchToken(channels) {
  for (;;) {
    try {
      const response = await fetch(`${tokens}/?channels=${channels.join(",")}`);
      if (response.ok) return await response.text();
    } catch {}
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function open({ client, channels, transports, delivery }) {
  let token = null;
  const socket = io(balancer, {
    forceNew: true,
    transports,
    query: { client },
    reconnectionDelay: 50,
    reconnectionDelayMax: 500,
    timeout: 5000,
    auth: async (answer) => {
      token ??= await fetchToken(channels);
      answer({ token, channels, recover: true, positions: true, delivery });
    },
  });
  const startAgain = (why) => {
    note("again", client, why);
    token = null; // used up, or lost
    socket.disconnect();
    setTimeout(() => socket.connect(), RETRY_MS);
  };
  let answered;
  socket.on("connect", () => {
    note("connect", client, Boolean(socket.recovered), Boolean(socket._pid));
    clearTimeout(answered);
    answered = setTimeout(() => startAgain("no answer"), 10_000);
  });
  socket.on("disconnect", (reason) => {
    note("disconnect", client, reason);
    clearTimeout(answered);
    if (reason === "io server disconnect") startAgain(reason);
  });
  socket.onAny((event, argument) => {
    const message = typeof argument === "string" ? JSON.parse(argument) : argument;
    const type = message?.type ?? event;
    if (type === "number") note("number", client, message.channel, message.number ?? message.message?.number);
    else if (type === "connected") clearTimeout(answered), note("in", client);
    else if (type === "gap") note("gap", client, message.channels ?? null, message.reason ?? "");
    else if (type === "error") startAgain(message.error);
    else note("other", client, type);
  });
}

createInterface({ input: process.stdin })
  .on("line", (line) => JSON.parse(line).forEach(open))
  .on("close", () => process.exit(0));
