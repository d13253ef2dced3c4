import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ZmeshError } from '#shared/errors.js';

/** A folder of its own for a test, removed at its end. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'zmesh-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** For assert.throws and assert.rejects: a ZmeshError of this reason whose message matches. */
export function zmeshError(reason: string, message: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    if (thrown instanceof ZmeshError && thrown.reason === reason && message.test(thrown.message)) return true;
    throw new Error(`expected ${reason} ${message}, got ${String(thrown)}`, { cause: thrown });
  };
}

/** A file put together by hand: the header's text as it is, then zeros. */
export function rawFile(header: string, dataBytes: number, claimedLength?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, claimedLength ?? BigInt(json.length), true);
  file.set(json, 8);
  return file;
}
