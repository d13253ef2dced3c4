import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { COMMANDS } from '#services/cli/commands.js';
import { findCommand, runCommandLine } from '#services/cli/run.js';
import { fakeIo } from '../../support/fake-io.js';

const nowhere = { ZMESH_HOME: mkdtempSync(join(tmpdir(), 'zmesh-none-')) };

async function run(line: readonly string[], input?: string) {
  const io = fakeIo({ env: nowhere, ...(input === undefined ? {} : { input }) });
  const code = await runCommandLine(line, io);
  return { code, out: io.written(), err: io.complained() };
}

/** The words of a shell line whose only quotes are double ones. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

describe('the zmesh command line', () => {
  it('lists every command of the issue in its help', async () => {
    const { code, out } = await run(['--help']);
    assert.equal(code, 0);
    for (const path of [
      ...['up', 'down', 'status', 'generate', 'classify', 'eval', 'trace'],
      ...['import', 'list', 'show'].map((verb) => `model ${verb}`),
      ...['list', 'show', 'publish', 'alias', 'retire', 'watch', 'verify', 'export', 'restore'].map(
        (verb) => `experts ${verb}`,
      ),
    ])
      assert.match(out, new RegExp(`^  ${path}[ <]`, 'm'), path);
  });

  it('shows help with examples for each command, and --json in all of them', async () => {
    for (const { path } of COMMANDS) {
      const { code, out } = await run([...path.split(' '), '--help']);
      assert.equal(code, 0, path);
      assert.match(out, /Examples/, path);
      assert.match(out, new RegExp(`zmesh ${path}`), path);
      assert.match(out, /--json/, path);
    }
  });

  it('names only options in its examples that the command has', () => {
    for (const command of COMMANDS) {
      for (const example of command.examples) {
        const found = findCommand(words(example));
        assert.equal(found?.command.path, command.path, example);
        const given = words(example).flatMap((word) => /^--([a-z-]+)$/.exec(word)?.[1] ?? []);
        for (const name of given) assert.ok(name in command.options, `${example}: --${name}`);
      }
    }
  });

  it('answers 2 and a hint to an unknown command', async () => {
    const { code, err, out } = await run(['frobnicate']);
    assert.equal(code, 2);
    assert.equal(out, '');
    assert.equal(err, 'error: no command "frobnicate"\n  see zmesh --help\n');
    assert.match((await run(['experts', 'frobnicate'])).err, /no command "experts frobnicate"/);
  });

  it('answers 2 to an unknown option, a missing argument and a value out of range', async () => {
    const unknown = await run(['status', '--frobnicate']);
    assert.equal(unknown.code, 2);
    assert.equal(unknown.err, "error: Unknown option '--frobnicate'\n  see zmesh status --help\n");
    const missing = await run(['experts', 'publish']);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /^error: zmesh experts publish takes <file>, 0 given\n/);
    const range = await run(['generate', 'hi', '--temperature', '101']);
    assert.equal(range.code, 2);
    assert.match(range.err, /^error: --temperature must be from 0 to 100, not 101\n/);
    const word = await run(['up', '--port', 'many']);
    assert.equal(word.code, 2);
    assert.match(word.err, /^error: --port must be a whole number, not "many"\n/);
  });

  it('answers 1 and what to do where no mesh runs', async () => {
    for (const line of [
      ['generate', 'hi'],
      ['classify', 'hi'],
      ['experts', 'list'],
      ['status'],
      ['trace', '--last'],
    ]) {
      const { code, err } = await run(line);
      assert.equal(code, 1, line.join(' '));
      assert.match(err, /^error: no mesh runs here .*: start one with "zmesh up"/, line.join(' '));
      assert.equal(err.trim().split('\n').length, 1);
    }
  });

  it('says with the reason that a mesh cannot be reached', async () => {
    const { code, err } = await run(['experts', 'list', '--registry', '127.0.0.1:1']);
    assert.equal(code, 1);
    assert.match(err, /^error: .*\(REGISTRY_UNAVAILABLE\)\n {2}"zmesh status" shows what runs/);
  });

  it('treats down without a mesh as done', async () => {
    assert.deepEqual(await run(['down']), { code: 0, out: 'no mesh runs here\n', err: '' });
    assert.deepEqual(JSON.parse((await run(['down', '--json'])).out), { stopped: false });
  });

  it('lists no models as JSON where there are none', async () => {
    const { code, out } = await run(['model', 'list', '--json']);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(out), { prepared: [], served: [] });
  });

  it('refuses an empty question on stdin', async () => {
    const { code, err } = await run(['generate'], '\n');
    assert.equal(code, 2);
    assert.match(err, /^error: the question on stdin is empty\n/);
  });

  it('names the option that --strategy expert and --strategy mixture ask for', async () => {
    const expert = await run(['generate', '--strategy', 'expert', 'hello']);
    assert.equal(expert.code, 2);
    assert.match(expert.err, /^error: --strategy expert: name the expert with --expert NAME\n/);
    const mixture = await run(['generate', '--strategy', 'mixture', 'hello']);
    assert.equal(mixture.code, 2);
    assert.match(mixture.err, /^error: --strategy mixture: give the mixture with --mix ARMS\n/);
  });

  it('says in one line that a file to publish is not there', async () => {
    const { code, err } = await run(['experts', 'publish', '/nowhere/math.safetensors']);
    assert.equal(code, 1);
    assert.equal(err, 'error: /nowhere/math.safetensors: there is no such file\n');
  });
});
