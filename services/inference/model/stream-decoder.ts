import type { ByteTable } from './byte-table.js';

/** Turns the token ids of one answer into text as they come. */
export interface StreamDecoder {
  /** The text that this id completes; never part of a UTF-8 character, so it may be empty. */
  push(id: number): string;
  /** What is left at the end: U+FFFD for a character that stayed incomplete. */
  end(): string;
}

/**
 * Makes a decoder. The pieces joined are the text of all ids decoded at once, whatever they are: bytes that are not UTF-8
 * become U+FFFD as in the WHATWG standard, special tokens and unknown ids add nothing.
 */
export function createStreamDecoder(table: ByteTable): StreamDecoder {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  let dropSpace = table.dropFirstSpace;
  const emit = (text: string): string => {
    if (!dropSpace || text === '') return text;
    dropSpace = false;
    return text.startsWith(' ') ? text.slice(1) : text;
  };
  return {
    push: (id) => emit(utf8.decode(table.bytes[id], { stream: true })),
    end: () => emit(utf8.decode()),
  };
}
