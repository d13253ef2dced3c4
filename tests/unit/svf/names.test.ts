import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { type ExpertSpec, ExpertSpec as Spec } from '#proto/zmesh/v1/expert_registry.js';
import type { ZmeshError } from '#shared/errors.js';
import {
  checkAlias,
  checkExpertName,
  checkLabel,
  formatExpertName,
  isVersionPrefix,
  parseExpertName,
} from '#shared/svf/names.js';
import { expertVersion } from '#shared/svf/version.js';

const refused = (text: RegExp) => (error: ZmeshError) =>
  error.reason === 'INVALID_FIELD' && error.code === 'INVALID_ARGUMENT' && text.test(error.message);

test('a name is read into its parts and written back', () => {
  for (const text of [
    'math',
    'math@stable',
    'octo-nano/math',
    'octo-nano/math@0123456789abcdef',
    'a.b_c/d-1@v2',
  ]) {
    assert.equal(formatExpertName(parseExpertName(text)), text);
  }
  assert.deepEqual(parseExpertName('m/e@s'), { model: 'm', expert: 'e', selector: 's' });
});

test('what is not a name is refused, with the text', () => {
  for (const text of [
    '',
    '@x',
    'a/',
    '/a',
    'a@',
    'a/b/c',
    'a@b@c',
    'Math',
    'a b',
    `${'x'.repeat(65)}`,
    '../x',
    'é',
  ]) {
    assert.throws(() => parseExpertName(text), refused(/is not a name/), text);
  }
});

test('reserved names and versions in disguise are refused', () => {
  assert.throws(() => checkExpertName('base', 'name'), refused(/the unadapted model's own name/));
  assert.throws(() => checkLabel('other', 'label'), refused(/none of the published labels/));
  assert.throws(() => checkAlias('deadbeef', 'alias'), refused(/looks like a version/));
  assert.equal(checkAlias('deadbee', 'alias'), 'deadbee');
  assert.equal(isVersionPrefix('deadbeef'), true);
});

const SPEC: ExpertSpec = Spec.create({
  model: 'm',
  name: 'e',
  basisId: 'b',
  normalisation: Normalisation.TRACE,
  label: 'l',
  description: 'd',
  metadata: { b: '2', a: '1' },
});
const VECTORS = new Map([
  ['y', Float32Array.of(1, 2)],
  ['x', Float32Array.of(3)],
]);

test('a version does not depend on the order of tensors or metadata', () => {
  const version = expertVersion(SPEC, VECTORS);
  assert.match(version, /^[0-9a-f]{64}$/);
  assert.equal(
    expertVersion({ ...SPEC, metadata: { a: '1', b: '2' } }, new Map([...VECTORS].reverse())),
    version,
  );
});

test('a version changes with every field and every number', () => {
  const versions = [
    expertVersion(SPEC, VECTORS),
    expertVersion({ ...SPEC, model: 'n' }, VECTORS),
    expertVersion({ ...SPEC, name: 'f' }, VECTORS),
    expertVersion({ ...SPEC, basisId: 'c' }, VECTORS),
    expertVersion({ ...SPEC, normalisation: Normalisation.NONE }, VECTORS),
    expertVersion({ ...SPEC, kind: 2 }, VECTORS),
    expertVersion({ ...SPEC, label: 'l2' }, VECTORS),
    expertVersion({ ...SPEC, description: 'd2' }, VECTORS),
    expertVersion({ ...SPEC, metadata: { a: '1' } }, VECTORS),
    expertVersion({ ...SPEC, metadata: { a: '12', b: '' } }, VECTORS),
    expertVersion(SPEC, new Map([['y', Float32Array.of(1, 2)]])),
    expertVersion(SPEC, new Map([...VECTORS, ['y', Float32Array.of(1, 2.0000002)]])),
    expertVersion(SPEC, new Map([...VECTORS, ['z', Float32Array.of(1)]])),
  ];
  assert.equal(new Set(versions).size, versions.length);
});
