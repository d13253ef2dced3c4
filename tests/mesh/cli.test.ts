import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { lastFirst } from '../support/cleanup.js';
import { testHome } from '../support/mesh.js';

const EXPERTS = join(projectRoot, 'models/octo-nano/experts');
const QUESTION = 'Mia has 112 cards and buys 330 more. How many cards now?';

const home = await testHome(lastFirst({ after }));
const { zmesh } = home;

/** Runs a command that must succeed and parses its JSON. */
async function json<T>(...args: readonly string[]): Promise<T> {
  const { code, out, err } = await zmesh(...args, '--json');
  assert.equal(code, 0, `${args.join(' ')}: ${err}`);
  return JSON.parse(out) as T;
}

interface Receipt {
  readonly strategy: string;
  readonly strategyUsed: string;
  readonly traceId: string;
  readonly arms?: readonly { readonly expert: string; readonly requested: string }[];
}

/** Asks and returns the text and the receipt. */
async function ask(...args: readonly string[]): Promise<{ text: string; receipt: Receipt }> {
  const { code, out, err } = await zmesh('generate', ...args, '--json');
  assert.equal(code, 0, err);
  const messages = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { delta?: { text?: string }; receipt?: Receipt });
  const text = messages.map(({ delta }) => delta?.text ?? '').join('');
  const receipt = messages.at(-1)?.receipt;
  assert.ok(receipt, 'the receipt comes last');
  return { text, receipt };
}

const expertOf = ({ receipt }: { receipt: Receipt }): string | undefined => receipt.arms?.[0]?.expert;

describe('the zmesh command with a running mesh', { concurrency: false }, () => {
  before(async () => {
    const { code, err } = await zmesh('up', '--detach');
    assert.equal(code, 0, err);
  });

  it('shows what runs and serves', async () => {
    const status = await zmesh('status');
    assert.equal(status.code, 0);
    for (const name of ['runner', 'nats-server', 'expert-registry', 'inference', 'dispatcher', 'traces'])
      assert.match(status.out, new RegExp(`^${name} +\\d+ .*(running|ready)`, 'm'));
    assert.match(status.out, /^octo-nano +llama +1\.67 M /m);
    const models = await zmesh('model', 'list');
    assert.match(models.out, /^octo-nano +prepared, served +llama /m);
    const shown = await zmesh('model', 'show', 'octo-nano');
    assert.match(shown.out, /^math +octo-nano\/math@[0-9a-f]{12} +arithmetic/m);
  });

  it('streams an answer and prints its receipt on request', async () => {
    const { code, out, err } = await zmesh('generate', '--expert', 'math', '--receipt', QUESTION);
    assert.equal(code, 0, err);
    assert.match(out, /answer 442/);
    assert.match(err, /^strategy +expert$/m);
    assert.match(err, /^mixture +1 × octo-nano\/math@[0-9a-f]{12} as math/m);
  });

  it('gives the same answer for the same seed, and several answers', async () => {
    const sampled = ['--temperature', '1', '--seed', '7', '-e', 'math', QUESTION] as const;
    assert.equal((await ask(...sampled)).text, (await ask(...sampled)).text);
    const three = await zmesh('generate', '-n', '3', '--temperature', '1', QUESTION);
    for (const number of [1, 2, 3]) assert.ok(three.out.includes(`[${number}] `));
  });

  it('classifies', async () => {
    const answer = await json<{ classification: { label: string; labels: unknown[] } }>('classify', QUESTION);
    assert.equal(answer.classification.label, 'math');
    assert.equal(answer.classification.labels.length, 4);
    assert.match((await zmesh('classify', QUESTION)).out, /^label +probability +expert\nmath /);
  });

  it('publishes an expert, moves an alias, and the next answer uses it', async () => {
    const before_ = expertOf(await ask('--expert', 'math', QUESTION));
    const other = await json<{ expert: { version: string }; created: boolean }>(
      ...[
        'experts',
        'publish',
        join(EXPERTS, 'code.safetensors'),
        '--name',
        'math',
        '--label',
        'math',
        '--alias',
        'canary',
      ],
    );
    assert.equal(other.created, true);
    const { version } = other.expert;
    assert.equal(expertOf(await ask('--expert', 'math@canary', QUESTION)), `octo-nano/math@${version}`);
    assert.equal(expertOf(await ask('--expert', 'math', QUESTION)), before_);

    const moved = await zmesh('experts', 'alias', 'math@stable', version.slice(0, 12));
    assert.equal(moved.code, 0, moved.err);
    assert.equal(expertOf(await ask('--expert', 'math', QUESTION)), `octo-nano/math@${version}`);
    const list = await zmesh('experts', 'list', 'math');
    assert.match(list.out, new RegExp(`^octo-nano/math +${version.slice(0, 12)} +canary, stable `, 'm'));

    const first = before_!.split('@')[1]!;
    const conflict = await zmesh('experts', 'alias', 'math@stable', first, '--expect', first);
    assert.equal(conflict.code, 1);
    assert.match(conflict.err, /^error: .*\(ALIAS_CONFLICT\)$/m);
    const back = await zmesh('experts', 'alias', 'math@stable', first, '--expect', 'canary');
    assert.equal(back.code, 0, back.err);
    assert.equal(expertOf(await ask('--expert', 'math', QUESTION)), before_);

    const inUse = await zmesh('experts', 'retire', `math@${version}`);
    assert.equal(inUse.code, 1);
    assert.match(inUse.err, /\(EXPERT_IN_USE\)\n {2}move or delete its aliases/);
    assert.equal((await zmesh('experts', 'alias', 'math@canary', '--delete')).code, 0);
    assert.equal((await zmesh('experts', 'retire', `math@${version}`)).code, 0);
    const retired = await zmesh('generate', '--expert', `math@${version}`, QUESTION);
    assert.equal(retired.code, 1);
    assert.match(retired.err, /^error: .*\(EXPERT_RETIRED\)$/m);
  });

  it('saves a version and its record to files, and what was saved is the same version again', async () => {
    const file = join(home.path, 'math.safetensors');
    const saved = await zmesh('experts', 'save', 'math@stable', '--out', file);
    assert.equal(saved.code, 0, saved.err);
    const record = JSON.parse(readFileSync(join(home.path, 'math.run.json'), 'utf8')) as { task: string };
    assert.equal(record.task, 'arithmetic');
    const again = await json<{ expert: { version: string }; created: boolean }>('experts', 'publish', file);
    assert.equal(again.created, false);
    assert.match(saved.out, new RegExp(`^octo-nano/math@${again.expert.version} written to `));
    const any = await zmesh('experts', 'save', 'math');
    assert.equal(any.code, 2);
    assert.match(any.err, /^error: say which version of math: @alias or @version\n/);
  });

  it('says what is wrong, with the reason and what to do', async () => {
    const unknown = await zmesh('generate', '--expert', 'poetry', QUESTION);
    assert.equal(unknown.code, 1);
    assert.match(unknown.err, /^error: .*poetry.*\(UNKNOWN_EXPERT\)\n {2}"zmesh experts list" shows/);
    assert.equal(unknown.out, '');
    const file = await zmesh('experts', 'publish', join(projectRoot, 'package.json'));
    assert.equal(file.code, 1);
    assert.match(file.err, /^error: .*\(BAD_SAFETENSORS\)$/m);
    const missing = await zmesh('experts', 'publish', '/nowhere/x.safetensors');
    assert.equal(missing.code, 1);
    assert.match(missing.err, /^error: .*no such file.*\n$/);
    const model = await zmesh('generate', '--model', 'gpt', QUESTION);
    assert.match(model.err, /^error: .*gpt.*\(UNKNOWN_MODEL\)$/m);
    const wrongFolder = await zmesh('model', 'import', join(projectRoot, 'docs'));
    assert.equal(wrongFolder.code, 1);
    assert.match(wrongFolder.err, /^error: /m);
    const late = await zmesh('generate', '--timeout', '0.001', '--max-tokens', '200', QUESTION);
    assert.equal(late.code, 1);
    assert.match(late.err, /\(DEADLINE\)/);
  });

  it('watches, verifies, exports and restores', async () => {
    const watch = await zmesh('experts', 'watch', '--once');
    assert.equal(watch.code, 0, watch.err);
    assert.match(watch.out, /^ +\d+ {2}published octo-nano\/math@[0-9a-f]{12}, label math/m);
    assert.match(watch.err, /^current at revision \d+$/m);
    const verified = await json<{ checked: number; faults: unknown[] }>('experts', 'verify');
    assert.ok(verified.checked >= 9, 'a model, at least four versions and four aliases');
    assert.deepEqual(verified.faults, []);
    const file = join(home.path, 'export.zmesh');
    const exported = await json<{ records: number }>('experts', 'export', file);
    const restored = await json<{ created: string; kept: string }>('experts', 'restore', file);
    assert.deepEqual(restored, { created: '0', kept: String(exported.records) });
  });

  it('measures strategies on a task and compares two of them in pairs', async () => {
    const task = join(projectRoot, 'models/octo-nano/tasks/arithmetic');
    const args = ['eval', task, '--limit', '12', '-s', 'none', '-s', 'expert:math', '--compare'] as const;
    const { code, out, err } = await zmesh(...args);
    assert.equal(code, 0, err);
    assert.match(out, /^arithmetic +12 +0\.\d\d \[.*\] +1\.00 \[\.7\d, 1\.00\]$/m);
    assert.match(out, /^arithmetic +12 +\+0\.\d{3} /m);
  });

  it('draws the trace of the last question, both passes in it', async () => {
    const { receipt } = await ask('--strategy', 'auto', QUESTION);
    const drawn = await zmesh('trace', receipt.traceId);
    assert.equal(drawn.code, 0, drawn.err);
    for (const part of ['zmesh-cli', 'first pass', 'second pass', 'engine decode'])
      assert.ok(drawn.out.includes(part), `${part} in\n${drawn.out}`);
    const last = await json<{ summary: { traceId: string } }>('trace', '--last');
    assert.equal(last.summary.traceId, receipt.traceId);
    assert.match((await zmesh('trace', '--stats')).out, /second pass/);
  });

  it('asks a service for its health as containers do', async () => {
    const { run } = await json<{ run: { processes: { name: string; address: string }[] } }>('status');
    for (const { name, address } of run.processes.filter(({ name: one }) =>
      /registry|inference|dispatcher/.test(one),
    )) {
      const health = await zmesh('health', address);
      assert.equal(health.out, 'SERVING\n', name);
    }
    assert.equal((await zmesh('health', '127.0.0.1:1')).code, 1);
  });

  it('cancels the call at Ctrl-C, with status 130', async () => {
    const running = home.start('dist/services/cli/main.js', [
      ...['generate', '--ignore-eos', '--temperature', '1', '-n', '32', '--json', QUESTION],
    ]);
    await running.says(/"started"|"delta"/);
    running.child.kill('SIGINT');
    assert.equal((await running.finished).code, 130);
  });

  it('stops the mesh', async () => {
    const { code, out } = await zmesh('down');
    assert.equal(code, 0);
    assert.equal(out, 'the mesh has stopped\n');
    assert.deepEqual(home.processes(), []);
  });
});
