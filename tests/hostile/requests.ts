import { createHash } from 'node:crypto';
import type { Facts } from './facts.js';
import { METHODS, type Method } from './methods.js';
import { mutateBytes } from './mutate-bytes.js';
import { mutateFields } from './mutate-fields.js';
import { type Random, random } from './random.js';
import type { Schema } from './schema.js';
import { readingWords, SEEDS } from './seeds.js';
import { CHANGES, changingWords } from './seeds-registry.js';
import { format, parse } from './wire.js';

/** How a request's messages were made. */
export type Making = 'valid' | 'fields' | 'bytes' | 'random';

/** One hostile request. */
export interface HostileRequest {
  readonly method: Method;
  readonly making: Making;
  readonly messages: readonly Buffer[];
  /** True if the generated code makes messages of all of it: it gets past decoding. */
  readonly decodes: boolean;
  /** Deadline, milliseconds; undefined = as long as the campaign waits. */
  readonly deadlineMs: number | undefined;
  /** True if the deadline is told as the server's alone. */
  readonly serverTimeout: boolean;
  /** Cancels after so many answers; undefined = reads to the end, or as much as the campaign reads. */
  readonly cancelAfter: number | undefined;
}

/** Makes the requests of one seed: number i is the same whoever asks, in any order. */
export function hostileRequests(
  seed: number,
  { facts, schema }: { readonly facts: Facts; readonly schema: Schema },
): (index: number) => HostileRequest {
  const reading = readingWords(facts);
  const changing = changingWords(facts);
  return (index) => {
    const method = METHODS[index % METHODS.length]!;
    const from = random(seed, method.name, index);
    const known = CHANGES.has(method.name) ? changing : reading;
    const words = { random: from, known, vectors: facts.vectors };
    const making = makingOf(from);
    const given = SEEDS[method.name]!(facts, from);
    const valid = given instanceof Uint8Array ? [given] : given;
    const messages = valid.map((bytes) => {
      if (making === 'valid') return Buffer.from(bytes);
      if (making === 'random') return from.bytes(from.below(200));
      if (making === 'bytes') return mutateBytes(Buffer.from(bytes), from);
      const message = parse(schema, method.request, bytes);
      mutateFields(message, { schema, words });
      return format(message);
    });
    const decodes = messages.every((bytes) => method.decodes(bytes));
    return { method, making, messages, decodes, ...manners(from) };
  };
}

function makingOf(from: Random): Making {
  const kind = from.uniform();
  if (kind < 0.06) return 'random';
  if (kind < 0.22) return 'bytes';
  return kind < 0.27 ? 'valid' : 'fields';
}

/** Most callers wait; some come too late, run out of time, or leave. */
function manners(from: Random): Pick<HostileRequest, 'deadlineMs' | 'serverTimeout' | 'cancelAfter'> {
  const kind = from.uniform();
  const patient = { deadlineMs: undefined, serverTimeout: false, cancelAfter: undefined };
  if (kind < 0.02) return { ...patient, deadlineMs: -1000 };
  if (kind < 0.04) return { ...patient, deadlineMs: from.below(8) };
  if (kind < 0.06) return { ...patient, deadlineMs: from.below(8), serverTimeout: true };
  if (kind < 0.1) return { ...patient, cancelAfter: from.below(3) };
  return patient;
}

/** Adds requests to one hash, to compare what two runs sent. */
export function requestsDigest(): { add(request: HostileRequest): void; hex(): string } {
  const hash = createHash('sha256');
  return {
    add({ method, messages, deadlineMs, serverTimeout, cancelAfter }) {
      hash.update(`${method.path} ${deadlineMs} ${serverTimeout} ${cancelAfter} ${messages.length}`);
      for (const message of messages) hash.update(`${message.length} `).update(message);
    },
    hex: () => hash.digest('hex'),
  };
}
