// The examples of the reference, checked against the published declarations as an ES module sees them.
import { Hornet, type ErrorMessage, type Message, type Token } from "hornet-client";

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
  .on("hornet", "disconnect", ({ reason }) => {
    hornet.token = `token after ${reason}`;
  })
  .on("hornet", "connected", async () => undefined)
  .connect();

const connected: boolean = hornet.connected;
hornet.socket?.emit("anything", connected);
hornet.un("news", "item", (item: NewsItem) => item.title);

new Hornet({ channel: "news" });
new Hornet("https://push.example.com", ["news"], "token");

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
