// The examples of the reference, checked against the published declarations as an ES module sees them.
import {
  Hornet,
  HornetError,
  type Authorize,
  type ErrorMessage,
  type HornetState,
  type Member,
  type Message,
  type Token,
} from "hornet-client";

interface NewsItem extends Message {
  readonly title: string;
}

const fetchToken: Token = async () => (await fetch("/hornet-token")).text();

const hornet = new Hornet({
  uri: "https://push.example.com",
  channels: ["news", "sport"],
  token: fetchToken,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 30_000,
  io: { path: "/push/", transports: ["websocket"], withCredentials: true },
});

hornet
  .on<NewsItem>(["news", "sport"], "item", (item) => item.title.toUpperCase())
  .on("hornet", "error", (error: ErrorMessage) => `${error.error}: ${error.errorMsg}`)
  .on("hornet", "disconnect", ({ reason, error }) => {
    hornet.token = `token after ${reason} ${error}`;
  })
  .onNotification<{ order: number }>("order paid", ({ order }, event) => `${event}: ${order + 1}`)
  .onNotification("*", (payload: unknown) => payload)
  .unNotification("order paid", console.log)
  .on("hornet", "connected", async () => undefined)
  .connect();

const connected: boolean = hornet.connected;
hornet.socket?.emit("anything", connected);
hornet.un("news", "item", (item: NewsItem) => item.title);

new Hornet({ channel: "news", recovery: false, resume: null });
new Hornet("https://push.example.com", ["news"], "token");

const authorize: Authorize = async (channel, connectionId) => {
  const answer = await fetch("/private", { method: "POST", body: JSON.stringify({ channel, connectionId }) });
  return answer.json();
};
const guest = new Hornet({ uri: "https://push.example.com", authorize });
const here: readonly Member[] | undefined = (await guest.subscribe("private-room")).members;
const canonical: string | undefined = (await guest.subscribe({ pattern: { kind: "news", channel: "*" } })).pattern;
await guest.subscribe({ pattern: { kind: "news", year: 2025 }, subset: true }, { token: fetchToken });
guest
  .on<NewsItem>({ pattern: { kind: "news", channel: "*" } }, "*", (item) => item.title)
  .on("hornet", "subscribed", ({ subscription, members }) => `${subscription}: ${members?.length}`);
const sum: number = await guest.command<number>("add", { a: 1, b: 2 });
const anything: unknown = await guest.command("add");
await guest.publish("private-room", "typing");
await guest.publish("private-room", "line", { text: "hi" }, { excludeSelf: true });
const member: Member | undefined = (await guest.presence("private-room"))[0];
const { subscribed } = await guest.unsubscribe("private-room");
const id: string | undefined = guest.id;
const code: string = new HornetError("FORBIDDEN", "no").code;
const state: HornetState = JSON.parse(JSON.stringify(hornet.state()));
const recovered: boolean | undefined = (await guest.subscribe("public-a", { since: state.position })).recovered;
await guest.subscribe("public-b", { rewind: 20 });
new Hornet({ token: fetchToken, resume: state })
  .on("hornet", "gap", ({ channels, patterns, notifications, reason }) => [channels, patterns, notifications, reason])
  .on("hornet", "connected", (message) => message.recovered === true);
[here, canonical, sum, anything, member, subscribed, id, code, recovered].forEach(String);

// @ts-expect-error what a command answers is unknown until it is named
const text: string = await guest.command("add");
// @ts-expect-error the value of a key is text or a number
guest.subscribe({ pattern: { kind: null } });
// @ts-expect-error an authorization has a signature
new Hornet({ authorize: () => ({ presence: "{}" }) });
// @ts-expect-error a token is text
hornet.token = 7;
// @ts-expect-error fields of a message are unknown until a type is named
hornet.on("news", "item", (message) => message.title.toUpperCase());
// @ts-expect-error Hornet reconnects by its own rules
new Hornet({ channel: "news", io: { reconnection: true } });
// @ts-expect-error a handler takes a message
hornet.on("news", "item", (message: string) => message);
// @ts-expect-error no such option
new Hornet({ channels: ["news"], tokens: "one" });
