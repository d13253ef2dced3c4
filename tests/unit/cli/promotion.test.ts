import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpertKind, ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { promotionNotes, routingClash } from '#services/cli/promotion.js';

const version = (
  name: string,
  spec: { label?: string; kind?: ExpertKind; categories?: string[] },
): ExpertVersion =>
  ExpertVersion.fromPartial({ spec: { model: 'nano', name, kind: ExpertKind.TASK, ...spec } } as never);

const math = version('math', { label: 'math' });
const judge = version('judge', { kind: ExpertKind.CLASSIFIER, categories: ['math', 'other'] });

test('a version that takes its own place is promoted without a word', () => {
  assert.deepEqual(promotionNotes(math, [math, judge]), []);
  assert.equal(routingClash(math, [math, judge], 'stable'), undefined);
});

test('two experts of one label, and two classification experts, are a clash: nothing can be routed with both', () => {
  const clash = routingClash(version('sums', { label: 'math' }), [math, judge], 'stable');
  assert.equal(clash?.reason, 'LABEL_AMBIGUOUS');
  assert.match(clash?.message ?? '', /^nano\/math carries the label "math" under "stable" already/);
  const second = version('second', { kind: ExpertKind.CLASSIFIER });
  assert.equal(routingClash(second, [math, judge], 'stable')?.reason, 'LABEL_AMBIGUOUS');
});

test('a new label that the classification expert does not know, and a missing one, are said', () => {
  const [note] = promotionNotes(version('law', { label: 'law' }), [math, judge]);
  assert.match(
    note ?? '',
    /^judge was trained on the labels math, other, published are now law, math, other/,
  );
  const [unrouted] = promotionNotes(version('plain', {}), [math, judge]);
  assert.match(unrouted ?? '', /^it has no label/);
});
