import type { Message } from "./messages.js";

export type Handler<M extends { type: string; channel: string } = Message> = (message: M) => unknown;

/** In place of a type: each of them. */
const EVERY_TYPE = "*";

type AnyHandler = Handler<any>; // a page may narrow the message type of each handler as it likes

/**
 * Who listens to which type of which channel.
 *
 * Every handler of a message is called, those of its type in the order of registration and then those of every
 * type, whatever the others do: one that throws is reported, and one that adds or removes handlers changes only
 * the next message.
 */
export class Handlers {
  private readonly byChannel = new Map<string, Map<string, AnyHandler[]>>();

  constructor(private readonly report: (error: unknown) => void) {}

  add(channel: string, type: string, handler: AnyHandler): void {
    let byType = this.byChannel.get(channel);
    if (!byType) this.byChannel.set(channel, (byType = new Map()));
    byType.set(type, [...(byType.get(type) ?? []), handler]);
  }

  /** Removes the handler once; a handler that was added twice stays once. */
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

  /** Calls the handlers of this message, which are those of its channel unless others are named; never throws. */
  raise(message: Message, channel = message.channel): void {
    const byType = this.byChannel.get(channel);
    const ofType = byType?.get(message.type) ?? [];
    const ofEvery = message.type === EVERY_TYPE ? [] : byType?.get(EVERY_TYPE) ?? [];
    // add() and remove() make new lists, so these hold still while we walk them.
    for (const handler of [...ofType, ...ofEvery]) {
      try {
        handler(message);
      } catch (error) {
        this.report(error);
      }
    }
  }
}
