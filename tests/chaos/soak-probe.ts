/**
 * A module that `npm run soak` loads into every service (NODE_OPTIONS, threads included): collects all garbage every ten seconds
 * and notes what the thread holds right after, one line of JSON in `<ZMESH_SOAK_MEMORY>/<pid>.jsonl`. Node leaves garbage lying
 * while it has room; what is there after a collection is what is held. With ZMESH_SOAK_SNAPSHOTS it also writes a heap snapshot
 * there at each of the given times.
 */
import { appendFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setFlagsFromString, writeHeapSnapshot } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadId } from 'node:worker_threads';
import { MEMORY_FOLDER, SNAPSHOT_FOLDER, SNAPSHOT_TIMES, type ThreadMemory } from './soak-notes.js';

const EVERY_MS = 10_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const notes = join(process.env[MEMORY_FOLDER]!, `${process.pid}.jsonl`);
const snapshots = process.env[SNAPSHOT_FOLDER];
/** Wall times, milliseconds, the first first. */
const times = (process.env[SNAPSHOT_TIMES] ?? '').split(',').filter(Boolean).map(Number);
const service = basename(dirname(process.argv[1] ?? ''));

setInterval(() => {
  collect();
  const { heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const memory: ThreadMemory = {
    atMs: Date.now(),
    thread: threadId,
    heapTotal,
    heapUsed,
    external,
    arrayBuffers,
  };
  appendFileSync(notes, `${JSON.stringify(memory)}\n`);
  if (snapshots === undefined || !(Date.now() >= times[0]!)) return;
  times.shift();
  writeHeapSnapshot(join(snapshots, `${service}-${process.pid}-${threadId}-${times.length}.heapsnapshot`));
}, EVERY_MS).unref();
