import type { Backoff } from "./backoff.js";
import type { Authorize, Token } from "./options.js";
import { patternText, type PatternSubscription } from "./patterns.js";
import type { Fields, HornetError } from "./requests.js";

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
  /** Where the channel stands. Messages up to there are no part of this subscription, unless asked for. */
  readonly position?: string;
  /** With `since`: true if all messages since then follow. */
  readonly recovered?: boolean;
}

export interface SubscribeOptions {
  /** A one-time token that names the channel or pattern, or a function that fetches one for each subscription. */
  token?: Token | undefined;
  /** Used for this channel in place of the client's own. */
  authorize?: Authorize | undefined;
  /** How many of the channel's last messages to get first. */
  rewind?: number | undefined;
  /** A position: get the messages of the channel since then first. */
  since?: string | undefined;
}

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
export interface Entry {
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
  /** The session that the server took back had the subscription, so it needs no proof. */
  isRestored: boolean;
  /** What the page wants of the past, until the subscription is made. */
  past?: Fields | undefined;
  /** Where the client stood when it lost the subscription. */
  since?: string | undefined;
  /** The page gets the list of members, or may expect it. */
  isMember: boolean;
  tokenSpent: boolean;
  readonly waiters: Waiter[];
  readonly backoff: Backoff;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

/** Returns a subscription that waits for its turn. */
export function newEntry(target: string | PatternSubscription, options: SubscribeOptions, backoff: Backoff): Entry {
  return {
    name: nameOf(target),
    target,
    options,
    state: "queued",
    sent: false,
    held: false,
    confirmed: false,
    isRestored: false,
    isMember: false,
    tokenSpent: false,
    waiters: [],
    backoff,
  };
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

/** Returns true if the session has the subscription already. A new connection enters the list of members again. */
export function needsNoProof({ isRestored, isMember }: Entry): boolean {
  return isRestored && !isMember;
}

/** Returns the fields that ask for messages of the past: what the page wants, or what a loss has left out. */
export function pastOf({ past, target, isRestored, since }: Entry): Fields {
  if (past) return past;
  return typeof target === "string" && since !== undefined && !isRestored ? { since } : {};
}

export function pastIn({ rewind, since }: SubscribeOptions): Fields | undefined {
  return rewind !== undefined ? { rewind } : since !== undefined ? { since } : undefined;
}

export function keyOf(target: string | PatternSubscription): string {
  return `${typeof target === "string" ? "channel" : "pattern"} ${nameOf(target)}`;
}
