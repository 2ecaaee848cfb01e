import type { Message } from "./messages.js";

export type Handler<M extends { type: string; channel: string } = Message> = (message: M) => unknown;

type AnyHandler = Handler<any>; // a page may narrow the message type of each handler as it likes

/**
 * Who listens to which type of which channel.
 *
 * Every handler of a message is called, in the order of registration, whatever the others do: one
 * that throws is reported, and one that adds or removes handlers changes only the next message.
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

  /** Calls the handlers of this message; never throws. */
  raise(message: Message): void {
    // add() and remove() make new lists, so this one holds still while we walk it.
    for (const handler of this.byChannel.get(message.channel)?.get(message.type) ?? []) {
      try {
        handler(message);
      } catch (error) {
        this.report(error);
      }
    }
  }
}
