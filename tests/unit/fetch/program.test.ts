import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { COMMIT, type FakeHub, fakeHub } from './fake-hub.js';

const SOURCE = join(projectRoot, 'tests/golden/models/llama-tied-gqa');
const NAME = 'someone/Llama-Tied.GQA';

async function hubWithModel(t: TestContext): Promise<FakeHub> {
  const names = readdirSync(SOURCE).filter((name) =>
    /^(config|generation_config)\.json$|^model\.safetensors$/.test(name),
  );
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(SOURCE, name))]));
  return fakeHub(t, { name: NAME, files, large: ['model.safetensors'] });
}

function emptyHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'zmesh-fetch-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  return home;
}

interface Program {
  readonly child: ChildProcess;
  out: string;
  err: string;
  readonly ended: Promise<number | null>;
}

function zmesh(home: string, hub: string, args: readonly string[]): Program {
  const env = { ...process.env, ZMESH_HOME: home, HF_ENDPOINT: hub };
  const child = spawn(process.execPath, [join(projectRoot, 'dist/services/cli/main.js'), ...args], { env });
  const ended = new Promise<number | null>((resolve) => void child.on('close', resolve));
  const program: Program = { child, out: '', err: '', ended };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    program.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    program.err += text;
  });
  return program;
}

test('zmesh model fetch downloads, prepares under the repository’s name, and says what it does', async (t) => {
  const hub = await hubWithModel(t);
  const home = emptyHome(t);
  const first = zmesh(home, hub.url, ['model', 'fetch', NAME]);
  assert.equal(await first.ended, 0, first.err);
  assert.match(first.err, /^fetching someone\/Llama-Tied\.GQA@c0ffee012345: 3 files, 52\d\.\d kB, to /);
  assert.match(first.err, /\nfetched and checked 52\d\.\d kB in \d s: /);
  assert.match(first.err, /\nllama-tied\.gqa is prepared in \d s: /);
  assert.ok(existsSync(join(home, 'models/llama-tied.gqa/model.json')));

  const second = zmesh(home, hub.url, ['model', 'fetch', NAME, '--json']);
  assert.equal(await second.ended, 0, second.err);
  const events = second.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; reused?: boolean });
  assert.deepEqual(
    events.map(({ type }) => type),
    ['fetched', 'checkpoint', 'done'],
  );
  assert.equal(events.at(-1)?.reused, true);
});

test('a fetch that was killed half-way goes on there', async (t) => {
  const hub = await hubWithModel(t);
  const home = emptyHome(t);
  hub.faults.set('model.safetensors', [{ silentAfter: 300_000 }]);
  const entry = join(projectRoot, 'dist/services/inference/fetch.js');
  const killed = spawn(process.execPath, [entry, NAME], {
    env: { ...process.env, ZMESH_HOME: home, HF_ENDPOINT: hub.url },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => void killed.on('close', resolve));
  const folder = join(home, 'cache/hub', NAME.replace('/', '--'), COMMIT);
  const partial = join(folder, 'model.safetensors.partial');
  for (
    const giveUp = Date.now() + 20_000;
    !(existsSync(partial) && readFileSync(partial).length >= 300_000);
  ) {
    assert.ok(Date.now() < giveUp, 'nothing came');
    await new Promise((go) => setTimeout(go, 20));
  }
  killed.kill('SIGKILL');
  await ended;
  assert.equal(existsSync(join(folder, 'model.safetensors')), false);

  const again = zmesh(home, hub.url, ['model', 'fetch', NAME, '--name', 'mine']);
  assert.equal(await again.ended, 0, again.err);
  assert.deepEqual(
    hub.contentSeen.map(({ range }) => range),
    [undefined, 'bytes=300000-'],
  );
  assert.deepEqual(
    readFileSync(join(folder, 'model.safetensors')),
    readFileSync(join(SOURCE, 'model.safetensors')),
  );
  assert.ok(existsSync(join(home, 'models/mine/model.json')));
});

test('what fails is one line with its reason and exit status 1; wrong usage is status 2', async (t) => {
  const hub = await hubWithModel(t);
  const home = emptyHome(t);
  const missing = zmesh(home, hub.url, ['model', 'fetch', `${NAME}@v2`]);
  assert.equal(await missing.ended, 1);
  assert.equal(missing.err, `error: ${hub.url} has no ${NAME} at revision v2 (UNKNOWN_MODEL)\n`);
  for (const [args, message] of [
    [['tiny'], /^error: tiny is neither a known model \(smollm2-135m\) nor a repository owner\/repo\n/],
    [['smollm2-135m', '--file', 'x.gguf'], /^error: --file is for repositories, smollm2-135m is one file\n/],
    [
      [NAME, '--file', '../x.gguf'],
      /^error: --file must be the path of a \.gguf file in the repository, it is "\.\.\/x\.gguf"\n/,
    ],
    [[NAME, '--name', 'No Name'], /^error: --name/],
  ] as const) {
    const wrong = zmesh(home, hub.url, ['model', 'fetch', ...args]);
    assert.equal(await wrong.ended, 2);
    assert.match(wrong.err, message);
  }
  assert.equal(existsSync(join(home, 'models')), false);
});
