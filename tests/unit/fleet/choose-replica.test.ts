import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prompt } from '#proto/zmesh/v1/common.js';
import { affinityKey, mixtureExperts } from '#shared/fleet/affinity.js';
import { type Candidate, chooseReplica } from '#shared/fleet/choose-replica.js';
import { mergeModels } from '#shared/fleet/merge-models.js';
import { chat } from '../../contract/dispatcher/harness.js';
import { fakeModel } from '../../support/fake-inference.js';

const replica = (address: string, more: Partial<Candidate> = {}): Candidate => ({
  address,
  inFlight: 0,
  othersLoad: 0,
  models: new Map([['nano', 'f1']]),
  experts: new Set(),
  down: false,
  ...more,
});
const wanted = { model: 'nano', fingerprint: 'f1', experts: [] as string[], affinity: 'key' };
const chosen = (replicas: Candidate[], more: Partial<typeof wanted> = {}, margin = 4): string | undefined =>
  chooseReplica(replicas, { ...wanted, ...more }, margin)?.address;

test('beyond the margin the least busy is chosen: own calls and those of others count', () => {
  assert.equal(chosen([replica('a', { inFlight: 5 }), replica('b')]), 'b');
  assert.equal(chosen([replica('a', { othersLoad: 5 }), replica('b')]), 'b');
  assert.equal(
    chosen([replica('a', { inFlight: 3 }), replica('b', { inFlight: 1, othersLoad: 1 })], {}, 0),
    'b',
  );
});

test('within the margin the experts decide, then the key; beyond it they do not', () => {
  const experts = new Set(['e1', 'e2']);
  const want = { experts: ['e1', 'e2'] };
  assert.equal(chosen([replica('a', { experts, inFlight: 4 }), replica('b')], want), 'a');
  assert.equal(chosen([replica('a', { experts, inFlight: 5 }), replica('b')], want), 'b');
  assert.equal(chosen([replica('a', { experts: new Set(['e1']) }), replica('b', { experts })], want), 'b');
});

test('a key keeps its replica when others come and go: only the share of the lost one moves', () => {
  const four = ['a', 'b', 'c', 'd'].map((address) => replica(address));
  const keys = Array.from({ length: 400 }, (_, i) => `key ${i}`);
  const before = keys.map((affinity) => chosen(four, { affinity }));
  const after = keys.map((affinity) => chosen(four.slice(1), { affinity }));
  for (const [i, address] of before.entries()) if (address !== 'a') assert.equal(after[i], address);
  for (const address of ['a', 'b', 'c', 'd']) {
    const share = before.filter((one) => one === address).length;
    // Binomial, n = 400, p = 1/4: mean 100, σ 8.7.
    assert(share > 55 && share < 145, `${address}: ${share}`);
  }
});

test('the model must be there, its very fingerprint first; one that does not answer is a last resort', () => {
  const other = new Map([['large', 'f9']]);
  const newer = new Map([['nano', 'f2']]);
  assert.equal(chosen([replica('a', { models: other })]), undefined);
  assert.equal(chosen([]), undefined);
  assert.equal(chosen([replica('a', { models: newer }), replica('b', { inFlight: 99 })]), 'b');
  assert.equal(chosen([replica('a', { models: newer })]), 'a');
  assert.equal(chosen([replica('a', { models: undefined }), replica('b', { inFlight: 99 })]), 'b');
  assert.equal(chosen([replica('a', { models: undefined }), replica('b', { models: newer })]), 'a');
  assert.equal(chosen([replica('a', { down: true }), replica('b', { inFlight: 99 })]), 'b');
  assert.equal(chosen([replica('a', { down: true })]), 'a');
});

test('a conversation keeps its key from turn to turn; another mixture, model or beginning has another', () => {
  const key = (prompt: Prompt, expert = '', model = 'nano'): string =>
    affinityKey({
      model,
      prompt,
      mixture: { arms: expert === '' ? [] : [{ expert, alpha: 1, alphaPerMatrix: {} }] },
    });
  const system = { role: 'system', content: 'Be brief.' };
  const first = key(chat(system, 'Hello'));
  assert.equal(key(chat(system, 'Hello', { role: 'assistant', content: 'Hi' }, 'And?')), first);
  for (const different of [
    key(chat('Hello')),
    key(chat(system, 'Hello!')),
    key(chat(system, 'Hello'), 'math@1'),
    key(chat(system, 'Hello'), '', 'large'),
  ])
    assert.notEqual(different, first);
  const text = (value: string): Prompt => ({ input: { $case: 'text', value } });
  const long = 'x'.repeat(600);
  assert.equal(key(text(long)), key(text(`${long} and more`)));
  const tokens = (ids: number[]): Prompt => ({ input: { $case: 'tokens', value: { ids } } });
  assert.notEqual(key(tokens([1, 2])), key(tokens([1, 3])));
});

test('the experts of a mixture are told as announcements tell them; the base is none', () => {
  const version = 'ab'.repeat(32);
  const arms = [`nano/math@${version}`, 'base'].map((expert) => ({ expert, alpha: 1, alphaPerMatrix: {} }));
  assert.deepEqual(mixtureExperts({ arms }), [version.slice(0, 16)]);
  assert.deepEqual(mixtureExperts(undefined), []);
});

test('while two models share a name, it means the one it meant as long as anybody has that, else the most common', () => {
  const nano = (fingerprint: string) => fakeModel('nano', { fingerprint });
  const answers = [[nano('f1')], [nano('f2'), fakeModel('large')], [nano('f2')]];
  const names = (before: Map<string, string>): string[] =>
    mergeModels(answers, before).map(({ name, fingerprint }) => `${name} ${fingerprint.slice(0, 2)}`);
  const large = `large ${fakeModel('large').fingerprint.slice(0, 2)}`;
  assert.deepEqual(names(new Map()), [large, 'nano f2']);
  assert.deepEqual(names(new Map([['nano', 'f1']])), [large, 'nano f1']);
  assert.deepEqual(names(new Map([['nano', 'f0']])), [large, 'nano f2']);
});
