/** Writes a warning to the console. */
export function warn(text: string, ...details: unknown[]): void {
  console.warn(`Hornet: ${text}`, ...details);
}
