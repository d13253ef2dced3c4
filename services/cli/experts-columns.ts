import { type Mixture, Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertGate, ExpertKind, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { renderFacts, renderTable } from './render/table.js';
import { formatBytes, shortHash, shortName } from './render/units.js';

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
      { title: 'gate' },
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
      gateName(expert),
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
    ['categories', spec?.categories.join(', ') ?? ''],
    ['mixture', spec?.mixture ? mixtureText(spec.mixture) : ''],
    ['gate', gateName(expert)],
    ['normalisation', normalisationText(spec?.normalisation)],
    ['basis', spec?.basisId ?? ''],
    ['matrices', spec?.mixture ? '' : `${expert.matrices.length}: ${listed(expert.matrices)}`],
    ['vectors', stored(expert.vectorsBytes, expert.vectorsSha256)],
    ['record', stored(expert.recordBytes, expert.recordSha256)],
    ['published', publishedAt(expert)],
    ...Object.entries(spec?.metadata ?? {}).map(([name, value]) => [`  ${name}`, value] as const),
  ]);
}

/** `model/name`. */
export function expertName({ spec }: ExpertVersion): string {
  return `${spec?.model}/${spec?.name}`;
}

function kindName({ spec }: ExpertVersion): string {
  if (spec?.kind === ExpertKind.ADAPTATION) return 'adaptation';
  return spec?.kind === ExpertKind.CLASSIFIER ? 'classifier' : 'task';
}

function gateName({ gate }: ExpertVersion): string {
  if (gate === ExpertGate.PASSED) return 'passed';
  return gate === ExpertGate.FAILED ? 'failed' : '';
}

function normalisationText(normalisation: Normalisation | undefined): string {
  if (normalisation === Normalisation.TRACE) return 'trace';
  return normalisation === Normalisation.NONE ? 'none' : '';
}

function mixtureText({ arms }: Mixture): string {
  if (arms.length === 0) return 'base';
  const text = arms.map(({ expert, alpha, alphaPerMatrix }) => {
    const own = Object.keys(alphaPerMatrix).length;
    return `${Number(alpha.toFixed(4))} × ${shortName(expert)}${own > 0 ? `, own α in ${own} matrices` : ''}`;
  });
  return text.join(' + ');
}

function stored(bytes: bigint, sha256: string): string {
  return sha256 === '' ? '' : `${formatBytes(Number(bytes))}, SHA-256 ${sha256}`;
}

function publishedAt({ publishedAt: time }: ExpertVersion): string {
  return time ? `${new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19)}Z` : '';
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 2).join(', ')}, … ${names.at(-1)}`;
}
