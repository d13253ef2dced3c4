import type { StreamDecoder } from './model/stream-decoder.js';

/** What one more token did to an answer's text. */
export interface TextStep {
  /** Text that is certain now. */
  readonly text: string;
  /** The stop string that was met; nothing follows then. */
  readonly stop?: string;
}

/**
 * The text of one answer as its tokens come. Holds back only what may be the beginning of a stop string. Where tokens
 * end makes no difference: the stop string that is complete first, character by character, ends the answer before it;
 * of several complete at the same character, the longest.
 */
export class AnswerText {
  readonly #decoder: StreamDecoder;
  readonly #stops: readonly string[];
  #held = '';

  constructor(decoder: StreamDecoder, stops: readonly string[]) {
    this.#decoder = decoder;
    this.#stops = [...stops].sort((a, b) => b.length - a.length);
  }

  push(token: number): TextStep {
    return this.#add(this.#decoder.push(token));
  }

  /** The answer is over: what was held back, unless it completes a stop string. */
  end(): TextStep {
    const { text, stop } = this.#add(this.#decoder.end());
    if (stop !== undefined) return { text, stop };
    const held = this.#held;
    this.#held = '';
    return { text: text + held };
  }

  #add(piece: string): TextStep {
    const text = this.#held + piece;
    for (let end = this.#held.length + 1; end <= text.length; end++) {
      const stop = this.#stops.find((candidate) => text.endsWith(candidate, end));
      if (stop === undefined) continue;
      this.#held = '';
      return { text: text.slice(0, end - stop.length), stop };
    }
    const held = longestBeginning(text, this.#stops);
    this.#held = text.slice(text.length - held);
    return { text: text.slice(0, text.length - held) };
  }
}

/** Length of the longest end of `text` that begins one of the stop strings without completing it. */
function longestBeginning(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
