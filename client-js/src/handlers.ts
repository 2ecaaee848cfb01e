import type { Message } from "./messages.js";

export type Handler<M extends { type: string; channel: string } = Message> = (message: M) => unknown;

/** Stands for all types. */
const EVERY_TYPE = "*";

/** Gets the payload of a notification, and its event. */
export type NotificationHandler<P = unknown> = (payload: P, event: string) => unknown;

type AnyHandler = (argument: any, type: string) => unknown; // a page may narrow the argument of each handler as it likes

/**
 * The handlers of messages, by channel and type.
 *
 * All handlers of a message are called: first those of its type, in the order of registration, then those of all
 * types. An exception of a handler is reported, and the next handler is called. A handler that adds or removes
 * handlers changes only what happens to the next message.
 */
export class Handlers {
  private readonly byChannel = new Map<string, Map<string, AnyHandler[]>>();

  constructor(private readonly report: (error: unknown) => void) {}

  add(channel: string, type: string, handler: AnyHandler): void {
    let byType = this.byChannel.get(channel);
    if (!byType) this.byChannel.set(channel, (byType = new Map()));
    byType.set(type, [...(byType.get(type) ?? []), handler]);
  }

  /** Removes the handler once. A handler that was added twice stays once. */
  remove(channel: string, type: string, handler: AnyHandler): void {
    const byType = this.byChannel.get(channel);
    const present = byType?.get(type);
    const at = present ? present.indexOf(handler) : -1;
    if (!byType || !present || at < 0) return;
    const left = present.filter((_, index) => index !== at);
    if (left.length > 0) byType.set(type, left);
    else byType.delete(type);
    if (byType.size === 0) this.byChannel.delete(channel);
  }

  /** Returns true if a message of this type on this channel has a handler. */
  has(channel: string, type: string): boolean {
    const byType = this.byChannel.get(channel);
    return byType !== undefined && (byType.has(type) || byType.has(EVERY_TYPE));
  }

  /** Calls the handlers of this message: those of its channel, or of `channel`. Never throws. */
  raise(message: Message, channel = message.channel): void {
    this.call(channel, message.type, message);
  }

  /** Calls the handlers of this channel and type with `argument` and the type. Never throws. */
  call(channel: string, type: string, argument: unknown): void {
    const byType = this.byChannel.get(channel);
    const ofType = byType?.get(type) ?? [];
    const ofEvery = type === EVERY_TYPE ? [] : byType?.get(EVERY_TYPE) ?? [];
    // add() and remove() make new lists, so these lists don't change during the loop.
    for (const handler of [...ofType, ...ofEvery]) {
      try {
        handler(argument, type);
      } catch (error) {
        this.report(error);
      }
    }
  }
}
