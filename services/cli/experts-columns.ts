import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { renderFacts, renderTable } from './render/table.js';
import { formatBytes, shortHash } from './render/units.js';

/** Expert versions as a table. */
export function renderExperts(experts: readonly ExpertVersion[]): string {
  return renderTable(
    [
      { title: 'expert' },
      { title: 'version' },
      { title: 'aliases' },
      { title: 'kind' },
      { title: 'label' },
      { title: 'matrices', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'published' },
    ],
    experts.map((expert) => [
      expertName(expert),
      shortHash(expert.version) + (expert.retired ? ' (retired)' : ''),
      expert.aliases.join(', '),
      kindName(expert),
      expert.spec?.label ?? '',
      String(expert.matrices.length),
      formatBytes(Number(expert.vectorsBytes)),
      publishedAt(expert),
    ]),
  );
}

/** One expert version, every fact of it. */
export function renderExpert(expert: ExpertVersion): string {
  const { spec } = expert;
  return renderFacts([
    ['expert', expertName(expert)],
    ['version', expert.version],
    ['aliases', expert.aliases.join(', ') || 'none'],
    ['retired', expert.retired ? 'yes' : ''],
    ['kind', kindName(expert)],
    ['label', spec?.label ?? ''],
    ['description', spec?.description ?? ''],
    ['normalisation', spec?.normalisation === Normalisation.TRACE ? 'trace' : 'none'],
    ['basis', spec?.basisId ?? ''],
    ['matrices', `${expert.matrices.length}: ${listed(expert.matrices)}`],
    ['vectors', `${formatBytes(Number(expert.vectorsBytes))}, SHA-256 ${expert.vectorsSha256}`],
    ['published', publishedAt(expert)],
    ...Object.entries(spec?.metadata ?? {}).map(([name, value]) => [`  ${name}`, value] as const),
  ]);
}

/** `model/name`. */
export function expertName({ spec }: ExpertVersion): string {
  return `${spec?.model}/${spec?.name}`;
}

function kindName({ spec }: ExpertVersion): string {
  return spec?.kind === ExpertKind.CLASSIFIER ? 'classifier' : 'task';
}

function publishedAt({ publishedAt: time }: ExpertVersion): string {
  return time ? `${new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19)}Z` : '';
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 2).join(', ')}, … ${names.at(-1)}`;
}
