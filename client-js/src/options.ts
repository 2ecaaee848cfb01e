import type { ManagerOptions, SocketOptions } from "socket.io-client";
import type { HornetState } from "./recovery.js";
import { checkTokenOption } from "./tokens.js";

/** A one-time token, or a function that fetches a new one before each connection attempt. */
export type Token = string | (() => string | Promise<string>);

/** A backend's permission for one channel and one connection. */
export interface Authorization {
  readonly signature: string;
  /** The presence data as the text that was signed. */
  readonly presence?: string | null | undefined;
}

/** Gets the signature for a private channel from the page's backend. Called again on each connection. */
export type Authorize = (channel: string, connectionId: string) => Authorization | Promise<Authorization>;

/** Socket.IO client options that Hornet does not set itself: `transports`, `path`, `withCredentials`... */
export type IoOptions = Omit<
  Partial<ManagerOptions & SocketOptions>,
  | "autoConnect"
  | "forceNew"
  | "multiplex"
  | "reconnection"
  | "reconnectionAttempts"
  | "reconnectionDelay"
  | "reconnectionDelayMax"
  | "randomizationFactor"
>;

export interface HornetOptions {
  /** Where Hornet listens, e.g. `"https://push.example.com"`. Default: the origin of the page. */
  uri?: string | undefined;
  /** The channels to receive. One string is one channel. */
  channels?: string | readonly string[] | undefined;
  /** Another name for `channels`. If both are given, `channels` counts. */
  channel?: string | readonly string[] | undefined;
  token?: Token | undefined;
  /** Called by `subscribe` for channels whose names begin with `private-`. */
  authorize?: Authorize | undefined;
  /** Wait before the first reconnection, in ms. Default 1000. */
  reconnectionDelay?: number | undefined;
  /** The longest wait between reconnections, in ms. Default 30000. */
  reconnectionDelayMax?: number | undefined;
  /** After a loss, come back to the same session, with the messages that were missed. Default true. */
  recovery?: boolean | undefined;
  /** What `state()` gave on this page before it was loaded again. */
  resume?: HornetState | null | undefined;
  io?: IoOptions | undefined;
}

export interface Settings {
  readonly uri: string | undefined;
  readonly channels: string[];
  readonly token: Token | undefined;
  readonly authorize: Authorize | undefined;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  readonly recovers: boolean;
  readonly state: HornetState | null;
  readonly io: IoOptions;
}

const OPTIONS: Readonly<Record<keyof HornetOptions, true>> = {
  uri: true,
  channels: true,
  channel: true,
  token: true,
  authorize: true,
  reconnectionDelay: true,
  reconnectionDelayMax: true,
  recovery: true,
  resume: true,
  io: true,
};

/** Names that pages of other clients use for an option. */
const MEANT: Readonly<Record<string, keyof HornetOptions>> = {
  url: "uri",
  host: "uri",
  server: "uri",
  tokens: "token",
  getToken: "token",
  auth: "token",
  path: "io",
  transports: "io",
};

/**
 * Returns complete settings.
 *
 * Throws `TypeError` for an option that does not exist and for a token that is neither text nor a function, and
 * `RangeError` for a delay that is not a number of milliseconds above 0.
 */
export function readOptions(options: HornetOptions): Settings {
  checkNames("new Hornet", options, OPTIONS, MEANT);
  checkTokenOption(options.token);
  const firstDelayMs = checkDelay("reconnectionDelay", options.reconnectionDelay ?? 1000);
  const maxDelayMs = checkDelay("reconnectionDelayMax", options.reconnectionDelayMax ?? 30_000);
  const recovers = options.recovery ?? true;
  const state = recovers ? checkState(options.resume) : null;
  return {
    uri: options.uri,
    channels: asList(options.channels ?? options.channel ?? state?.channels ?? []),
    token: options.token,
    authorize: options.authorize,
    firstDelayMs,
    maxDelayMs,
    recovers,
    state,
    io: options.io ?? {},
  };
}

/** Returns a list of channels. A string is one channel, not a list of its letters. */
export function asList(channels: string | readonly string[]): string[] {
  return typeof channels === "string" ? [channels] : [...channels];
}

function checkDelay(name: string, ms: number): number {
  if (Number.isFinite(ms) && ms > 0) return ms;
  throw new RangeError(`Hornet: ${name} must be a number of milliseconds above 0, not ${String(ms)}`);
}

/** Returns the state, or `null` for none. Throws `TypeError` for anything but an object, such as its JSON text. */
function checkState(state: unknown): HornetState | null {
  if (state === undefined || state === null) return null;
  if (typeof state !== "object") throw new TypeError(`Hornet: resume is what state() returned, not a ${typeof state}`);
  const { channels, subscriptions } = state as Partial<HornetState>;
  if (Array.isArray(channels) && Array.isArray(subscriptions)) return state as HornetState;
  throw new TypeError("Hornet: resume is what state() returned, and has lists of channels and subscriptions");
}

/** Throws `TypeError` if `options` has a name that `known` lacks: a misspelt option would change nothing, silently. */
export function checkNames(
  call: string,
  options: object,
  known: Readonly<Record<string, true>>,
  meant: Readonly<Record<string, string>> = {},
): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwnProperty.call(known, name)) continue;
    const hint = Object.hasOwnProperty.call(meant, name) ? `; did you mean "${meant[name]}"?` : "";
    throw new TypeError(`Hornet: ${call} has no option "${name}"${hint} (it has ${Object.keys(known).join(", ")})`);
  }
}
