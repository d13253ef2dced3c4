import type { Random } from './random.js';

type Mutation = (bytes: Buffer, random: Random) => Buffer;

/** Damages an encoded message without looking at what it says. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  return random.pick(MUTATIONS)(bytes, random);
}

const flip: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  for (let i = random.pick([1, 1, 2, 8]); i > 0 && copy.length > 0; i -= 1) {
    const at = random.below(Math.min(copy.length, 4096));
    copy[at] = copy[at]! ^ (1 << random.below(8));
  }
  return copy;
};

const truncate: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1));

const duplicate: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes, bytes.subarray(at, at + random.below(500))]);
};

const insert: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(12)), bytes.subarray(at)]);
};

/** A field whose length passes the end of the message by little, by gigabytes, or by more than 64 bits say. */
const oversize: Mutation = (bytes, random) => {
  const lengths = ['7f', 'ffffffff07', 'ffffffff0f', 'ffffffffffffffffff01', 'ffffffffffffffffffffff01'];
  const tag = Buffer.of(((1 + random.below(8)) << 3) | 2);
  return Buffer.concat([bytes, tag, Buffer.from(random.pick(lengths), 'hex')]);
};

/** Groups in groups, or messages in messages, far deeper than any stack. */
const nest: Mutation = (bytes, random) => {
  const depth = random.pick([10, 99, 101, 5000, 60_000]);
  const start = Buffer.of(random.chance(0.5) ? 0x7b : 0x1b);
  const ends = random.chance(0.5) ? Buffer.alloc(depth, start[0]! + 1) : Buffer.alloc(0);
  return Buffer.concat([bytes, Buffer.alloc(depth, start), ends]);
};

const noise: Mutation = (_, random) => random.bytes(random.below(300));

const MUTATIONS: readonly Mutation[] = [
  flip,
  flip,
  flip,
  truncate,
  truncate,
  duplicate,
  insert,
  oversize,
  nest,
  noise,
];
