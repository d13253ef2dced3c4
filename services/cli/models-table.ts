import type { ModelDescription } from '#proto/zmesh/v1/dispatcher.js';
import { renderFacts, renderTable } from './render/table.js';
import { formatCount, shortHash, shortName } from './render/units.js';

/** Served models as a table. */
export function renderModels(models: readonly ModelDescription[]): string {
  return renderTable(
    [
      { title: 'model' },
      { title: 'architecture' },
      { title: 'parameters', align: 'right' },
      { title: 'context', align: 'right' },
      { title: 'adapted', align: 'right' },
      { title: 'fingerprint' },
      { title: 'default' },
      { title: 'labels' },
    ],
    models.map(({ served, routed, classifier, defaultStrategy }) => [
      served?.name ?? '',
      served?.architecture ?? '',
      formatCount(Number(served?.parameters ?? 0n)),
      String(served?.contextLength ?? 0),
      String(served?.adaptedMatrices ?? 0),
      shortHash(served?.fingerprint ?? ''),
      defaultStrategy,
      routed.map(({ label }) => label).join(', ') + (classifier ? ' (classifier)' : ''),
    ]),
  );
}

/** One served model in full. */
export function renderModel({ served, routed, classifier, defaultStrategy }: ModelDescription): string {
  const facts = renderFacts([
    ['model', served?.name ?? ''],
    ['architecture', served?.architecture ?? ''],
    ['parameters', formatCount(Number(served?.parameters ?? 0n))],
    ['context', `${served?.contextLength} tokens`],
    ['vocabulary', String(served?.vocabularySize)],
    ['fingerprint', served?.fingerprint ?? ''],
    ['basis', served?.basisId ?? ''],
    ['adapted', `${served?.adaptedMatrices} matrices`],
    ['tokenizer', served?.hasTokenizer ? 'yes' : 'no: token ids only'],
    ['chat template', served?.hasChatTemplate ? 'yes' : 'no: raw text only'],
    ['strategy', `${defaultStrategy} by default`],
    ['classifier', shortName(classifier) || 'none'],
  ]);
  if (routed.length === 0) return facts;
  const labels = renderTable(
    [{ title: 'label' }, { title: 'expert' }, { title: 'meaning' }],
    routed.map(({ label, expert, description }) => [label, shortName(expert), description]),
  );
  return `${facts}\n${labels}`;
}
