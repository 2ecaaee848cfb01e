export { Hornet } from "./hornet.js";
export type { Handler } from "./handlers.js";
export type { ConnectedMessage, DisconnectMessage, ErrorCode, ErrorMessage, Message } from "./messages.js";
export type { HornetOptions, IoOptions, Token } from "./options.js";
