import { Backoff } from "./backoff.js";
import type { Authorize, Token } from "./options.js";
import { patternText, type PatternSubscription } from "./patterns.js";
import { HornetError, type Fields } from "./requests.js";

/** A member of a channel with presence. */
export interface Member {
  readonly id: string;
  /** What the member's backend signed about it, for the others to see. */
  readonly info?: unknown;
}

/** The server's answer to a subscription. */
export interface Subscribed {
  readonly channel?: string;
  /** The canonical text of the pattern. */
  readonly pattern?: string;
  /** Who is there, where presence data was signed. */
  readonly members?: readonly Member[];
}

export interface SubscribeOptions {
  /** A one-time token that names the channel or pattern, or a function that fetches one each time it is needed. */
  token?: Token | undefined;
  /** Used for this channel in place of the client's own. */
  authorize?: Authorize | undefined;
}

/** What a subscription needs of its client. */
export interface Host {
  readonly authorize: Authorize | undefined;
  /** The id of the connection; `undefined` while there is none that takes requests. */
  readonly id: string | undefined;
  request(event: string, fields: Fields): Promise<Fields>;
  /** The server has taken a subscription, at first or again. */
  subscribed(name: string, answer: Subscribed): void;
  /** A subscription could not be made again after a reconnection. */
  failed(name: string, error: HornetError, retrying: boolean): void;
}

/** As many are asked for at once: a page with hundreds of channels keeps within what a session may send. */
const AT_ONCE = 8;

/** The wait after the server said that events come too fast. */
const PAUSE_MS = 1000;

const TOO_FAST = "TOO_MANY_EVENTS";

/** What may be otherwise in a moment. A subscription that was held is asked for again after one of these. */
const PASSING: ReadonlySet<unknown> = new Set([
  "UNAVAILABLE",
  "NOT_AUTHENTICATED",
  "SESSION_ENDED",
  "AUTHORIZATION_UNAVAILABLE",
  "TOKEN_UNAVAILABLE",
]);

interface Waiter {
  resolve(answer: Subscribed): void;
  reject(error: HornetError): void;
}

/**
 * One channel or pattern that the page wants.
 *
 *     queued ──its turn──▶ asking ──taken──▶ held
 *       ▲                     │ too fast        │ the connection is lost
 *       └─────────────────────┴─────────────────┘
 *
 * A refusal ends it, unless it was held before and the refusal may pass: then it is queued after a wait.
 */
interface Entry {
  readonly name: string;
  readonly target: string | PatternSubscription;
  options: SubscribeOptions;
  state: "queued" | "asking" | "held";
  /** Its request was sent on this connection, so the server may have it. */
  sent: boolean;
  /** It is held on this connection; while asking again too, which changes nothing if it is refused. */
  held: boolean;
  /** It was held once, so it is worth asking for again. */
  confirmed: boolean;
  tokenSpent: boolean;
  readonly waiters: Waiter[];
  readonly backoff: Backoff;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

/**
 * The channels and patterns that a page has subscribed to, held over all reconnections.
 *
 * Those that carry a proof of their own are asked for first: on a page without a token they let the session in.
 */
export class Subscriptions {
  private readonly entries = new Map<string, Entry>();
  private asking = 0;
  private pause: ReturnType<typeof setTimeout> | undefined;
  /** Counts connections, so that answers for an earlier one are recognised. */
  private round = 0;
  /** Something was granted on this connection: the session is authenticated. */
  private isAuthenticated = false;

  constructor(
    private readonly host: Host,
    private readonly firstDelayMs: number,
    private readonly maxDelayMs: number,
  ) {}

  /** Asks as soon as there is a connection, and after each reconnection. */
  add(target: string | PatternSubscription, options: SubscribeOptions): Promise<Subscribed> {
    const key = keyOf(target);
    let entry = this.entries.get(key);
    if (!entry) {
      entry = {
        name: nameOf(target),
        target,
        options,
        state: "queued",
        sent: false,
        held: false,
        confirmed: false,
        tokenSpent: false,
        waiters: [],
        backoff: new Backoff(this.firstDelayMs, this.maxDelayMs),
      };
      this.entries.set(key, entry);
    } else if (entry.state !== "asking") {
      if (options.token !== entry.options.token) entry.tokenSpent = false;
      clearTimeout(entry.timer);
      entry.timer = undefined;
      entry.options = { ...entry.options, ...options };
      entry.state = "queued";
    }
    const { waiters } = entry;
    const answer = new Promise<Subscribed>((resolve, reject) => waiters.push({ resolve, reject }));
    this.pump();
    return answer;
  }

  /** Forgets it, and tells what the server knows of it: that it is held, maybe that, or nothing for sure. */
  remove(target: string | PatternSubscription): "held" | "sent" | "unsent" | "unknown" {
    const entry = this.entries.get(keyOf(target));
    if (!entry) return "unknown";
    this.drop(entry);
    this.settle(entry, new HornetError("UNSUBSCRIBED", "unsubscribed before the subscription was made"));
    if (entry.held) return "held";
    return entry.sent ? "sent" : "unsent";
  }

  /** There is a connection that takes requests. `isAuthenticated`: the server has let it in already. */
  opened(isAuthenticated: boolean): void {
    this.isAuthenticated = isAuthenticated;
    this.pump();
  }

  /** The connection is gone. What the page waits for is asked for on the next one. */
  lost(): void {
    this.round += 1;
    this.asking = 0;
    this.isAuthenticated = false;
    clearTimeout(this.pause);
    this.pause = undefined;
    for (const entry of this.entries.values()) {
      clearTimeout(entry.timer);
      entry.timer = undefined;
      entry.state = "queued";
      entry.sent = entry.held = false;
    }
  }

  /** The page closed the connection: what was never made is given up, all else waits for the next `connect()`. */
  stopped(): void {
    for (const entry of this.entries.values()) {
      if (!entry.confirmed) this.drop(entry);
      this.settle(entry, new HornetError("DISCONNECTED", "the page closed the connection"));
    }
  }

  private pump(): void {
    while (this.host.id !== undefined && this.pause === undefined && this.asking < AT_ONCE) {
      const next = this.next();
      if (!next) return;
      void this.ask(next);
    }
  }

  private next(): Entry | undefined {
    const entries = [...this.entries.values()].filter((entry) => entry.timer === undefined);
    const queued = entries.filter((entry) => entry.state === "queued");
    const proving = queued.find((entry) => this.isProving(entry));
    if (proving || this.isAuthenticated) return proving ?? queued[0];
    const isBeingLetIn = entries.some((entry) => entry.state === "asking" && this.isProving(entry));
    return isBeingLetIn ? undefined : queued[0];
  }

  private isProving({ target, options, tokenSpent }: Entry): boolean {
    return (options.token !== undefined && !tokenSpent) || this.authorizeFor(target, options) !== undefined;
  }

  private authorizeFor(target: string | PatternSubscription, options: SubscribeOptions): Authorize | undefined {
    const isPrivate = typeof target === "string" && /^private-/i.test(target);
    return isPrivate ? options.authorize ?? this.host.authorize : undefined;
  }

  private async ask(entry: Entry): Promise<void> {
    const { round } = this;
    const isStale = () => round !== this.round || this.entries.get(keyOf(entry.target)) !== entry;
    entry.state = "asking";
    this.asking += 1;
    try {
      const proof = await this.prove(entry);
      if (isStale()) return;
      entry.sent = true;
      const answer = await this.host.request("hornet:subscribe", { ...describe(entry.target), ...proof });
      if (!isStale()) this.taken(entry, answer as Subscribed);
    } catch (error) {
      if (!isStale()) this.refused(entry, error as HornetError);
    } finally {
      if (round === this.round) {
        this.asking -= 1;
        this.pump();
      }
    }
  }

  /** What opens the channel on this connection, if anything does. */
  private async prove(entry: Entry): Promise<Fields> {
    const { target, options } = entry;
    if (options.token !== undefined && !entry.tokenSpent) {
      const token = await call("TOKEN_UNAVAILABLE", async () =>
        typeof options.token === "function" ? options.token() : options.token,
      );
      if (typeof token === "string" && token !== "") return { token };
      throw new HornetError("TOKEN_UNAVAILABLE", "the token function returned no token");
    }
    const authorize = this.authorizeFor(target, options);
    const { id } = this.host;
    if (!authorize || id === undefined) return {};
    const proof = await call("AUTHORIZATION_UNAVAILABLE", async () => authorize(target as string, id));
    const { signature, presence } = proof ?? {};
    if (typeof signature !== "string" || (presence !== undefined && presence !== null && typeof presence !== "string")) {
      throw new HornetError("AUTHORIZATION_UNAVAILABLE", "authorize gave no signature, or presence that is no text");
    }
    return typeof presence === "string" ? { signature, presence } : { signature };
  }

  private taken(entry: Entry, answer: Subscribed): void {
    entry.state = "held";
    entry.held = entry.confirmed = true;
    entry.tokenSpent = typeof entry.options.token === "string";
    entry.backoff.reset();
    this.isAuthenticated = true;
    this.settle(entry, answer);
    this.host.subscribed(entry.name, answer);
  }

  private refused(entry: Entry, error: HornetError): void {
    entry.sent = entry.held;
    entry.state = "queued";
    if (error.code === TOO_FAST) {
      this.pause ??= setTimeout(() => this.resume(), PAUSE_MS);
      return;
    }
    const isAwaited = entry.waiters.length > 0;
    const retrying = !entry.held && entry.confirmed && PASSING.has(error.code);
    if (entry.held) entry.state = "held";
    else if (retrying) entry.timer = setTimeout(() => this.again(entry), entry.backoff.next());
    else this.drop(entry);
    this.settle(entry, error);
    if (!isAwaited) this.host.failed(entry.name, error, retrying);
  }

  private again(entry: Entry): void {
    entry.timer = undefined;
    this.pump();
  }

  private resume(): void {
    this.pause = undefined;
    this.pump();
  }

  private drop(entry: Entry): void {
    clearTimeout(entry.timer);
    this.entries.delete(keyOf(entry.target));
  }

  private settle(entry: Entry, outcome: Subscribed | HornetError): void {
    for (const { resolve, reject } of entry.waiters.splice(0)) {
      if (outcome instanceof HornetError) reject(outcome);
      else resolve(outcome);
    }
  }
}

/** A channel's name, or a pattern's text. */
export function nameOf(target: string | PatternSubscription): string {
  return typeof target === "string" ? target : patternText(target);
}

/** How a request names it. */
export function describe(target: string | PatternSubscription): Fields {
  if (typeof target === "string") return { channel: target };
  const { pattern, subset } = target;
  return subset ? { pattern, subset: true } : { pattern };
}

function keyOf(target: string | PatternSubscription): string {
  return `${typeof target === "string" ? "channel" : "pattern"} ${nameOf(target)}`;
}

/** The result of a page's function, whose failure gets this code. */
async function call<T>(code: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw new HornetError(code, cause instanceof Error ? cause.message : String(cause), cause);
  }
}
