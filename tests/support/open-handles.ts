import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

/** Files and sockets that a process holds open. Reads /proc on Linux; elsewhere it asks `lsof`. Throws if it is gone. */
export function openHandles(pid: number): number {
  if (process.platform === 'linux') return readdirSync(`/proc/${pid}/fd`).length;
  return (
    execFileSync('lsof', ['-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n').length - 1
  );
}
