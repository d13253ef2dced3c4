import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Bytes of a process that lie in memory. Reads /proc on Linux; elsewhere it asks `ps`. Throws if it is gone. */
export function residentBytes(pid: number): number {
  if (process.platform === 'linux') return residentParts(pid).all;
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}

/** Resident bytes of a process on Linux: all, and of it what is its own and what lies in files too (programs, mapped weights). */
export interface ResidentParts {
  readonly all: number;
  readonly anonymous: number;
  readonly files: number;
}

/** Reads /proc, so on Linux alone. Throws if the process is gone. */
export function residentParts(pid: number): ResidentParts {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string): number => {
    const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status);
    if (line) return Number(line[1]) * 1024;
    throw new Error(`process ${pid} has ended`);
  };
  return { all: bytes('VmRSS'), anonymous: bytes('RssAnon'), files: bytes('RssFile') };
}
