import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { lastFirst } from '../support/cleanup.js';
import { testHome } from '../support/mesh.js';

const home = await testHome(lastFirst({ after }));
const { zmesh } = home;
const succeed = async (...args: readonly string[]): Promise<string> => {
  const { code, out, err } = await zmesh(...args);
  assert.equal(code, 0, `${args.join(' ')}: ${err}`);
  return out;
};

describe('several models in one mesh', { concurrency: false }, () => {
  before(async () => {
    await succeed('model', 'import', join(projectRoot, 'tests/golden/models/qwen3-qknorm'), '--name', 'tiny');
  });

  it('refuses a model that does not fit into the memory budget, with both numbers', async () => {
    const up = home.start('dist/services/cli/main.js', ['up', '--model', 'octo-nano', '--model', 'tiny'], {
      ZMESH_INFERENCE_MEMORY_BYTES: String(64 * 1024 * 1024),
    });
    const { code, out, err } = await up.finished;
    assert.equal(code, 1);
    assert.match(
      out + err,
      /model octo-nano needs \d+ MB \(weights \d+ MB, keys and values 268 MB\), 67 MB of 67 MB are left/,
    );
  });

  it('serves both, each under its name, and lists what they take', async () => {
    await succeed('up', '--detach', '--model', 'octo-nano', '--model', 'tiny');
    const list = await succeed('model', 'list');
    assert.match(
      list,
      /^octo-nano +prepared, served +llama +1\.67 M +512 +12 +[\d.]+ MB +[\d.]+ MB +[0-9a-f]{12}$/m,
    );
    assert.match(list, /^tiny +prepared, served +qwen3 .*[0-9a-f]{12}$/m);
    assert.match(
      await succeed('generate', '--model', 'octo-nano', '--strategy', 'none', 'Hello there, Bob!'),
      /Hi, I am Bob/,
    );
    assert.match(
      await succeed(
        'generate',
        '--model',
        'tiny',
        '--strategy',
        'none',
        '--tokens',
        '1,2,3',
        '--max-tokens',
        '4',
      ),
      /^\d+,\d+,\d+,\d+$/m,
    );
  });

  it('asks for a name where several models could answer', async () => {
    const { code, err } = await zmesh('generate', '--strategy', 'none', 'Hello there, Bob!');
    assert.equal(code, 1);
    assert.match(err, /MODEL_REQUIRED/);
    const unknown = await zmesh('generate', '--model', 'large', '--strategy', 'none', 'Hello');
    assert.match(unknown.err, /no model "large".*octo-nano, tiny.*\(UNKNOWN_MODEL\)/);
  });

  it('keeps their experts apart: one of another model is an error, never the base', async () => {
    const foreign = await zmesh(
      'generate',
      '--model',
      'tiny',
      '--expert',
      'octo-nano/math',
      '--tokens',
      '1,2,3',
    );
    assert.equal(foreign.code, 1);
    assert.match(foreign.err, /\(BASIS_MISMATCH\)/);
    const absent = await zmesh('generate', '--model', 'tiny', '--expert', 'math', '--tokens', '1,2,3');
    assert.match(absent.err, /\(UNKNOWN_EXPERT\)/);
    const file = join(projectRoot, 'models/octo-nano/experts/math.safetensors');
    const published = await zmesh('experts', 'publish', file, '--name', 'tiny/math');
    assert.equal(published.code, 1);
    assert.match(published.err, /\((UNKNOWN_MATRIX|WRONG_SHAPE)\)/);
  });
});
