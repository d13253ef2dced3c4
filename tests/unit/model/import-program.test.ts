import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { ImportEvent } from '#services/inference/model/import-event.js';
import { projectRoot } from '#shared/paths.js';
import { copyCheckpoint, editJson } from '../../support/checkpoint-folder.js';
import { temporaryFolder } from '../../support/safetensors-cases.js';

const PROGRAM = join(projectRoot, 'dist/services/inference/import.js');
const OCTO = join(projectRoot, 'models/octo-nano');

interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: readonly string[];
  readonly stderr: string;
}

/** Runs the program; `onLine` sees each line of stdout as it comes. */
async function runImport(
  home: string,
  args: readonly string[],
  onLine: (line: string, child: ChildProcess) => void = () => {},
): Promise<Finished> {
  // One back end for both runs that are compared, so that their rounding is the same.
  const env = { ...process.env, ZMESH_HOME: home, ZMESH_SVD_GEMM: 'wasm' };
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout: string[] = [];
  let stderr = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout.push(line);
    onLine(line, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

const eventsOf = ({ stdout }: Finished): ImportEvent[] =>
  stdout.map((line) => JSON.parse(line) as ImportEvent);

async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'base64');
    files.set(path.slice(folder.length), entry.name === 'model.json' ? await withoutTime(path) : text);
  }
  return files;
}

async function withoutTime(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).replace(/"preparedAt": "[^"]*"/, '');
}

test('killed half way with -9 and started again: goes on where it was, and the result is the same to the byte', async (t) => {
  const [whole, cut] = [await temporaryFolder(t), await temporaryFolder(t)];
  const args = [OCTO, '--adapt', 'all', '--jobs', '1', '--json'];
  assert.equal((await runImport(whole, args)).status, 0);
  let matrices = 0;
  const killed = await runImport(cut, args, (line, child) => {
    if (line.includes('"type":"matrix"') && ++matrices === 3) child.kill('SIGKILL');
  });
  assert.equal(killed.signal, 'SIGKILL');
  const folder = join(cut, 'models/octo-nano');
  assert.ok(!(await readdir(folder)).includes('model.json'));
  const resumed = await runImport(cut, args);
  assert.equal(resumed.status, 0, resumed.stderr);
  const plan = eventsOf(resumed).find((event) => event.type === 'plan');
  assert.ok(
    plan?.type === 'plan' && plan.reused >= 3 && plan.reused < 28 && plan.reused + plan.matrices === 28,
  );
  assert.deepEqual(await contents(folder), await contents(join(whole, 'models/octo-nano')));
});

test('events: one JSON object a line, work and time left go steadily, the end names folder and fingerprint', async (t) => {
  const home = await temporaryFolder(t);
  const finished = await runImport(home, [OCTO, '--name', 'other', '--json']);
  const events = eventsOf(finished);
  assert.deepEqual(
    events.map(({ type }) => type).filter((type) => type !== 'matrix' && type !== 'hash'),
    ['checkpoint', 'plan', 'done'],
  );
  const matrices = events.filter((event) => event.type === 'matrix');
  assert.deepEqual(
    matrices.map(({ done }) => done),
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  assert.ok(matrices.every(({ share }, i) => share > (matrices[i - 1]?.share ?? 0)));
  assert.deepEqual([matrices.at(-1)?.share, matrices.at(-1)?.secondsLeft], [1, 0]);
  const done = events.at(-1);
  assert.ok(
    done?.type === 'done' &&
      done.folder === join(home, 'models/other') &&
      /^[0-9a-f]{64}$/.test(done.fingerprint),
  );
  assert.equal(finished.stderr, '');
});

test('for people: plain lines with error and time left; the second time it says that it is current', async (t) => {
  const home = await temporaryFolder(t);
  const first = await runImport(home, [OCTO, '--jobs', '2']);
  assert.match(
    first.stderr,
    /^octo-nano: llama, 1\.7 M parameters\ndecomposing 12 matrices \(mlp\), 2 at a time\n/,
  );
  assert.match(
    first.stderr,
    /\n12 of 12 model\.layers\.\d\.mlp\.\w+\.weight \d+×\d+ in [\d.]+ s, error \d\.\de-8, 0 s left\n/,
  );
  assert.match(
    first.stderr,
    /octo-nano is prepared in \d+ s: 12 matrices, largest error \d\.\de-8, fingerprint [0-9a-f]{12}, /,
  );
  assert.ok(!first.stderr.includes('\x1b'));
  const second = await runImport(home, [OCTO]);
  assert.equal(second.status, 0);
  assert.match(second.stderr, /octo-nano is prepared and current: 12 matrices/);
  assert.deepEqual(second.stdout, []);
});

test('a wrong folder is one clear line and status 1; under --json it is an event', async (t) => {
  const home = await temporaryFolder(t);
  const checkpoint = await copyCheckpoint(t, 'qwen2-bias');
  await editJson(checkpoint, 'config.json', { model_type: 'gemma3' });
  const refused = await runImport(home, [checkpoint]);
  assert.equal(refused.status, 1);
  assert.match(
    refused.stderr,
    /^error: .*config\.json: architecture `gemma3` is not supported; supported are llama, mistral, qwen2, qwen3 \(INVALID_FIELD\)\n$/,
  );
  const [event] = eventsOf(await runImport(home, [join(home, 'nowhere'), '--json']));
  assert.ok(
    event?.type === 'error' &&
      event.reason === 'INVALID_FIELD' &&
      /there is no such folder/.test(event.message),
  );
});

const USAGE: readonly [args: string[], message: RegExp][] = [
  [[], /exactly one folder/],
  [[OCTO, 'b'], /exactly one folder/],
  [[OCTO, '--adapt', 'some'], /--adapt must be mlp or all, it is some/],
  [[OCTO, '--jobs', '0'], /--jobs must be an integer from 1 to 256, it is 0/],
  [[OCTO, '--name', 'a/b'], /--name/],
  [[OCTO, '--frob'], /Unknown option '--frob'/],
];

test('wrong usage is status 2, with the usage', async (t) => {
  const home = await temporaryFolder(t);
  const runs = await Promise.all(
    USAGE.map(async ([args, message]) => ({ message, run: await runImport(home, args) })),
  );
  for (const { message, run } of runs) {
    assert.equal(run.status, 2, run.stderr);
    assert.match(run.stderr, message);
    assert.match(run.stderr, /\nusage: import /);
  }
});
