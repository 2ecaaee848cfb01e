import { io, type Socket } from "socket.io-client";
import { Backoff } from "./backoff.js";
import { Handlers, type Handler } from "./handlers.js";
import {
  CONTROL_CHANNEL,
  parseMessage,
  type ConnectedMessage,
  type DisconnectMessage,
  type ErrorMessage,
  type Message,
  type SubscribedMessage,
} from "./messages.js";
import { asList, readOptions, type HornetOptions, type Settings, type Token } from "./options.js";
import { matchesTopic, type PatternSubscription } from "./patterns.js";
import { HornetError, Requests, type Fields } from "./requests.js";
import {
  describe,
  nameOf,
  Subscriptions,
  type Host,
  type Member,
  type Subscribed,
  type SubscribeOptions,
} from "./subscriptions.js";

/** After one of these the same token would be refused again. The socket stays open. */
const REFUSALS: ReadonlySet<unknown> = new Set(["INVALID_TOKEN", "WRONG_TOKEN_ASSOCIATION", "WRONG_PARAMETERS"]);

/** The server could not check the token. Its answer to the same token may be another next time. */
const UNAVAILABLE = "UNAVAILABLE";

/** The server sends this before it closes a session for good. */
const REVOKED = "TOKEN_REVOKED";

/**
 * What the client does now, and what it waits for.
 *
 *     stopped ──connect()──▶ asking ──a token──▶ active     (the socket opens, or is open)
 *                              ▲                   │ no connection, refusal, socket gone
 *                              └───── waiting ◀────┤ there is a token worth trying
 *                                        ▲         ▼ the only token was refused or revoked
 *                                        └───── starved     (until the page sets a token)
 *
 * `disconnect()` leads from anywhere to stopped. Only a token function makes `asking` last.
 */
type Phase = "stopped" | "asking" | "active" | "waiting" | "starved";

/**
 * One connection to Hornet, kept open until `disconnect()`.
 *
 * At most one socket and one pending attempt exist at any time, however often `connect()` is called.
 */
export class Hornet {
  readonly uri: string | undefined;
  /** The channels asked for at the next connection. */
  channels: string[];
  /** The Socket.IO socket, the same one over all reconnections; `null` before the first `connect()`. */
  socket: Socket | null = null;
  /** True from the server's `connected` (without token and channels: from the open socket) until the socket is gone. */
  connected = false;

  private readonly settings: Settings;
  private readonly handlers = new Handlers(reportError);
  private readonly patternHandlers = new Handlers(reportError);
  private readonly requests = new Requests();
  private readonly subscriptions: Subscriptions;
  private readonly backoff: Backoff;
  private phase: Phase = "stopped";
  private currentToken: Token | undefined;
  /** `currentToken` as it was when credentials were last sent. */
  private presentedToken: Token | undefined;
  /** `currentToken` was refused or revoked. A token function can still have another. */
  private tokenSpent = false;
  /** What the token function answered for the attempt in progress. Used once. */
  private fetchedToken: string | undefined;
  /** Counts attempts, so that a late answer of a token function is not taken for a newer one. */
  private attempts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: HornetOptions);
  /** @deprecated Pass an object: `new Hornet({ uri, channels, token })`. */
  constructor(uri: string | undefined, channels: string | readonly string[], token?: Token);
  constructor(first: HornetOptions | string | undefined, channels?: string | readonly string[], token?: Token) {
    let options: HornetOptions;
    if (typeof first === "object" && first !== null) {
      options = first;
    } else {
      warn("new Hornet(uri, channels, token) is deprecated, use new Hornet({ uri, channels, token })");
      options = { uri: first, channels, token };
    }
    this.settings = readOptions(options);
    this.uri = this.settings.uri;
    this.channels = this.settings.channels;
    this.currentToken = this.settings.token;
    const { firstDelayMs, maxDelayMs } = this.settings;
    this.backoff = new Backoff(firstDelayMs, maxDelayMs);
    this.subscriptions = new Subscriptions(this.host(), firstDelayMs, maxDelayMs);
    if (this.channels.length === 0 && this.currentToken !== undefined) warn("no channel given: the server will refuse the token");
  }

  /** The id of the connection, which `authorize` is given and backends sign; `undefined` while there is none. */
  get id(): string | undefined {
    return this.socket?.id;
  }

  get token(): Token | undefined {
    return this.currentToken;
  }

  /** Used at the next attempt. If the client only waits for a new token, that attempt is due now. */
  set token(token: Token | undefined) {
    if (token === this.currentToken) return;
    this.currentToken = token;
    this.fetchedToken = undefined;
    this.tokenSpent = false;
    if (this.phase === "asking") this.attempt();
    if (this.phase === "starved") this.retry();
  }

  /** Connects and stays connected. Changes nothing if a connection or an attempt exists. */
  connect(): this {
    if (this.phase === "stopped") {
      this.tokenSpent = false;
      this.backoff.reset();
      this.attempt();
    } else if (this.phase === "starved") {
      this.tokenSpent = false;
      this.retry();
    }
    return this;
  }

  /** Closes the socket and stays away until `connect()`. */
  disconnect(): this {
    this.stop();
    this.socket?.disconnect();
    return this;
  }

  /** Calls `handler` for each message of this type on the channel, or on each of the channels. */
  on(channel: typeof CONTROL_CHANNEL, type: "connected", handler: Handler<ConnectedMessage>): this;
  on(channel: typeof CONTROL_CHANNEL, type: "error", handler: Handler<ErrorMessage>): this;
  on(channel: typeof CONTROL_CHANNEL, type: "disconnect", handler: Handler<DisconnectMessage>): this;
  on(channel: typeof CONTROL_CHANNEL, type: "subscribed", handler: Handler<SubscribedMessage>): this;
  on<M extends { type: string; channel: string } = Message>(
    channels: string | readonly string[] | PatternSubscription,
    type: string,
    handler: Handler<M>,
  ): this;
  on(channels: string | readonly string[] | PatternSubscription, type: string, handler: Handler<any>): this {
    if (isPattern(channels)) this.patternHandlers.add(nameOf(channels), type, handler);
    else for (const channel of asList(channels)) this.handlers.add(channel, type, handler);
    return this;
  }

  /** Undoes one `on` with the same arguments. */
  un(channels: string | readonly string[] | PatternSubscription, type: string, handler: Handler<any>): this {
    if (isPattern(channels)) this.patternHandlers.remove(nameOf(channels), type, handler);
    else for (const channel of asList(channels)) this.handlers.remove(channel, type, handler);
    return this;
  }

  /**
   * Subscribes to a channel or a pattern, as soon as there is a connection and again after each reconnection.
   *
   * Rejects with a `HornetError` when it is refused the first time. What happens after reconnections is told on
   * channel `"hornet"`: `subscribed`, or `error` with a `subscription`.
   */
  subscribe(target: string | PatternSubscription, options: SubscribeOptions = {}): Promise<Subscribed> {
    return this.subscriptions.add(target, options);
  }

  /** Ends a subscription. `subscribed` is true if the backend goes on to keep the session's user subscribed. */
  async unsubscribe(target: string | PatternSubscription): Promise<{ readonly subscribed: boolean }> {
    const known = this.subscriptions.remove(target);
    if (known === "unsent") return { subscribed: false };
    try {
      const answer = await this.request("hornet:unsubscribe", describe(target));
      return { subscribed: answer["subscribed"] === true };
    } catch (error) {
      // It may have been refused on its way, and what ended with its connection needs no request.
      const { code } = error as HornetError;
      if (known === "sent" && code === "NOT_SUBSCRIBED") return { subscribed: false };
      if (known !== "unknown" && code === "DISCONNECTED") return { subscribed: false };
      throw error;
    }
  }

  /** Publishes one message to all clients of a channel, where this client's token lets it. */
  async publish(
    channel: string,
    type: string,
    message: object = {},
    options: { readonly excludeSelf?: boolean | undefined } = {},
  ): Promise<void> {
    const excluded = options.excludeSelf ? { exclude_self: true } : {};
    await this.request("hornet:publish", { channel, type, message, ...excluded });
  }

  /** The members of a channel of which this session is one. */
  async presence(channel: string): Promise<readonly Member[]> {
    return (await this.request("hornet:presence", { channel }))["members"] as readonly Member[];
  }

  /** Calls a command of the server's plug-ins; what it answers. */
  async command<Result = unknown>(name: string, data?: unknown): Promise<Result> {
    return (await this.request("hornet:command", { name, data }))["result"] as Result;
  }

  private request(event: string, fields: Fields): Promise<Fields> {
    if (this.connected && this.socket?.connected) return this.requests.send(this.socket, event, fields);
    return Promise.reject(new HornetError("NOT_CONNECTED", "there is no connection that takes requests"));
  }

  private host(): Host {
    const hornet = this;
    return {
      authorize: this.settings.authorize,
      get id() {
        return hornet.connected ? hornet.id : undefined;
      },
      request: (event, fields) => this.request(event, fields),
      subscribed: (subscription, { members }) => {
        this.backoff.reset();
        const message = { type: "subscribed", channel: CONTROL_CHANNEL, subscription } as const;
        this.raise(members === undefined ? message : { ...message, members });
      },
      failed: (subscription, { code, message, cause }, retrying) => {
        const error = { type: "error", channel: CONTROL_CHANNEL, error: code, errorMsg: message } as const;
        this.raise({ ...error, subscription, retrying, ...(cause === undefined ? {} : { cause }) });
      },
    };
  }

  /** Nothing is to be presented: what lets the session in are subscriptions with a proof of their own. */
  private get isGuest(): boolean {
    return this.currentToken === undefined && this.channels.length === 0;
  }

  /** Gets a token if one has to be fetched, then opens the socket or, if it is open, presents the token on it. */
  private attempt(): void {
    const attempt = ++this.attempts;
    if (typeof this.currentToken !== "function") return this.proceed();
    const fetchToken = this.currentToken;
    this.phase = "asking";
    this.fetchedToken = undefined;
    new Promise<string>((resolve) => resolve(fetchToken()))
      .then((token: unknown) => {
        if (typeof token === "string" && token !== "") return token;
        throw new TypeError("the token function returned no token");
      })
      .then(
        (token) => {
          if (attempt !== this.attempts) return;
          this.fetchedToken = token;
          this.proceed();
        },
        (cause: unknown) => {
          if (attempt !== this.attempts) return;
          const errorMsg = cause instanceof Error ? cause.message : String(cause);
          this.retry();
          this.raise({ type: "error", channel: CONTROL_CHANNEL, error: "TOKEN_UNAVAILABLE", errorMsg, cause });
        },
      );
  }

  private proceed(): void {
    this.phase = "active";
    this.socket ??= this.createSocket();
    if (this.socket.connected) this.presentToken(this.socket);
    else this.socket.connect();
  }

  private createSocket(): Socket {
    const options = { ...this.settings.io, autoConnect: false, forceNew: true, reconnection: false };
    const socket = this.uri === undefined ? io(options) : io(this.uri, options);
    socket.on("connect", () => this.presentToken(socket));
    socket.on("connect_error", (error) => {
      if (this.phase !== "active") return; // stopped, or this attempt has failed already
      warn(`cannot connect: ${error.message}`);
      this.retry();
    });
    socket.on("message", (raw: unknown) => this.receive(raw));
    socket.on("disconnect", (reason) => this.lost(reason));
    return socket;
  }

  /** Sends the credentials as JSON text, which every version of the server understands. */
  private presentToken(socket: Socket): void {
    if (this.isGuest) return this.enterAsGuest();
    let token = this.currentToken;
    if (typeof token === "function") {
      token = this.fetchedToken;
      // The function was set while a string token's attempt was under way: ask it first.
      if (token === undefined) return this.attempt();
      this.fetchedToken = undefined;
    }
    this.phase = "active";
    this.presentedToken = this.currentToken;
    socket.emit("message", JSON.stringify({ token, channels: this.channels }));
  }

  private enterAsGuest(): void {
    this.phase = "active";
    this.connected = true;
    this.subscriptions.opened(false);
    this.raise({ type: "connected", channel: CONTROL_CHANNEL, msg: "CONNECTED" });
  }

  private receive(raw: unknown): void {
    const message = parseMessage(raw);
    if (message === null) return warn("ignored a message without type and channel", raw);
    if (message.channel !== CONTROL_CHANNEL) return this.deliver(message);
    if (message.type === "connected") {
      const isKnown = this.connected && this.isGuest;
      this.connected = true;
      this.backoff.reset();
      this.subscriptions.opened(true);
      if (isKnown) return;
    }
    if (message.type === "error") return this.receiveError(message);
    this.raise(message);
  }

  /** Messages heard by a pattern say so; a field of the same name in any other message is the backend's own. */
  private deliver(message: Message): void {
    this.handlers.raise(message);
    const { pattern } = message;
    if (typeof pattern === "string" && matchesTopic(pattern, message.channel)) {
      this.patternHandlers.raise(message, pattern);
    }
  }

  private receiveError(message: Message): void {
    const refused = !this.connected && REFUSALS.has(message["error"]);
    if (refused || message["error"] === REVOKED) {
      // Before the handlers run, so that a token they set counts as new. One set since the old was sent is new too.
      this.tokenSpent = !this.isGuest && this.currentToken === this.presentedToken;
    }
    const attempt = this.attempts;
    this.raise(message);
    if (refused || (!this.connected && message["error"] === UNAVAILABLE)) this.goOn(attempt);
  }

  /** The socket is gone: tell the page, then come back unless the page or the server wants otherwise. */
  private lost(reason: string): void {
    this.connected = false;
    this.subscriptions.lost();
    this.requests.lost();
    if (reason === "io client disconnect") this.stop();
    const attempt = this.attempts;
    this.raise({ type: "disconnect", channel: CONTROL_CHANNEL, reason });
    this.goOn(attempt);
  }

  /**
   * Retries, or waits for the page when its only token is known to be useless.
   *
   * Does nothing unless `attempt` is still the one in progress: a handler may have stopped or
   * started the client meanwhile, or a retry may be due already.
   */
  private goOn(attempt: number): void {
    if (this.phase !== "active" || attempt !== this.attempts) return;
    if (this.tokenSpent && typeof this.currentToken !== "function") this.phase = "starved";
    else this.retry();
  }

  private retry(): void {
    this.phase = "waiting";
    this.timer = setTimeout(() => this.attempt(), this.backoff.next());
  }

  private stop(): void {
    this.phase = "stopped";
    this.attempts += 1;
    this.fetchedToken = undefined;
    clearTimeout(this.timer);
    this.subscriptions.stopped();
  }

  private raise(message: Message | ErrorMessage | DisconnectMessage | SubscribedMessage): void {
    this.handlers.raise(message);
  }
}

function isPattern(target: string | readonly string[] | PatternSubscription): target is PatternSubscription {
  return typeof target === "object" && "pattern" in target;
}

function warn(text: string, ...details: unknown[]): void {
  console.warn(`Hornet: ${text}`, ...details);
}

/** Hands a handler's exception to `window.onerror` where that exists, to the console elsewhere. */
function reportError(error: unknown): void {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else console.error("Hornet: a handler failed", error);
}
