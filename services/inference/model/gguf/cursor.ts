import { badGguf } from './errors.js';

/** Thrown when the window ends before the value does: read a larger window, or the file is cut short. */
export class WindowTooSmall extends Error {}

/** A value of the metadata. 64-bit integers are numbers where they are exact, else refused. */
export type MetadataValue = number | boolean | string | readonly MetadataValue[];

const SCALAR_BYTES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
/** Elements of all arrays together: tokens, scores, types and merges of some 260 000 tokens are about 1.5 million. */
const ELEMENTS_MAX = 4_194_304;
const STRING_TYPE = 8;
const ARRAY_TYPE = 9;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads little-endian values one after another from the beginning of a file that is held in a window. */
export class Cursor {
  position = 0;
  #elements = 0;
  readonly #window: Buffer;
  readonly #fileBytes: number;
  readonly #file: string;

  constructor(window: Buffer, fileBytes: number, file: string) {
    this.#window = window;
    this.#fileBytes = fileBytes;
    this.#file = file;
  }

  u32(): number {
    return this.#window.readUInt32LE(this.#take(4));
  }

  /** A count or length: refused above 2^53, and where that many things of `bytesEach` cannot fit into the rest of the file, or above `most`. */
  count(what: string, bytesEach: number, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.#window.readBigUInt64LE(this.#take(8));
    const room = this.#fileBytes - this.position;
    if (value * BigInt(bytesEach) > BigInt(room)) {
      throw badGguf(this.#file, `${what} is ${value}, more than the ${room} bytes that follow can hold`, {
        limit: Math.floor(room / bytesEach),
      });
    }
    if (value > most) throw badGguf(this.#file, `${what} is ${value}, the limit is ${most}`, { limit: most });
    return Number(value);
  }

  u64(what: string): number {
    const value = this.#window.readBigUInt64LE(this.#take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badGguf(this.#file, `${what} is ${value}`);
    return Number(value);
  }

  string(what: string): string {
    const length = this.count(`the length of ${what}`, 1);
    const start = this.#take(length);
    try {
      return UTF8.decode(this.#window.subarray(start, start + length));
    } catch (cause) {
      throw badGguf(this.#file, `${what} is not UTF-8`, { cause });
    }
  }

  value(what: string, type: number): MetadataValue {
    if (type === STRING_TYPE) return this.string(what);
    if (type !== ARRAY_TYPE) return this.#scalar(what, type);
    const elementType = this.u32();
    const bytesEach = elementType === STRING_TYPE ? 8 : SCALAR_BYTES[elementType];
    if (bytesEach === undefined)
      throw badGguf(this.#file, `${what} is an array of type ${elementType}, which is not known`);
    const length = this.count(`the length of ${what}`, bytesEach);
    this.#elements += length;
    if (this.#elements > ELEMENTS_MAX) {
      throw badGguf(this.#file, `its lists have more than ${ELEMENTS_MAX} elements (${what} has ${length})`, {
        limit: ELEMENTS_MAX,
        value: length,
      });
    }
    const values: MetadataValue[] = [];
    for (let i = 0; i < length; i++)
      values.push(elementType === STRING_TYPE ? this.string(what) : this.#scalar(what, elementType));
    return values;
  }

  #scalar(what: string, type: number): number | boolean {
    const bytes = SCALAR_BYTES[type];
    if (bytes === undefined) throw badGguf(this.#file, `${what} has type ${type}, which is not known`);
    const at = this.#take(bytes);
    switch (type) {
      case 0:
        return this.#window.readUInt8(at);
      case 1:
        return this.#window.readInt8(at);
      case 2:
        return this.#window.readUInt16LE(at);
      case 3:
        return this.#window.readInt16LE(at);
      case 4:
        return this.#window.readUInt32LE(at);
      case 5:
        return this.#window.readInt32LE(at);
      case 6:
        return this.#window.readFloatLE(at);
      case 7:
        return this.#window.readUInt8(at) !== 0;
      case 12:
        return this.#window.readDoubleLE(at);
      default:
        return this.#exact(
          what,
          type === 10 ? this.#window.readBigUInt64LE(at) : this.#window.readBigInt64LE(at),
        );
    }
  }

  #exact(what: string, value: bigint): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))
      throw badGguf(this.#file, `${what} is ${value}, too large`);
    return Number(value);
  }

  #take(bytes: number): number {
    const start = this.position;
    if (start + bytes > this.#fileBytes)
      throw badGguf(this.#file, `cut short: it ends at byte ${this.#fileBytes}, inside its header`, {
        value: this.#fileBytes,
      });
    if (start + bytes > this.#window.length) throw new WindowTooSmall();
    this.position = start + bytes;
    return start;
  }
}
