import { io, type Socket } from "socket.io-client";
import { Backoff } from "./backoff.js";
import {
  CONTROL_CHANNEL,
  NOT_RECOVERED,
  parseMessage,
  type DisconnectMessage,
  type ErrorMessage,
  type Message,
} from "./messages.js";
import type { Settings, Token } from "./options.js";
import { Recovery, type Beginning } from "./recovery.js";
import { checkToken, checkTokenOption } from "./tokens.js";
import { warn } from "./warn.js";

/** Codes after which the same token would be refused again. The socket stays open. */
const REFUSALS: ReadonlySet<unknown> = new Set(["INVALID_TOKEN", "WRONG_TOKEN_ASSOCIATION", "WRONG_PARAMETERS"]);

/** The server could not check the token. The same token may be accepted next time. */
const UNAVAILABLE = "UNAVAILABLE";

/** The server sends this code before it closes a session whose token must not be used again. */
const REVOKED = "TOKEN_REVOKED";

/** The server got no valid credentials in time, and closes the session. */
const TIMEOUT = "AUTHENTICATION_TIMEOUT";

/** The event that asks whether the session has shown valid credentials. The server answers it in turn. */
const ASK_FOR_SESSION = "hornet:session";

/** Another credential was accepted on a connection that has begun. */
const STARTED = { beginning: "new", missed: undefined } as const;

/** What a connection tells its client. */
export interface ConnectionEvents {
  /** Called when the session takes requests. A `guest` has sent no credentials yet. */
  opened(beginning: Beginning | "guest"): void;
  /** Called when the socket is gone. Requests that were sent on it get no answer. `position`: what came last before. */
  lost(position: string | undefined): void;
  /** Called when no attempt follows until `connect()`. */
  stopped(): void;
  /** Called for a message on the control channel, which the server or this client made. */
  onControl(message: Message | ErrorMessage | DisconnectMessage): void;
  /** Called for a message on any other channel. */
  onMessage(message: Message): void;
  /** Called for an event that is no message: a notification of a user, for example. */
  onEvent(event: string, argument: unknown): void;
}

/**
 * The state of the client: what it does, or what it waits for.
 *
 *     stopped ──connect()──▶ asking ──a token──▶ active     (the socket opens, or is open)
 *                              ▲                   │ no connection, refusal, socket gone
 *                              └───── waiting ◀────┤ there is a token worth trying
 *                                        ▲         ▼ the only token was refused or revoked
 *                                        └───── needsToken   (until the page sets a token)
 *
 * `disconnect()` leads from any state to stopped. `asking` lasts only while a token function runs.
 */
type Phase = "stopped" | "asking" | "active" | "waiting" | "needsToken";

/**
 * One socket: opens it, sends the token, and does both again after each loss, until `disconnect()`.
 *
 * At most one socket and one pending attempt exist at any time, however often `connect()` is called.
 */
export class Connection {
  /** The channels to receive from the next connection on. */
  channels: string[];
  /** The same socket over all reconnections; `null` before the first `connect()`. */
  socket: Socket | null = null;
  /** True from the server's `connected` (without token and channels: from the open socket) until the socket is gone. */
  connected = false;

  readonly recovery: Recovery;
  private readonly backoff: Backoff;
  private phase: Phase = "stopped";
  private currentToken: Token | undefined;
  /** `currentToken` as it was when credentials were last sent. */
  private presentedToken: Token | undefined;
  /** `currentToken` was refused or revoked. A token function can return another token. */
  private tokenSpent = false;
  /** The token that the token function returned for the attempt in progress. Used once. */
  private fetchedToken: string | undefined;
  /** Counts attempts, so that a late result of a token function is recognised and ignored. */
  private attempts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** The code of the last error on this socket: the reason if the server closes the socket. */
  private lastError: string | undefined;
  /** The next attempt follows at once. */
  private isUrgent = false;

  constructor(
    private readonly settings: Settings,
    private readonly events: ConnectionEvents,
  ) {
    this.channels = settings.channels;
    this.currentToken = settings.token;
    this.recovery = new Recovery(settings.recovers, settings.state);
    this.backoff = new Backoff(settings.firstDelayMs, settings.maxDelayMs);
  }

  get token(): Token | undefined {
    return this.currentToken;
  }

  /** Sets the token of the next attempt. If the client only waits for a new token, the attempt begins soon. */
  set token(token: Token | undefined) {
    if (token === this.currentToken) return;
    checkTokenOption(token);
    this.currentToken = token;
    this.fetchedToken = undefined;
    this.tokenSpent = false;
    if (this.phase === "asking") this.attempt();
    if (this.phase === "needsToken") this.retry();
  }

  /** Connects and stays connected. Changes nothing if a connection or an attempt exists. */
  connect(): void {
    if (this.phase === "stopped") {
      if (typeof window !== "undefined") window.addEventListener?.("pageshow", this.onPageShow);
      this.tokenSpent = false;
      this.backoff.reset();
      this.attempt();
    } else if (this.phase === "needsToken") {
      this.tokenSpent = false;
      this.retry();
    }
  }

  /** Closes the socket and stays away until `connect()`. */
  disconnect(): void {
    this.recovery.forget();
    this.stop();
    this.socket?.disconnect();
  }

  /** Starts the waits from the first again: the server has granted a subscription. */
  confirmed(): void {
    this.backoff.reset();
  }

  /** True if there are no credentials to send. Then only a subscription with its own proof authenticates the session. */
  private get isGuest(): boolean {
    return this.currentToken === undefined && this.channels.length === 0;
  }

  /** Gets a token if one has to be fetched, then opens the socket or, if it is open, presents the token on it. */
  private attempt(): void {
    const attempt = ++this.attempts;
    const mayResume = !this.socket?.connected && this.recovery.isPossible(this.channels);
    if (typeof this.currentToken !== "function" || mayResume) return this.proceed();
    const fetchToken = this.currentToken;
    this.phase = "asking";
    this.fetchedToken = undefined;
    new Promise<string>((resolve) => resolve(fetchToken()))
      .then(checkToken)
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
          this.events.onControl({ type: "error", channel: CONTROL_CHANNEL, error: "TOKEN_UNAVAILABLE", errorMsg, cause });
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
    const { uri } = this.settings;
    const options = { ...this.settings.io, autoConnect: false, forceNew: true, reconnection: false };
    if (this.settings.recovers) options.auth = (send: (payload: object) => void) => this.sendPayload(send);
    const socket = uri === undefined ? io(options) : io(uri, options);
    socket.on("connect", () => {
      this.lastError = undefined;
      if (this.recovery.isPending) this.awaitSession(socket);
      else this.presentToken(socket);
    });
    socket.on("connect_error", (error) => {
      if (this.phase !== "active") return; // the client was stopped, or this attempt has failed already
      warn(`cannot connect to ${uri ?? "the page's own host"}: ${error.message}. ${hintFor(error)}`);
      this.retry();
    });
    socket.on("message", (raw: unknown) => this.receive(raw));
    socket.onAny((event: string, argument: unknown) => {
      if (event !== "message") this.events.onEvent(event, argument);
    });
    socket.on("disconnect", (reason) => this.lost(reason));
    return socket;
  }

  /** Sends what the page shows with the connection, and the session to come back to. */
  private sendPayload(send: (payload: object) => void): void {
    const { auth } = this.settings.io;
    const sendAll = (own: object) => send(this.recovery.payload(own, this.channels));
    if (typeof auth === "function") auth(sendAll);
    else sendAll(auth ?? {});
  }

  /** Shows credentials if the server does not take the session back. Otherwise `connected` comes before this answer. */
  private awaitSession(socket: Socket): void {
    const attempt = this.attempts;
    socket.emit(ASK_FOR_SESSION, () => {
      const isAwaited = this.recovery.isPending && this.phase === "active" && attempt === this.attempts;
      if (isAwaited) this.presentToken(socket);
    });
  }

  /** Sends the credentials as JSON text, which all versions of the server understand. */
  private presentToken(socket: Socket): void {
    if (this.recovery.isPending) this.recovery.refused();
    if (this.isGuest) return this.enterAsGuest();
    let token = this.currentToken;
    if (typeof token === "function") {
      token = this.fetchedToken;
      // The page set the function during an attempt with a string token: call the function first.
      if (token === undefined) return this.attempt();
      this.fetchedToken = undefined;
    }
    this.phase = "active";
    this.presentedToken = this.currentToken;
    socket.emit("message", JSON.stringify({ token: token?.trim(), channels: this.channels }));
  }

  private enterAsGuest(): void {
    this.phase = "active";
    this.connected = true;
    this.events.opened("guest");
    this.events.onControl({ type: "connected", channel: CONTROL_CHANNEL, msg: "CONNECTED" });
  }

  private receive(raw: unknown): void {
    const message = parseMessage(raw);
    if (message === null) return warn("ignored a message without type and channel", raw);
    this.recovery.hear(message);
    if (message.channel !== CONTROL_CHANNEL) return this.events.onMessage(message);
    if (message.type === "connected") return this.receiveConnected(message);
    if (message.type === "error") return this.receiveError(message);
    if (message.type !== "position") this.events.onControl(message);
  }

  private receiveConnected({ session, ...message }: Message): void {
    const wasConnected = this.connected;
    if (wasConnected) this.recovery.update({ ...message, session });
    const start = wasConnected ? STARTED : this.recovery.begin({ ...message, session }, this.channels);
    this.connected = true;
    this.backoff.reset();
    this.events.opened(start.beginning);
    if (wasConnected && this.isGuest) return;
    if (start.missed) {
      const gap = { type: "gap", channel: CONTROL_CHANNEL, channels: start.missed, notifications: true };
      this.events.onControl({ ...gap, reason: NOT_RECOVERED });
    }
    this.events.onControl(message);
  }

  private receiveError(message: Message): void {
    this.lastError = String(message["error"]);
    const refused = !this.connected && REFUSALS.has(message["error"]);
    if (message["error"] === REVOKED) this.recovery.forget();
    if (message["error"] === TIMEOUT && this.recovery.isPending) this.recovery.refused();
    if (refused || message["error"] === REVOKED) {
      // Set this before the handlers run: a token that they set is new. A token set after the last one was sent is new too.
      this.tokenSpent = !this.isGuest && this.currentToken === this.presentedToken;
    }
    const attempt = this.attempts;
    this.events.onControl(message);
    if (refused || (!this.connected && message["error"] === UNAVAILABLE)) this.goOn(attempt);
  }

  /** Reports to the page that the socket is gone, then reconnects unless the page or the server prevents that. */
  private lost(reason: string): void {
    this.connected = false;
    this.events.lost(this.recovery.lost());
    if (reason === "io client disconnect") this.stop();
    const attempt = this.attempts;
    const closedWith = reason === "io server disconnect" && this.lastError ? { error: this.lastError } : {};
    this.events.onControl({ type: "disconnect", channel: CONTROL_CHANNEL, reason, ...closedWith });
    this.goOn(attempt);
  }

  /**
   * Reconnects when the browser shows the page again that it had kept in memory ("back" and "forward").
   *
   * The browser has cut the page's requests without an event, so a socket that polls looks open and receives nothing.
   */
  private readonly onPageShow = (event: PageTransitionEvent): void => {
    if (!event.persisted || this.phase !== "active" || !this.socket) return;
    this.isUrgent = true;
    if (this.socket.connected) {
      this.socket.io.engine.close(); // raises `disconnect`, which leads to the next attempt
    } else {
      this.socket.disconnect();
      this.retry();
    }
  };

  /**
   * Retries, or waits for the page to set a token if its only token was refused or revoked.
   *
   * Does nothing if `attempt` is no longer in progress: a handler may have stopped or started the client
   * meanwhile, or a retry may be planned already.
   */
  private goOn(attempt: number): void {
    if (this.phase !== "active" || attempt !== this.attempts) return;
    if (this.tokenSpent && typeof this.currentToken !== "function") this.phase = "needsToken";
    else this.retry();
  }

  private retry(): void {
    this.phase = "waiting";
    const wait = this.isUrgent ? 0 : this.backoff.next();
    this.isUrgent = false;
    this.timer = setTimeout(() => this.attempt(), wait);
  }

  private stop(): void {
    this.phase = "stopped";
    if (typeof window !== "undefined") window.removeEventListener?.("pageshow", this.onPageShow);
    this.attempts += 1;
    this.fetchedToken = undefined;
    clearTimeout(this.timer);
    this.events.stopped();
  }
}

/** Returns what the developer of the page may do about an attempt that failed. */
function hintFor(error: Error): string {
  if (error.message === "Invalid namespace") return 'Leave the path out of uri: the path of Socket.IO is the option io: { path: "..." }.';
  return "Does Hornet run there? If it refuses this page, its log says why.";
}
