import type { Socket } from "socket.io-client";
import { Connection, type ConnectionEvents } from "./connection.js";
import {
  describe,
  nameOf,
  type Member,
  type MemberPage,
  type Subscribed,
  type SubscribeOptions,
} from "./entry.js";
import { Handlers, type Handler, type NotificationHandler } from "./handlers.js";
import {
  CONTROL_CHANNEL,
  NOT_RECOVERED,
  type ConnectedMessage,
  type DisconnectMessage,
  type ErrorMessage,
  type GapMessage,
  type Message,
  type SubscribedMessage,
} from "./messages.js";
import { asList, checkNames, readOptions, type HornetOptions, type Settings, type Token } from "./options.js";
import { Pace } from "./pace.js";
import { matchesTopic, type PatternSubscription } from "./patterns.js";
import type { HornetState } from "./recovery.js";
import { HornetError, Requests, type Fields } from "./requests.js";
import { Subscriptions, type Host } from "./subscriptions.js";
import { warn } from "./warn.js";

/**
 * One connection to Hornet, kept open until `disconnect()`.
 *
 * At most one socket and one pending attempt exist at any time, however often `connect()` is called.
 */
export class Hornet {
  readonly uri: string | undefined;
  private readonly settings: Settings;
  private readonly handlers = new Handlers(reportError);
  private readonly patternHandlers = new Handlers(reportError);
  private readonly notificationHandlers = new Handlers(reportError);
  private readonly requests = new Requests();
  private readonly pace = new Pace();
  private readonly connection: Connection;
  private readonly subscriptions: Subscriptions;

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
    this.connection = new Connection(this.settings, this.connectionEvents());
    const { firstDelayMs, maxDelayMs } = this.settings;
    this.subscriptions = new Subscriptions(this.host(), firstDelayMs, maxDelayMs, this.pace);
    if (this.settings.state) this.subscriptions.restore(this.settings.state);
    if (this.channels.length === 0 && this.token !== undefined) warn("no channel given: the server will refuse the token");
  }

  /** The Socket.IO socket, the same one over all reconnections; `null` before the first `connect()`. */
  get socket(): Socket | null {
    return this.connection.socket;
  }

  /** True from the server's `connected` (without token and channels: from the open socket) until the socket is gone. */
  get connected(): boolean {
    return this.connection.connected;
  }

  /** The channels to receive from the next connection on. */
  get channels(): string[] {
    return this.connection.channels;
  }

  set channels(channels: string[]) {
    this.connection.channels = channels;
  }

  /** The id of the connection, which `authorize` gets and backends sign; `undefined` while there is no connection. */
  get id(): string | undefined {
    return this.socket?.id;
  }

  /**
   * Returns what another `Hornet` needs to come back to this session (option `resume`), on this page or after it was loaded
   * again. It has a secret that stands for the token.
   */
  state(): HornetState {
    return this.connection.recovery.state(this.channels, this.subscriptions.targets());
  }

  get token(): Token | undefined {
    return this.connection.token;
  }

  /** Sets the token of the next attempt. If the client only waits for a new token, the attempt begins soon. */
  set token(token: Token | undefined) {
    this.connection.token = token;
  }

  /** Connects and stays connected. Changes nothing if a connection or an attempt exists. */
  connect(): this {
    this.connection.connect();
    return this;
  }

  /** Closes the socket and stays away until `connect()`. */
  disconnect(): this {
    this.connection.disconnect();
    return this;
  }

  /** Calls `handler` for each message of this type on the channel, or on each of the channels. */
  on(channel: typeof CONTROL_CHANNEL, type: "connected", handler: Handler<ConnectedMessage>): this;
  on(channel: typeof CONTROL_CHANNEL, type: "error", handler: Handler<ErrorMessage>): this;
  on(channel: typeof CONTROL_CHANNEL, type: "disconnect", handler: Handler<DisconnectMessage>): this;
  on(channel: typeof CONTROL_CHANNEL, type: "subscribed", handler: Handler<SubscribedMessage>): this;
  on(channel: typeof CONTROL_CHANNEL, type: "gap", handler: Handler<GapMessage>): this;
  on<M extends { type: string; channel: string } = Message>(
    channels: string | readonly string[] | PatternSubscription,
    type: string,
    handler: Handler<M>,
  ): this;
  on(channels: string | readonly string[] | PatternSubscription, type: string, handler: Handler<any>): this {
    checkHandler("on(channel, type, handler)", handler);
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

  /** Calls `handler` for each notification with this event that the backend sends to the user of the token; `"*"`: for all. */
  onNotification<P = unknown>(event: string, handler: NotificationHandler<P>): this {
    checkHandler("onNotification(event, handler)", handler);
    this.notificationHandlers.add(NOTIFICATIONS, event, handler);
    return this;
  }

  /** Undoes one `onNotification` with the same arguments. */
  unNotification(event: string, handler: NotificationHandler<any>): this {
    this.notificationHandlers.remove(NOTIFICATIONS, event, handler);
    return this;
  }

  /**
   * Subscribes to a channel or a pattern, as soon as there is a connection and again after each reconnection.
   *
   * Rejects with a `HornetError` when the first subscription is refused. The result after a reconnection is a message on
   * channel `"hornet"`: `subscribed`, or `error` with a `subscription`. `rewind` and `since` ask for messages of the past,
   * once; what a loss of the connection leaves out is asked for without that.
   */
  async subscribe(target: string | PatternSubscription, options: SubscribeOptions = {}): Promise<Subscribed> {
    checkNames("subscribe", options, SUBSCRIBE_OPTIONS);
    checkPast(target, options);
    return this.subscriptions.add(target, options);
  }

  /** Ends a subscription. `subscribed` is true if the backend keeps the session's user subscribed. */
  async unsubscribe(target: string | PatternSubscription): Promise<{ readonly subscribed: boolean }> {
    const removed = this.subscriptions.remove(target);
    if (removed === "unsent") return { subscribed: false };
    try {
      const wait = this.pace.next();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const answer = await this.request("hornet:unsubscribe", describe(target));
      return { subscribed: answer["subscribed"] === true };
    } catch (error) {
      // The server may have refused the subscription meanwhile. A lost connection has ended the subscription too.
      const { code } = error as HornetError;
      if (removed === "sent" && code === "NOT_SUBSCRIBED") return { subscribed: false };
      if (removed !== "unknown" && code === "DISCONNECTED") return { subscribed: false };
      throw error;
    }
  }

  /** Publishes one message to all clients of a channel, if this client's token permits that. */
  async publish(
    channel: string,
    type: string,
    message: object = {},
    options: { readonly excludeSelf?: boolean | undefined } = {},
  ): Promise<void> {
    checkNames("publish", options, PUBLISH_OPTIONS);
    const excluded = options.excludeSelf ? { exclude_self: true } : {};
    await this.request("hornet:publish", { channel, type, message, ...excluded });
  }

  /** Returns the listed members of a channel: all, unless it is a crowd. This session must be a member too. */
  async presence(channel: string): Promise<readonly Member[]> {
    return (await this.request("hornet:presence", { channel }))["members"] as readonly Member[];
  }

  /** Returns one page of all members of a channel, in the order of their ids: those behind `after`. */
  async presencePage(channel: string, after = ""): Promise<MemberPage> {
    return (await this.request("hornet:presence", { channel, after })) as unknown as MemberPage;
  }

  /** Calls a command of the server's plug-ins, and returns its result. */
  async command<Result = unknown>(name: string, data?: unknown): Promise<Result> {
    return (await this.request("hornet:command", { name, data }))["result"] as Result;
  }

  /** Emits an event that the operator named (`--client-events`), for the server's plug-ins and for backends. */
  async emit(event: string, ...args: readonly unknown[]): Promise<void> {
    await this.request(event, ...args);
  }

  private request(event: string, ...args: readonly unknown[]): Promise<Fields> {
    if (this.connected && this.socket?.connected) return this.requests.send(this.socket, event, ...args);
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
      subscribed: (subscription, { members, count }) => {
        this.connection.confirmed();
        const message = { type: "subscribed", channel: CONTROL_CHANNEL, subscription } as const;
        const present = { ...(members === undefined ? {} : { members }), ...(count === undefined ? {} : { count }) };
        this.handlers.raise({ ...message, ...present });
      },
      missed: (targets) => {
        const channels = targets.filter((target) => typeof target === "string");
        const patterns = targets.filter((target) => typeof target !== "string").map(nameOf);
        const gap = { type: "gap", channel: CONTROL_CHANNEL, channels, reason: NOT_RECOVERED };
        this.handlers.raise(patterns.length > 0 ? { ...gap, patterns } : gap);
      },
      failed: (subscription, { code, message, cause }, retrying) => {
        const error = { type: "error", channel: CONTROL_CHANNEL, error: code, errorMsg: message } as const;
        this.raiseControl({ ...error, subscription, retrying, ...(cause === undefined ? {} : { cause }) });
      },
    };
  }

  /** Raises a message about the connection. Without a handler, an error goes to the console: it must not pass unseen. */
  private raiseControl(message: Message): void {
    if (message.type === "error" && !this.handlers.has(CONTROL_CHANNEL, "error")) reportUnhandled(message, this.channels);
    this.handlers.raise(message);
  }

  private connectionEvents(): ConnectionEvents {
    return {
      opened: (beginning) => this.subscriptions.opened(beginning),
      lost: (position) => {
        this.subscriptions.lost(position);
        this.requests.lost();
      },
      stopped: () => this.subscriptions.stopped(),
      onControl: (message) => this.raiseControl(message),
      onMessage: (message) => this.deliver(message),
      onEvent: (event, argument) => this.deliverNotification(event, argument),
    };
  }

  /**
   * Calls the handlers of a message.
   *
   * A message that a pattern received names the pattern. In any other message, the field `pattern` is the backend's own.
   */
  private deliver(message: Message): void {
    this.handlers.raise(message);
    const { pattern } = message;
    if (typeof pattern === "string" && matchesTopic(pattern, message.channel)) {
      this.patternHandlers.raise(message, pattern);
    }
  }

  private deliverNotification(event: string, payload: unknown): void {
    if (!OWN_EVENTS.has(event)) this.notificationHandlers.call(NOTIFICATIONS, event, payload);
  }
}

/** The events that are Hornet's own, not a backend's. */
const OWN_EVENTS: ReadonlySet<string> = new Set(["hermes:shutdown", "socket:closed", "user:authenticated"]);

/** Where the handlers of notifications are, which have no channel. */
const NOTIFICATIONS = "";

const SUBSCRIBE_OPTIONS: Readonly<Record<keyof SubscribeOptions, true>> = {
  token: true,
  authorize: true,
  rewind: true,
  since: true,
};
const PUBLISH_OPTIONS = { excludeSelf: true } as const;

function isPattern(target: string | readonly string[] | PatternSubscription): target is PatternSubscription {
  return typeof target === "object" && "pattern" in target;
}

function reportUnhandled({ error, errorMsg, subscription, channels }: Message, wanted: readonly string[]): void {
  const names = subscription === undefined ? (channels as readonly string[] | undefined) ?? wanted : [subscription];
  const about = names.length > 0 ? ` (channels: ${names.join(", ")})` : "";
  console.error(`Hornet: ${error}: ${errorMsg}${about}. Handle errors with hornet.on("hornet", "error", f).`);
}

/** Throws `TypeError` for a subscription to messages of the past that can't be meant. */
function checkPast(target: string | PatternSubscription, { rewind, since }: SubscribeOptions): void {
  if (rewind === undefined && since === undefined) return;
  if (typeof target !== "string") throw new TypeError("Hornet: rewind and since are for channels, not for patterns");
  if (rewind !== undefined && since !== undefined) throw new TypeError("Hornet: give either rewind or since");
}

/** Throws `TypeError` if a handler is no function: the mistake would show only when a message arrives, or never. */
function checkHandler(call: string, handler: unknown): void {
  if (typeof handler === "function") return;
  throw new TypeError(`Hornet: ${call} takes a function as its handler, not ${handler === null ? null : typeof handler}`);
}

/** Reports a handler's exception to `window.onerror` if that exists, else to the console. */
function reportError(error: unknown): void {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else console.error("Hornet: a handler failed", error);
}
