import { Backoff } from "./backoff.js";
import { Batches } from "./batches.js";
import type { Authorize, Token } from "./options.js";
import type { Pace } from "./pace.js";
import { patternText, type PatternSubscription } from "./patterns.js";
import { HornetError, type Fields } from "./requests.js";
import { checkToken } from "./tokens.js";

/** A member of a channel with presence. */
export interface Member {
  readonly id: string;
  /** What the backend signed about the member, for other members to see. */
  readonly info?: unknown;
}

/** Some of the members of a channel, and how many there are. Another page begins behind `next`, if that is there. */
export interface MemberPage {
  readonly members: readonly Member[];
  readonly count: number;
  readonly next?: string;
}

/** The server's answer to a subscription. */
export interface Subscribed {
  readonly channel?: string;
  /** The canonical text of the pattern. */
  readonly pattern?: string;
  /** The listed members of the channel, if presence data was signed. */
  readonly members?: readonly Member[];
  /** How many members there are, listed or not. */
  readonly count?: number;
}

export interface SubscribeOptions {
  /** A one-time token that names the channel or pattern, or a function that fetches one for each subscription. */
  token?: Token | undefined;
  /** Used for this channel in place of the client's own. */
  authorize?: Authorize | undefined;
}

/** The parts of the client that subscriptions use. */
export interface Host {
  readonly authorize: Authorize | undefined;
  /** The id of the connection; `undefined` while no connection takes requests. */
  readonly id: string | undefined;
  request(event: string, fields: Fields): Promise<Fields>;
  /** Called when a subscription was made, the first time or again. */
  subscribed(name: string, answer: Subscribed): void;
  /** Called when a subscription could not be made again after a reconnection. */
  failed(name: string, error: HornetError, retrying: boolean): void;
}

/** How many subscriptions wait for their answers at a time. */
const AT_ONCE = 100;

/** How many of them wait for a function of the page, which often asks its backend. */
const PROVING_AT_ONCE = 8;

/** The wait after the server said that events come too fast. */
const PAUSE_MS = 1000;

const TOO_FAST = "TOO_MANY_EVENTS";

/** Refusals that may pass soon. A subscription that was held before is requested again after one of these. */
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
 * A refusal ends the subscription, unless it was held before and the refusal may pass: then it is queued after a wait.
 */
interface Entry {
  readonly name: string;
  readonly target: string | PatternSubscription;
  options: SubscribeOptions;
  state: "queued" | "asking" | "held";
  /** It waits for a function of the page. */
  isProving?: boolean;
  /** The request was sent on this connection, so the server may have made the subscription. */
  sent: boolean;
  /** The server holds the subscription on this connection. A later request that is refused does not change that. */
  held: boolean;
  /** The server held the subscription once, so it is requested again after a loss. */
  confirmed: boolean;
  tokenSpent: boolean;
  readonly waiters: Waiter[];
  readonly backoff: Backoff;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

/**
 * The channels and patterns that a page has subscribed to, held over all reconnections.
 *
 * Subscriptions with a proof of their own are requested first: on a page without a token, they authenticate the
 * session.
 */
export class Subscriptions {
  private readonly entries = new Map<string, Entry>();
  private asking = 0;
  private readonly batches: Batches;
  private pause: ReturnType<typeof setTimeout> | undefined;
  /** Counts connections, so that answers for an earlier one are recognised. */
  private round = 0;
  /** The server has granted a credential on this connection. */
  private isAuthenticated = false;

  constructor(
    private readonly host: Host,
    private readonly firstDelayMs: number,
    private readonly maxDelayMs: number,
    pace: Pace,
  ) {
    this.batches = new Batches((event, fields) => host.request(event, fields), pace);
  }

  /** Requests the subscription as soon as there is a connection, and after each reconnection. */
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

  /**
   * Forgets the subscription, and returns its state on the server: held, maybe held (`sent`), not requested (`unsent`), or
   * `unknown` when the page has no such subscription.
   */
  remove(target: string | PatternSubscription): "held" | "sent" | "unsent" | "unknown" {
    const entry = this.entries.get(keyOf(target));
    if (!entry) return "unknown";
    this.drop(entry);
    this.settle(entry, new HornetError("UNSUBSCRIBED", "unsubscribed before the subscription was made"));
    if (entry.held) return "held";
    if (this.batches.withdraw(entry)) return "unsent";
    return entry.sent ? "sent" : "unsent";
  }

  /** Begins to send requests on a new connection. `isAuthenticated`: the server has granted its credentials. */
  opened(isAuthenticated: boolean): void {
    this.isAuthenticated = isAuthenticated;
    this.pump();
  }

  /** Queues all subscriptions again: the connection is gone, and they are requested on the next one. */
  lost(): void {
    this.round += 1;
    this.batches.lost();
    this.asking = 0;
    this.isAuthenticated = false;
    clearTimeout(this.pause);
    this.pause = undefined;
    for (const entry of this.entries.values()) {
      clearTimeout(entry.timer);
      entry.timer = undefined;
      entry.state = "queued";
      entry.sent = entry.held = entry.isProving = false;
    }
  }

  /** Gives up subscriptions that were never made: the page closed the connection. Others wait for the next `connect()`. */
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
    const mayProve = entries.filter((entry) => entry.isProving).length < PROVING_AT_ONCE;
    const proving = mayProve ? queued.find((entry) => this.hasProof(entry)) : undefined;
    if (proving) return proving;
    const plain = queued.find((entry) => !this.hasProof(entry));
    if (this.isAuthenticated) return plain;
    const isBeingLetIn = entries.some((entry) => entry.state !== "held" && this.hasProof(entry));
    return isBeingLetIn ? undefined : plain;
  }

  /** Returns true if the subscription has a token or a signature, which authenticates a new session. */
  private hasProof({ target, options, tokenSpent }: Entry): boolean {
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
      entry.isProving = this.hasProof(entry);
      const proof = await this.prove(entry);
      if (isStale()) return;
      if (entry.isProving) {
        entry.isProving = false;
        this.pump();
      }
      entry.sent = true;
      const isJoinable = this.isAuthenticated && !("token" in proof);
      const answer = await this.batches.request(entry, { ...describe(entry.target), ...proof }, isJoinable);
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

  /** Returns the proof that the request needs: a token, a signature, or nothing. */
  private async prove(entry: Entry): Promise<Fields> {
    const { target, options } = entry;
    if (options.token !== undefined && !entry.tokenSpent) {
      const token = await call("TOKEN_UNAVAILABLE", async () =>
        checkToken(typeof options.token === "function" ? await options.token() : options.token),
      );
      return { token };
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
    entry.isProving = false;
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

/** Returns a channel's name, or a pattern's text. */
export function nameOf(target: string | PatternSubscription): string {
  return typeof target === "string" ? target : patternText(target);
}

/** Returns the fields that name the channel or pattern in a request. */
export function describe(target: string | PatternSubscription): Fields {
  if (typeof target === "string") return { channel: target };
  const { pattern, subset } = target;
  return subset ? { pattern, subset: true } : { pattern };
}

function keyOf(target: string | PatternSubscription): string {
  return `${typeof target === "string" ? "channel" : "pattern"} ${nameOf(target)}`;
}

/** Calls a function of the page. Its exception becomes a `HornetError` with this code. */
async function call<T>(code: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw new HornetError(code, cause instanceof Error ? cause.message : String(cause), cause);
  }
}
