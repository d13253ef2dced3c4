import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '#shared/sandbox/runtimes.js';
import { openSandbox } from '#shared/sandbox/sandbox.js';
import { verify } from '#shared/tasks/verifier.js';
import { question } from '../check.js';

/** A path on which there are only a bubblewrap that behaves so, and prlimit. */
async function withBubblewrap(
  script: string | undefined,
  work: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'zmesh-sandbox-'));
  try {
    if (script !== undefined) {
      await writeFile(join(folder, 'bwrap'), `#!/bin/sh\n${script}\n`);
      await chmod(join(folder, 'bwrap'), 0o755);
    }
    await symlink((await findProgram('prlimit'))!, join(folder, 'prlimit'));
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Elsewhere the sandbox is refused before it looks for bubblewrap. */
const onLinux = (title: string, work: () => Promise<void>): void =>
  void test(title, { skip: process.platform !== 'linux' && 'needs Linux' }, work);

const refusal = (message: RegExp) => ({
  reason: 'SANDBOX_UNAVAILABLE',
  code: 'FAILED_PRECONDITION',
  message,
});

onLinux('without bubblewrap programs are refused with the line that installs it', async () => {
  await withBubblewrap(undefined, async (path) => {
    await assert.rejects(
      openSandbox({ languages: ['javascript'], env: { PATH: path } }),
      refusal(
        /bubblewrap \(bwrap\) is not installed\. They are never run unprotected\. Remedy: apt-get install bubblewrap$/,
      ),
    );
  });
});

onLinux('where bubblewrap may not make name spaces, its complaint and what helps are told', async () => {
  const complaint = 'bwrap: setting up uid map: Permission denied';
  await withBubblewrap(`echo "${complaint}" >&2; exit 1`, async (path) => {
    await assert.rejects(
      openSandbox({ languages: ['javascript'], env: { PATH: path } }),
      refusal(/setting up uid map: Permission denied.*Remedy: .*sysctl/),
    );
  });
});

onLinux('a bubblewrap that starts nothing is noticed', async () => {
  await withBubblewrap('exit 0', async (path) => {
    await assert.rejects(
      openSandbox({ languages: ['javascript'], env: { PATH: path } }),
      refusal(/did not start/),
    );
  });
});

test('without a sandbox a program is not run, whatever else is known', async () => {
  const verifier = { type: 'unit-tests', language: 'python', entry_point: 'f', tests: 'assert f()' } as const;
  await assert.rejects(
    async () => await verify('def f(): return True', question(verifier)),
    refusal(/sandbox alone/),
  );
});
