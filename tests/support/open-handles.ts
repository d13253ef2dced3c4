import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';

/** Files and sockets that a process holds open. Reads /proc on Linux; elsewhere it asks `lsof`. Throws if it is gone. */
export function openHandles(pid: number): number {
  if (process.platform === 'linux') return readdirSync(`/proc/${pid}/fd`).length;
  return (
    execFileSync('lsof', ['-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n').length - 1
  );
}

/** The same by kind: sockets, pipes, events, files, whatever was opened; elsewhere than on Linux all are `open`. */
export function openHandleKinds(pid: number): ReadonlyMap<string, number> {
  if (process.platform !== 'linux') return new Map([['open', openHandles(pid)]]);
  const kinds = new Map<string, number>();
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    const kind = kindOf(`/proc/${pid}/fd/${name}`);
    if (kind !== undefined) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}

/** Undefined if it was closed meanwhile. */
function kindOf(link: string): string | undefined {
  try {
    const target = readlinkSync(link);
    if (target.startsWith('/')) return 'file';
    return target.replace(/^anon_inode:/, '').replaceAll(/[[\]]|:.*$/g, '');
  } catch {
    return undefined;
  }
}
