import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { crc32c } from './crc32c.js';

/** Scalars of one step. */
export interface ScalarPoint {
  readonly step: number;
  /** When, milliseconds of the epoch. */
  readonly timeMs: number;
  /** By tag, `training/reward`; undefined ones are left out. */
  readonly values: Readonly<Record<string, number | undefined>>;
}

/**
 * A TensorBoard event file with the scalars of a run: TFRecords of `tensorflow.Event`, the file version first, then one event a
 * step with all its scalars as f32. Equal points give equal bytes.
 * @param startMs what the first event is dated.
 */
export function eventFile(startMs: number, points: readonly ScalarPoint[]): Uint8Array {
  const version = event(startMs, 0).uint32(tag(3, LENGTH)).string('brain.Event:2').finish();
  return Buffer.concat([version, ...points.map(scalarEvent)].map(record));
}

/** The file name that TensorBoard looks for. */
export function eventFileName(startMs: number, origin: string): string {
  return `events.out.tfevents.${Math.floor(startMs / 1000)}.${origin.replace(/[^A-Za-z0-9_-]/g, '-')}`;
}

/** Wire types of protobuf. */
const LENGTH = 2;
const FIXED32 = 5;
const FIXED64 = 1;
const tag = (field: number, wire: number): number => field * 8 + wire;

/** The fields of `tensorflow.Event` that every event has: wall_time = 1 (double, seconds), step = 2 (int64; 0 is not written). */
function event(timeMs: number, step: number): BinaryWriter {
  const writer = new BinaryWriter().uint32(tag(1, FIXED64)).double(timeMs / 1000);
  return step === 0 ? writer : writer.uint32(tag(2, 0)).int64(step);
}

/** Event.summary = 5, Summary.value = 1 (repeated), Value.tag = 1, Value.simple_value = 2. */
function scalarEvent({ step, timeMs, values }: ScalarPoint): Uint8Array {
  const summary = new BinaryWriter();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    summary.uint32(tag(1, LENGTH)).fork();
    summary.uint32(tag(1, LENGTH)).string(name).uint32(tag(2, FIXED32)).float(value).join();
  }
  return event(timeMs, step).uint32(tag(5, LENGTH)).bytes(summary.finish()).finish();
}

/** One TFRecord: length (u64), its masked CRC, the bytes, their masked CRC; all little-endian. */
function record(data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length));
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc(data));
  return Buffer.concat([head, data, tail]);
}

/** A CRC of data that holds CRCs itself: rotated right by 15 and offset, as TFRecord has it. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
