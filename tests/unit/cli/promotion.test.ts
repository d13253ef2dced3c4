import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpertKind, ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { promotionNotes } from '#services/cli/promotion.js';

const version = (
  name: string,
  spec: { label?: string; kind?: ExpertKind; categories?: string[] },
): ExpertVersion =>
  ExpertVersion.fromPartial({ spec: { model: 'nano', name, kind: ExpertKind.TASK, ...spec } } as never);

const math = version('math', { label: 'math' });
const judge = version('judge', { kind: ExpertKind.CLASSIFIER, categories: ['math', 'other'] });

test('a version that takes its own place is promoted without a word', () => {
  assert.deepEqual(promotionNotes(version('math', { label: 'math' }), [math, judge], 'stable'), []);
});

test('two experts of one label, or two classification experts, are refused before nothing can be routed', () => {
  assert.throws(() => promotionNotes(version('sums', { label: 'math' }), [math, judge], 'stable'), {
    reason: 'LABEL_AMBIGUOUS',
    message: /^nano\/math carries the label "math" under "stable" already/,
  });
  const second = version('second', { kind: ExpertKind.CLASSIFIER });
  assert.throws(() => promotionNotes(second, [math, judge], 'stable'), { reason: 'LABEL_AMBIGUOUS' });
});

test('a new label that the classification expert does not know, and a missing one, are said', () => {
  const [note] = promotionNotes(version('law', { label: 'law' }), [math, judge], 'stable');
  assert.match(
    note ?? '',
    /^judge was trained on the labels math, other, published are now law, math, other/,
  );
  const [unrouted] = promotionNotes(version('plain', {}), [math, judge], 'stable');
  assert.match(unrouted ?? '', /^it has no label/);
});
