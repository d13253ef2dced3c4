import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { PERSISTED_WRITES } from '../../chaos/persisted-writes.js';
import { enumerateWrites, TRAINER_WRITES } from '../../chaos/trainer-writes.js';

/** Calls that keep something: in files, in JetStream's streams, buckets and object stores. */
const WRITE =
  /(?<![\w.'"])(?:writeFileAtomically|rename|renameSync|writeFile|writeFileSync|appendFile|appendFileSync|createWriteStream)\(|\.(?:writeFile|truncate)\(|\.objects\.(?:put|delete)\(|js\.publish\(|streams\.(?:add|purge|delete)\(|consumers\.add\(|\bjobs\.(?:create|update|purge)\(|\b(?:bucket|open)\.(?:put|delete)\(/g;
const FOLDERS = ['shared', 'services', 'deploy/local'];
/** Files that a person asked the command line for; a function that renames words; a set of open calls. */
const OTHER = /^services\/cli\/|^services\/inference\/model\/sealed-tokens\.ts$|^shared\/rpc\/call\.ts$/;

function writesOf(): Map<string, number> {
  const found = new Map<string, number>();
  for (const folder of FOLDERS)
    for (const name of readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' })) {
      const file = relative(projectRoot, join(projectRoot, folder, name));
      if (!file.endsWith('.ts') || OTHER.test(file)) continue;
      const text = readFileSync(join(projectRoot, file), 'utf8');
      const calls = [...text.matchAll(WRITE)].filter(
        ({ index }) => !/function \w*$/.test(text.slice(0, index)),
      );
      if (calls.length > 0) found.set(file, calls.length);
    }
  return found;
}

test('every call that keeps something is in the list of persisted writes, with the test that kills there', () => {
  assert.deepEqual(
    new Map([...writesOf()].sort()),
    new Map(
      Object.entries(PERSISTED_WRITES)
        .map(([file, { calls }]) => [file, calls] as const)
        .sort(),
    ),
  );
});

test('the tests that the list names are there', () => {
  for (const { killedBy } of Object.values(PERSISTED_WRITES))
    for (const file of killedBy.filter((one) => one.startsWith('tests/')))
      assert.ok(readFileSync(join(projectRoot, file), 'utf8').length > 0);
});

test("a trainer's publications are told apart, and one of no known kind is a fault", () => {
  const { writes, unknown } = enumerateWrites([
    '$JS.API.STREAM.INFO.KV_ZMESH_JOBS',
    '$O.ZMESH_JOB_OBJECTS.C.abc',
    '$O.ZMESH_JOB_OBJECTS.M.abc',
    '$KV.ZMESH_JOBS.run.1',
    'zmesh.queue.run.1',
    '$KV.ZMESH_JOBS.run.1',
    '$KV.ZMESH_JOB_LEASES.run.1',
    '$KV.ZMESH_JOB_LEASES.run.1',
    '$KV.ZMESH_NEW.run.1',
  ]);
  assert.deepEqual(unknown, ['$KV.ZMESH_NEW.run.1']);
  assert.deepEqual(
    writes.map(({ write, number }) => [TRAINER_WRITES.indexOf(write), number]),
    [
      [0, 1],
      [1, 1],
      [3, 1],
      [4, 1],
      [3, 2],
      [6, 1],
    ],
  );
});
