import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Environment of a probed service: where its notes go, where its heap snapshots go, and when these are written. */
export const MEMORY_FOLDER = 'ZMESH_SOAK_MEMORY';
export const SNAPSHOT_FOLDER = 'ZMESH_SOAK_SNAPSHOTS';
export const SNAPSHOT_TIMES = 'ZMESH_SOAK_SNAPSHOT_TIMES';

/** What a thread holds right after a collection, bytes; `external` counts `arrayBuffers` too. */
export interface ThreadMemory {
  /** Wall time. */
  readonly atMs: number;
  /** 0 = the main thread. */
  readonly thread: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
}

/** The newest note of each thread of a process; empty where it has made none, as nats-server. */
export function threadsOf(folder: string, pid: number): readonly ThreadMemory[] {
  const file = join(folder, `${pid}.jsonl`);
  if (!existsSync(file)) return [];
  const newest = new Map<number, ThreadMemory>();
  // The last line may be in the making.
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const memory = JSON.parse(line) as ThreadMemory;
    newest.set(memory.thread, memory);
  }
  return [...newest.values()].sort((a, b) => a.thread - b.thread);
}
