import { test } from 'node:test';
import { findProgram, type Language } from '#shared/sandbox/runtimes.js';
import { openSandbox, type Sandbox } from '#shared/sandbox/sandbox.js';
import type { TrialResult } from '#shared/sandbox/trial.js';

/** Small limits: an answer that never ends costs a second of processor time. */
export const LIMITS = {
  cpuSeconds: 1,
  wallMs: 20_000,
  memoryBytes: 256 * 1024 * 1024,
  messageBytes: 256 * 1024,
};
/** What a program that only waits is given, milliseconds. */
export const SHORT_WALL_MS = 1500;

const opened = new Map<string, Promise<Sandbox>>();
const bwrap = await findProgram('bwrap');

/** A test that needs bubblewrap: skipped, with the line that installs it, where it is not installed, and only there. */
export function sandboxTest(title: string, work: () => Promise<void>): void {
  void test(title, { skip: bwrap === undefined && 'needs bubblewrap: apt-get install bubblewrap' }, work);
}

/** Tests a program in the sandbox under `LIMITS`; `wallMs` default theirs. */
export async function trial(
  language: Language,
  program: string,
  tests: string,
  wallMs = LIMITS.wallMs,
): Promise<TrialResult> {
  const key = `${language} ${wallMs}`;
  const sandbox = opened.get(key) ?? openSandbox({ languages: [language], limits: { ...LIMITS, wallMs } });
  opened.set(key, sandbox);
  return await (await sandbox).run(language, {
    judge: JSON.stringify({ kind: 'tests', names: ['f'], prompt: '', tests }),
    candidate: JSON.stringify({ program }),
  });
}
