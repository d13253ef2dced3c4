import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Bytes of a process that lie in memory. Reads /proc on Linux; elsewhere it asks `ps`. Throws if it is gone. */
export function residentBytes(pid: number): number {
  if (process.platform === 'linux') {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    if (line) return Number(line[1]) * 1024;
    throw new Error(`process ${pid} has ended`);
  }
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}
