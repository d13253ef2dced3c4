import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { loadPrepared } from '#services/inference/model/load.js';
import { projectRoot } from '#shared/paths.js';
import { lastFirst } from '../../support/cleanup.js';

const cleanup = lastFirst({ after });
const OCTO = join(projectRoot, 'models/octo-nano');
const FACTOR = 'model.layers.1.mlp.up_proj.weight.safetensors';

/** The files of a prepared model in the order in which they are put in place; the last makes it a model. */
const FILES = ['weights.safetensors', FACTOR, 'tokenizer.json', 'source.stamp', 'model.json'] as const;

/** Imports a checkpoint into a home, killed at a file's renaming where one is given; resolves with how it ended. */
async function runImport(
  home: string,
  { checkpoint = OCTO, file = '', moment = '' } = {},
): Promise<number | NodeJS.Signals> {
  const preload = pathToFileURL(join(projectRoot, 'dist/tests/support/kill-at-rename.js')).href;
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const args = ['dist/services/inference/import.js', checkpoint, '--name', 'killed', '--jobs', '1', '--json'];
  const child = spawn(process.execPath, ['--import', preload, ...args], {
    cwd: projectRoot,
    env: { ...outer, ZMESH_HOME: home, ZMESH_TEST_KILL_FILE: file, ZMESH_TEST_KILL_MOMENT: moment },
    stdio: 'ignore',
  });
  const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return signal ?? status!;
}

async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'zmesh-kills-'));
  cleanup.after(() => rm(home, { recursive: true, force: true }));
  return home;
}

/** A residual at the rounding of f32; one that is larger stays, and differs. */
const RESIDUAL = /"reconstructionError": \d\.\d+e-8/;

/**
 * Every file of the model and what it holds, but for the time of its preparation, and for factors and their residual, of which
 * only that they are there counts: two decompositions agree to about 5e-9, not bit for bit.
 */
async function contents(home: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(home, 'models/killed');
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(names.map((name) => readFile(name, 'latin1')));
  return new Map(
    names
      .map((name, i) => {
        const short = name.slice(folder.length);
        const held = texts[i]!.replace(/"preparedAt": "[^"]*"/, '').replace(RESIDUAL, '');
        return [short, short.startsWith('/factors/') ? 'factors' : held] as const;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

describe('an import that is killed with -9 at each file that it puts in its place', () => {
  let whole: ReadonlyMap<string, string>;
  before(async () => {
    const home = await newHome();
    assert.equal(await runImport(home), 0);
    whole = await contents(home);
    for (const file of FILES)
      assert.ok(
        [...whole.keys()].some((name) => name.endsWith(file)),
        file,
      );
  });

  for (const file of FILES)
    for (const moment of ['before', 'after'] as const)
      test(`${moment} ${file}: it loads only if it is whole, and the next import makes it so`, async () => {
        const home = await newHome();
        assert.equal(await runImport(home, { file, moment }), 'SIGKILL');
        const folder = join(home, 'models/killed');
        const loaded = await loadPrepared(folder).catch((error: { reason: string }) => error.reason);
        if (file === 'model.json' && moment === 'after') assert.equal(typeof loaded, 'object');
        else assert.equal(loaded, 'UNKNOWN_MODEL');
        assert.equal(await runImport(home), 0);
        assert.deepEqual(await contents(home), whole);
        assert.equal(typeof (await loadPrepared(folder)), 'object');
      });

  test('a changed template over a model that is there: killed at any file, old and new are never mixed', async () => {
    const checkpoint = join(await newHome(), 'checkpoint');
    await cp(OCTO, checkpoint, { recursive: true });
    const config = JSON.parse(await readFile(join(checkpoint, 'tokenizer_config.json'), 'utf8'));
    await writeFile(join(checkpoint, 'tokenizer_config.json'), JSON.stringify({ ...config, changed: true }));
    for (const file of ['tokenizer_config.json', 'source.stamp', 'model.json']) {
      const home = await newHome();
      assert.equal(await runImport(home), 0);
      assert.equal(await runImport(home, { checkpoint, file, moment: 'before' }), 'SIGKILL');
      const loaded = await loadPrepared(join(home, 'models/killed')).catch(
        (error: { reason: string }) => error.reason,
      );
      assert.equal(loaded, 'UNKNOWN_MODEL', file);
      assert.equal(await runImport(home, { checkpoint }), 0);
      const kept = await readFile(join(home, 'models/killed/tokenizer_config.json'), 'utf8');
      assert.match(kept, /"changed":true/);
    }
  });
});
