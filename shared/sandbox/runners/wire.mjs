/** Values between the judge and the candidate: JSON, with tags for what JSON does not have. Both ends are Node. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

const CHANNEL_FD = 3;
const pause = new Int32Array(new SharedArrayBuffer(4));
let chunks = [];

/** The next line; undefined at the end. Blocks, so that a test can call a function of the answer's as if it were here. */
export function readLine() {
  for (;;) {
    const end = chunks.length > 0 ? chunks.at(-1).indexOf(10) : -1;
    if (end >= 0) {
      const last = chunks.pop();
      const line = Buffer.concat([...chunks, last.subarray(0, end)]).toString('utf8');
      chunks = end + 1 < last.length ? [last.subarray(end + 1)] : [];
      return line;
    }
    const buffer = Buffer.alloc(65536);
    const count = onceReady(() => readSync(CHANNEL_FD, buffer));
    if (count === 0) return undefined;
    chunks.push(buffer.subarray(0, count));
  }
}

/** From here on complaints go nowhere, as what is printed does: nobody reads them, and a flood of them would cost zmesh its time. */
export function beQuiet() {
  closeSync(2);
  // The lowest number that is free.
  if (openSync('/dev/null', 'w') !== 2) throw new Error('the place of stderr was taken');
}

/** Sends a line. */
export function say(line) {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) rest = rest.subarray(onceReady(() => writeSync(CHANNEL_FD, rest)));
}

function onceReady(work) {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

/** `value` as what JSON can hold; `opaque(value)` gives the tag of what is not plain data. Throws for a value that holds itself. */
export function encode(value, opaque, within = []) {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { t: 'number', v: Object.is(value, -0) ? '-0' : String(value) };
  if (value === undefined) return { t: 'undefined', v: 0 };
  if (typeof value === 'bigint') return { t: 'bigint', v: value.toString(16) };
  if (typeof value !== 'object') return opaque(value);
  if (within.includes(value)) throw new TypeError('a value holds itself');
  const inner = (item) => encode(item, opaque, [...within, value]);
  if (Array.isArray(value)) return Array.from(value, inner);
  if (value instanceof Map) return { t: 'map', v: Array.from(value, ([k, v]) => [inner(k), inner(v)]) };
  if (value instanceof Set) return { t: 'set', v: Array.from(value, inner) };
  if (value instanceof Date) return { t: 'date', v: String(value.getTime()) };
  const parent = Object.getPrototypeOf(value);
  if (parent !== Object.prototype && parent !== null) return opaque(value);
  return { t: 'object', v: Object.keys(value).map((key) => [key, inner(value[key])]) };
}

/** A value from what JSON held; `opaque(tag)` gives the object of a tag. Only data is made. */
export function decode(value, opaque) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => decode(item, opaque));
  const { t, v } = value;
  if (t === 'number') return Number(v);
  if (t === 'undefined') return undefined;
  if (t === 'bigint') return v.startsWith('-') ? -BigInt(`0x${v.slice(1)}`) : BigInt(`0x${v}`);
  if (t === 'map') return new Map(v.map(([k, item]) => [decode(k, opaque), decode(item, opaque)]));
  if (t === 'set') return new Set(v.map((item) => decode(item, opaque)));
  if (t === 'date') return new Date(Number(v));
  if (t === 'object') return Object.fromEntries(v.map(([key, item]) => [String(key), decode(item, opaque)]));
  return opaque(value);
}
