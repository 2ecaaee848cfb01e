export { Hornet } from "./hornet.js";
export { HornetError } from "./requests.js";
export type { Member, MemberPage, Subscribed, SubscribeOptions } from "./entry.js";
export type { Handler, NotificationHandler } from "./handlers.js";
export type {
  ConnectedMessage,
  DisconnectMessage,
  ErrorCode,
  ErrorMessage,
  GapMessage,
  Message,
  PayloadMessage,
  SubscribedMessage,
} from "./messages.js";
export type { Authorization, Authorize, HornetOptions, IoOptions, Token } from "./options.js";
export type { PatternSubscription } from "./patterns.js";
export type { HornetState } from "./recovery.js";
export type { RequestErrorCode } from "./requests.js";
