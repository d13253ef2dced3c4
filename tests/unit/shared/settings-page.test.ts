import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { serviceTables, settingsPage, withReadmeTable } from '#deploy/docs/settings-page.js';
import { KNOWN_VARIABLES } from '#shared/known-variables.js';
import { projectRoot } from '#shared/paths.js';

const read = (file: string): string => readFileSync(join(projectRoot, file), 'utf8');
const tables = await serviceTables();
const AGAIN = 'is not what the tables say: run "npm run docs"';

/** Names that look like variables and are streams, buckets or switches of tests. */
const NO_SETTINGS = /^ZMESH_(EXPERTS|INFERENCE|JOBS|QUEUE|JOB_\w+|CLIENTS_ONLY)$/;

test('every service has its table', () => {
  assert.deepEqual([...tables.keys()], ['dispatcher', 'expert-registry', 'inference', 'trainer']);
});

test('docs/settings.md and the README say what the tables of settings say', () => {
  assert.ok(read('docs/settings.md') === settingsPage(tables), `docs/settings.md ${AGAIN}`);
  const readme = read('README.md');
  assert.ok(readme === withReadmeTable(readme, tables), `README.md ${AGAIN}`);
});

test('every variable that a program reads is in docs/settings.md', () => {
  const files = execFileSync('git', ['ls-files', 'shared', 'services', 'deploy'], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => /\.(ts|mjs)$/.test(file));
  assert.ok(files.length > 300);
  const page = read('docs/settings.md');
  const used = new Set(files.flatMap((file) => read(file).match(/\bZMESH_[A-Z][A-Z_]*[A-Z]\b/g) ?? []));
  const missing = [...used].filter((name) => !NO_SETTINGS.test(name) && !page.includes(`\`${name}\``));
  assert.deepEqual(
    missing.sort(),
    ['ZMESH_CONFIG'].filter((name) => !page.includes(name)),
  );
});

test('the list of known variables is that of the tables', () => {
  const named = [...read('docs/settings.md').matchAll(/`(ZMESH_[A-Z_]+)`/g)].map(([, name]) => name!);
  assert.deepEqual(KNOWN_VARIABLES, [...new Set([...named, 'ZMESH_CONFIG'])].sort());
});

test('a README without the place for the table is refused', () => {
  assert.throws(() => withReadmeTable('# zmesh', tables), /no place for the table/);
});
