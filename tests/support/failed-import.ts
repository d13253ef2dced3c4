import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPrepared } from '#services/inference/model/load.js';
import { prepareModel } from '#services/inference/model/prepare.js';
import { ZmeshError } from '#shared/errors.js';

/** Longest time that a refusal may take, and the memory by which the process may grow: generous, for slow machines. */
const SECONDS_MAX = 10;
const GROWTH_BYTES_MAX = 400e6;

/** Imports as the program does, without its progress. */
export async function importQuietly(checkpoint: string, target: string, replace = false): Promise<void> {
  await prepareModel({
    checkpoint,
    name: 'hostile',
    target,
    adapt: 'mlp',
    jobs: 1,
    replace,
    onEvent: () => {},
  });
}

/**
 * Imports what must be refused: one ZmeshError, of one short line that matches, in bounded time and memory, and nothing that
 * could be loaded is left behind.
 * @returns the error.
 */
export async function refusesImport(checkpoint: string, message: RegExp): Promise<ZmeshError> {
  const home = await mkdtemp(join(tmpdir(), 'zmesh-hostile-'));
  const target = join(home, 'model');
  const before = process.memoryUsage.rss();
  const started = performance.now();
  try {
    await importQuietly(checkpoint, target);
  } catch (error) {
    assertOneClearError(error, message);
    assert.ok(performance.now() - started < SECONDS_MAX * 1000, 'the refusal took too long');
    assert.ok(process.memoryUsage.rss() - before < GROWTH_BYTES_MAX, 'the refusal took too much memory');
    await assert.rejects(
      loadPrepared(target),
      (thrown) => thrown instanceof ZmeshError && thrown.reason === 'UNKNOWN_MODEL',
    );
    return error as ZmeshError;
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  throw new Error(`${checkpoint} was imported; expected ${message}`);
}

/** One ZmeshError with a stable reason, not our own fault, in one line of a length that a log can bear. */
export function assertOneClearError(error: unknown, message: RegExp): void {
  if (!(error instanceof ZmeshError)) throw new Error(`not a ZmeshError: ${String(error)}`, { cause: error });
  assert.ok(['INVALID_FIELD', 'BAD_SAFETENSORS'].includes(error.reason), `${error.reason}: ${error.message}`);
  assert.match(error.message, message);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
  assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f]/, 'more than one line');
  assert.ok(error.message.length < 2500, `a message of ${error.message.length} characters`);
}
