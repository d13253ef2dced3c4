import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpertPublished, RegistryEvent } from '#proto/zmesh/v1/events.js';
import { adviceOn } from '#services/trainer/advise.js';
import { createCatalogView } from '#shared/catalog/view.js';

const version = (digit: string): string => digit.repeat(64);

function world() {
  const view = createCatalogView();
  let revision = 0n;
  const apply = (change: RegistryEvent['change']): RegistryEvent => {
    const event = RegistryEvent.create({ revision: ++revision, change: change as never });
    view.apply(event);
    return event;
  };
  return {
    view,
    publish: (value: Partial<ExpertPublished>) =>
      apply({ $case: 'expertPublished', value: ExpertPublished.create({ model: 'nano', ...value }) }),
    alias: (expert: string, to: string, alias = 'stable') =>
      apply({ $case: 'aliasMoved', value: { model: 'nano', expert, alias, version: to } }),
  };
}

test('a classification expert is advised to be trained again when the published labels are no longer its own', () => {
  const { view, publish, alias } = world();
  publish({ expert: 'math', version: version('1'), label: 'math' });
  alias('math', version('1'));
  publish({ expert: 'judge', version: version('2'), classifier: true, categories: ['math', 'other'] });
  assert.deepEqual(adviceOn(alias('judge', version('2')), view, 'stable'), []);
  const event = publish({ expert: 'law', version: version('3'), label: 'law' });
  assert.deepEqual(adviceOn(event, view, 'stable'), []);
  assert.deepEqual(adviceOn(alias('law', version('3'), 'staged'), view, 'stable'), []);
  assert.deepEqual(adviceOn(alias('law', version('3')), view, 'stable'), [
    {
      kind: 'run',
      advice: {
        model: 'nano',
        subject: `nano/judge@${version('2')}`,
        why: 'it was trained on the labels math, other; published are law, math, other',
        revision: 7n,
      },
    },
  ]);
});

test('an adaptation is advised to be searched for again when an expert of it moves on', () => {
  const { view, publish, alias } = world();
  publish({ expert: 'math', version: version('1'), label: 'math' });
  alias('math', version('1'));
  const arms = [{ expert: `math@${version('1')}`, alpha: 1, alphaPerMatrix: {} }];
  publish({ expert: 'mixed', version: version('4'), mixture: { arms } });
  assert.deepEqual(adviceOn(alias('mixed', version('4')), view, 'stable'), []);
  publish({ expert: 'math', version: version('5'), label: 'math' });
  const [advised] = adviceOn(alias('math', version('5')), view, 'stable');
  assert.equal(advised?.kind, 'adaptation');
  assert.equal(advised?.advice.subject, `nano/mixed@${version('4')}`);
  assert.match(advised?.advice.why ?? '', /^it mixes an older version of math than 555555555555/);
});
