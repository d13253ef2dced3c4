import { ZmeshError } from '#shared/errors.js';
import { quote } from '#shared/one-line.js';
import type { TokenizerJson } from './tokenizer-json.js';

/** What each token id adds to a text. */
export interface ByteTable {
  /** Bytes by id; an id without text (unused, special) is missing or empty. */
  readonly bytes: readonly (Uint8Array | undefined)[];
  /** Whether the first space of a text is an artefact of the tokenizer (SentencePiece) and is dropped. */
  readonly dropFirstSpace: boolean;
}

const NOTHING = new Uint8Array(0);

/**
 * Makes the table of a BPE tokenizer, byte-level (GPT-2's byte alphabet) or SentencePiece-like (`▁` and `<0xNN>`).
 * Special tokens add no text.
 * @throws ZmeshError INVALID_FIELD for a decoder that is neither.
 */
export function makeByteTable(json: TokenizerJson): ByteTable {
  const kinds = decoderKinds(json.decoder);
  const byteLevel = kinds.includes('ByteLevel');
  if (!byteLevel && !kinds.includes('ByteFallback') && !kinds.includes('Metaspace')) {
    const message = `tokenizer.json: decoder ${kinds.join('+') || 'none'} is not supported; supported are ByteLevel, ByteFallback and Metaspace`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'decoder', value: kinds.join('+') });
  }
  const bytes: (Uint8Array | undefined)[] = [];
  const toBytes = byteLevel ? byteLevelBytes : sentencePieceBytes;
  for (const [token, id] of Object.entries(json.model.vocab)) bytes[id] = toBytes(token);
  for (const { id, content, special } of json.added_tokens)
    bytes[id] = special ? NOTHING : Buffer.from(content);
  return { bytes, dropFirstSpace: kinds.includes('Strip') || kinds.includes('Metaspace') };
}

function decoderKinds(decoder: unknown): string[] {
  if (typeof decoder !== 'object' || decoder === null) return [];
  const { type, decoders } = decoder as { type?: unknown; decoders?: unknown };
  return Array.isArray(decoders) ? decoders.flatMap(decoderKinds) : [quote(type)];
}

function byteLevelBytes(token: string): Uint8Array {
  const bytes = Array.from(token, (character) => BYTE_OF_CHARACTER.get(character));
  // A vocabulary may hold text outside the byte alphabet (added words): it stands for itself.
  return bytes.includes(undefined) ? Buffer.from(token) : Uint8Array.from(bytes as number[]);
}

function sentencePieceBytes(token: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
  return byte === undefined
    ? Buffer.from(token.replaceAll('▁', ' '))
    : Uint8Array.of(Number.parseInt(byte, 16));
}

/** GPT-2's alphabet: printable Latin-1 bytes are themselves, the others take the characters from U+0100 on in order. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const alphabet = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    alphabet.set(String.fromCharCode(printable ? byte : next++), byte);
  }
  return alphabet;
})();
