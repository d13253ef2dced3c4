/** What a trainer keeps in NATS, by the subject of the publication; every publication of a job belongs to one of them. */
export const TRAINER_WRITES = [
  {
    what: 'an object (input, checkpoint, answers of a step): a part of it',
    subject: '\\$O\\.ZMESH_JOB_OBJECTS\\.C\\.',
  },
  { what: 'an object: its entry, or that it was removed', subject: '\\$O\\.ZMESH_JOB_OBJECTS\\.M\\.' },
  {
    what: 'the parts of a removed or replaced object go',
    subject: '\\$JS\\.API\\.STREAM\\.PURGE\\.OBJ_ZMESH_JOB_OBJECTS',
  },
  { what: "a job's record: made, claimed, in progress, over", subject: '\\$KV\\.ZMESH_JOBS\\.' },
  { what: 'a job in the queue', subject: 'zmesh\\.queue\\.' },
  { what: "a job's event", subject: 'zmesh\\.(training|adaptations)\\.' },
  { what: 'the lease: taken, given back', subject: '\\$KV\\.ZMESH_JOB_LEASES\\.' },
  { what: 'a job leaves the queue', subject: '\\$JS\\.ACK\\.ZMESH_QUEUE\\.' },
] as const;
export type TrainerWrite = (typeof TRAINER_WRITES)[number];

/** Publications that keep nothing: questions to the server, inboxes, and what is renewed by the clock. */
const KEEPS_NOTHING = /^(\$JS\.API\.(?!STREAM\.PURGE)|_INBOX\.|\$SRV)/;

/** One publication of a job: the `number`th of its kind. */
export interface JobWrite {
  readonly write: TrainerWrite;
  /** From 1. */
  readonly number: number;
}

/**
 * Every publication that a job made, in order, from the subjects of a whole process; those by the clock (leases are renewed, the
 * queue is told that work goes on) count once at their beginning. `unknown` are subjects of no known kind.
 */
export function enumerateWrites(subjects: readonly string[]): {
  readonly writes: readonly JobWrite[];
  readonly unknown: readonly string[];
} {
  const counts = new Map<TrainerWrite, number>();
  const writes: JobWrite[] = [];
  const unknown: string[] = [];
  for (const subject of subjects) {
    const write = TRAINER_WRITES.find((one) => new RegExp(`^${one.subject}`).test(subject));
    if (!write) {
      if (!KEEPS_NOTHING.test(subject)) unknown.push(subject);
      continue;
    }
    const number = (counts.get(write) ?? 0) + 1;
    counts.set(write, number);
    const byTheClock = /LEASES|ACK/.test(write.subject);
    if (!byTheClock || number === 1) writes.push({ write, number });
  }
  return { writes, unknown };
}
