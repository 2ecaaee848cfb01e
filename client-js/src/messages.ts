import type { Member } from "./entry.js";

/** A message as the server sends it: the object that a backend published, with its `channel` added. */
export interface Message {
  readonly type: string;
  readonly channel: string;
  readonly [field: string]: unknown;
}

/** The server has accepted the token. Messages of its channels follow. */
export interface ConnectedMessage extends Message {
  readonly type: "connected";
  readonly channel: "hornet";
  /** True if this is the session of before the loss, and no message was missed. Absent where the server does not recover. */
  readonly recovered?: boolean;
  /** Where the client stands now. */
  readonly position?: string;
}

/** Messages may have been missed on these channels. Sent by the server, or raised by this client. */
export interface GapMessage extends Message {
  readonly type: "gap";
  readonly channel: "hornet";
  readonly channels: readonly string[];
  /** The texts of the patterns whose messages may have been missed, if there are any. */
  readonly patterns?: readonly string[];
  /** True if notifications of the user may have been missed. */
  readonly notifications?: boolean;
  readonly reason: string;
}

/** The codes of today's servers. A newer server may send others. */
export type ErrorCode =
  | "INVALID_TOKEN"
  | "WRONG_TOKEN_ASSOCIATION"
  | "WRONG_PARAMETERS"
  | "UNAVAILABLE"
  | "AUTHENTICATION_TIMEOUT"
  | "TOKEN_REVOKED"
  | "TOO_MANY_EVENTS"
  | "TOKEN_UNAVAILABLE"
  | "AUTHORIZATION_UNAVAILABLE"
  | (string & {});

/** An error that the server reports, or this client (`TOKEN_UNAVAILABLE` and `AUTHORIZATION_UNAVAILABLE`). */
export interface ErrorMessage extends Message {
  readonly type: "error";
  readonly channel: "hornet";
  readonly error: ErrorCode;
  readonly errorMsg: string;
  /** With `TOKEN_UNAVAILABLE` and `AUTHORIZATION_UNAVAILABLE`: the exception of the page's function. */
  readonly cause?: unknown;
  /** The channel, or the text of the pattern, that could not be subscribed to again after a reconnection. */
  readonly subscription?: string;
  /** With `subscription`: true if this client tries again. */
  readonly retrying?: boolean;
  /** With `WRONG_TOKEN_ASSOCIATION`: those of the channels that the token does not open. */
  readonly channels?: readonly string[];
}

/** A subscription was made, the first time or again after a reconnection. Raised by this client. */
export interface SubscribedMessage extends Message {
  readonly type: "subscribed";
  readonly channel: "hornet";
  /** The channel, or the text of the pattern. */
  readonly subscription: string;
  /** The listed members of the channel, where presence data was signed. */
  readonly members?: readonly Member[];
  /** How many members there are, listed or not. */
  readonly count?: number;
}

/** JSON that was published to a pattern and is no message itself. */
export interface PayloadMessage extends Message {
  readonly type: "payload";
  readonly payload: unknown;
  /** The text of the subscription by which it came. */
  readonly pattern: string;
}

/** The socket is gone. Raised by this client, never sent by the server. */
export interface DisconnectMessage extends Message {
  readonly type: "disconnect";
  readonly channel: "hornet";
  /** Socket.IO's reason, e.g. `"transport close"`, `"ping timeout"`, `"io server disconnect"`. */
  readonly reason: string;
  /** The code with which the server closed the socket, if it said one. */
  readonly error?: ErrorCode;
}

/** The reserved channel on which the server and this client speak about the connection itself. */
export const CONTROL_CHANNEL = "hornet";

/** The reason of a gap that this client reports: the server has not said that it has all messages of the meantime. */
export const NOT_RECOVERED = "not_recovered";

/** Returns the message in `raw` (JSON text, or an object already), or `null` if there is none. */
export function parseMessage(raw: unknown): Message | null {
  let value = raw;
  if (typeof raw === "string") {
    try {
      value = JSON.parse(raw);
    } catch {
      return null;
    }
  }
  if (typeof value !== "object" || value === null) return null;
  const { type, channel } = value as Partial<Message>;
  return typeof type === "string" && typeof channel === "string" ? (value as Message) : null;
}
