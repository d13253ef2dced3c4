import type { ToEngine } from './protocol.js';

/** Messages that came in and were not handled yet. */
export class Inbox {
  #messages: ToEngine[] = [];
  #wake: (() => void) | null = null;

  push(message: ToEngine): void {
    this.#messages.push(message);
    this.#wake?.();
    this.#wake = null;
  }

  /** True if a person's request is among them. */
  get urgent(): boolean {
    return this.#messages.some(
      (message) =>
        (message.type === 'generate' || message.type === 'score') && message.priority === 'interactive',
    );
  }

  /** All of them, in order; empties the box. */
  takeAll(): readonly ToEngine[] {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  /** Resolves as soon as there is one. */
  arrival(): Promise<void> {
    if (this.#messages.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
