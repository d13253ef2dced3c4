import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** Keeps all threads of a process on one core; false where the system has no `taskset` or no second core. */
export function pin(pid: number, core: number): boolean {
  if (process.platform !== 'linux' || availableParallelism() < 2) return false;
  try {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}
