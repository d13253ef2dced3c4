import { type CacheUse, Normalisation, type PassTiming } from '#proto/zmesh/v1/common.js';
import { type Classification, FirstPassMode, type Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { renderFacts, renderTable } from './table.js';
import { formatMs, shortHash, shortName } from './units.js';

/** A routing receipt as a readable table. */
export function renderReceipt(receipt: Receipt): string {
  const strategy =
    receipt.strategyUsed === receipt.strategy || receipt.strategyUsed === ''
      ? receipt.strategy
      : `${receipt.strategy} → ${receipt.strategyUsed}`;
  const tokens = (name: string, usage: Receipt['usage']): string =>
    usage
      ? `${name} ${usage.promptTokens} in${usage.cachedPromptTokens ? ` (${usage.cachedPromptTokens} cached)` : ''}, ${usage.completionTokens} out`
      : '';
  return renderFacts([
    ['request', receipt.requestId],
    ['trace', receipt.traceId],
    ['model', `${receipt.model} (fingerprint ${shortHash(receipt.modelFingerprint)})`],
    ['strategy', strategy + (receipt.strategyReason ? `: ${receipt.strategyReason}` : '')],
    ['label', receipt.classification ? labelLine(receipt.classification) : ''],
    ['adaptation', receipt.adaptation && shortName(receipt.adaptation)],
    ['mixture', mixtureLine(receipt)],
    ['pass 1', receipt.firstPass ? timingLine(receipt.firstPass) : ''],
    ['pass 2', receipt.secondPass ? timingLine(receipt.secondPass) : ''],
    ['caches', cacheLine(receipt)],
    [
      'tokens',
      [tokens('pass 1:', receipt.firstPassUsage), tokens('pass 2:', receipt.usage)]
        .filter((text) => text !== '')
        .join('; '),
    ],
    ['seed', receipt.secondPass ? String(receipt.seed) : ''],
    ['registry', receipt.registryAgeS > 0 ? `last seen ${receipt.registryAgeS.toFixed(0)} s ago` : ''],
    ['total', formatMs(receipt.totalMs)],
  ]);
}

/** The labels of pass 1, most probable first. */
export function renderLabels(classification: Classification): string {
  return renderTable(
    [{ title: 'label' }, { title: 'probability', align: 'right' }, { title: 'expert' }],
    classification.labels.map(({ label, probability, expert }) => [
      label,
      probability.toFixed(4),
      shortName(expert) || 'base',
    ]),
  );
}

function labelLine(classification: Classification): string {
  const { label, confidence, abstained, abstainThreshold, mode, written, classifier } = classification;
  const how = mode === FirstPassMode.GENERATE ? `the model wrote "${written}"` : confidence.toFixed(4);
  const outcome = abstained ? `, below ${abstainThreshold}: the base answers` : '';
  return `${label} (${how}${outcome})${classifier ? ` by ${shortName(classifier)}` : ''}`;
}

function mixtureLine(receipt: Receipt): string {
  if (receipt.arms.length === 0) return 'base (no expert)';
  const arms = receipt.arms.map(({ expert, requested, alpha, alphaPerMatrix }) => {
    const perMatrix = Object.keys(alphaPerMatrix).length;
    const asked = requested && requested !== expert ? ` as ${requested}` : '';
    return `${Number(alpha.toFixed(4))} × ${shortName(expert)}${asked}${perMatrix ? `, own α in ${perMatrix} matrices` : ''}`;
  });
  const scale = receipt.normalisation === Normalisation.TRACE ? ', trace normalised' : '';
  return arms.join(' + ') + scale;
}

function timingLine({ totalMs, queueMs, prefillMs, decodeMs, steps }: PassTiming): string {
  const decode = decodeMs > 0 ? `, decode ${formatMs(decodeMs)}` : '';
  return `${formatMs(totalMs)} (queue ${formatMs(queueMs)}, prefill ${formatMs(prefillMs)}${decode}, ${steps} steps)`;
}

function cacheLine({ firstPassCache, secondPassCache }: Receipt): string {
  const describe = (name: string, cache: CacheUse | undefined): string =>
    cache
      ? `${name}: mixture ${cache.mixtureResident ? 'resident' : 'composed'}, experts ${cache.expertsResident} resident, ${cache.expertsFetched} fetched`
      : '';
  return [describe('pass 1', firstPassCache), describe('pass 2', secondPassCache)]
    .filter((text) => text !== '')
    .join('; ');
}
