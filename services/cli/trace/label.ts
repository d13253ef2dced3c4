import { ERROR_TYPE, GEN_AI, RPC, SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import type { AttributeValue, StoredSpan } from '#shared/telemetry/stored-trace.js';

/** A span's name for people: the package left out, an arrow before a call that goes out. */
export function spanLabel(span: StoredSpan): string {
  const name = clean(span.name).replace(/^[\w.]+\.(?=\w+\/\w+$)/, '');
  return span.kind === 'client' ? `→ ${name}` : name;
}

/** What is worth knowing about it, in a few words; empty for most spans. */
export function spanDetail(span: StoredSpan): string {
  const read = (key: string): AttributeValue | undefined => span.attributes[key];
  const parts: string[] = [];
  switch (span.name) {
    case SPAN.FIRST_PASS: {
      parts.push(...strategy(span));
      const label = read(ZMESH.LABEL);
      const confidence = read(ZMESH.CONFIDENCE);
      if (typeof label === 'string') {
        parts.push(typeof confidence === 'number' ? `${label} ${confidence.toFixed(2)}` : label);
      }
      if (read(ZMESH.ABSTAINED) === true) parts.push('abstained');
      break;
    }
    case SPAN.SECOND_PASS: {
      const experts = read(ZMESH.EXPERTS);
      if (!Array.isArray(experts)) parts.push(...strategy(span));
      else parts.push(experts.length === 0 ? 'base' : experts.map(String).join(' + '));
      break;
    }
    case SPAN.RESOLVE_MIXTURE: {
      const fetched = read(ZMESH.EXPERTS_FETCHED);
      if (typeof fetched === 'number') parts.push(fetched === 0 ? 'resident' : `${fetched} fetched`);
      break;
    }
    case SPAN.ENGINE_PREFILL:
      parts.push(...count(read(GEN_AI.USAGE_INPUT_TOKENS), 'token'));
      parts.push(...count(read(GEN_AI.USAGE_CACHE_READ_INPUT_TOKENS), 'cached', ''));
      break;
    case SPAN.WAVE_SCORE:
    case SPAN.WAVE_GENERATE:
      parts.push(...count(read(ZMESH.CALLS), 'call'));
      break;
    case SPAN.ENGINE_DECODE:
      parts.push(...count(read(GEN_AI.USAGE_OUTPUT_TOKENS), 'token'));
      break;
  }
  if (read(ZMESH.CANDIDATES) !== undefined) parts.push(...waveDetail(span));
  return clean(parts.join(' · '));
}

/** Why it failed: the reason and the message. */
export function failureText(span: StoredSpan): string {
  const type = span.attributes[ERROR_TYPE] ?? span.attributes[RPC.STATUS_CODE];
  const text = [type, span.message].filter((part) => part !== undefined && part !== '').join(': ');
  return clean(text === '' ? 'failed' : text);
}

/** Milliseconds with three digits that count: `0.04`, `3.21`, `84.2`, `1203`. */
export function formatMs(ms: number): string {
  if (ms >= 100) return ms.toFixed(0);
  return ms >= 10 ? ms.toFixed(1) : ms.toFixed(2);
}

/** Text without control characters: what a process put into a span must not steer the terminal. */
export function clean(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

function waveDetail({ attributes }: StoredSpan): string[] {
  const generated = attributes[GEN_AI.USAGE_OUTPUT_TOKENS];
  const naive = attributes[ZMESH.NAIVE_TOKENS];
  const tokens = typeof generated === 'number' && typeof naive === 'number' && naive > 0;
  return [
    ...count(attributes[ZMESH.CANDIDATES], 'candidate'),
    ...(tokens ? [`${generated} of ${naive} tokens`] : []),
  ];
}

function strategy(span: StoredSpan): string[] {
  const asked = span.attributes[ZMESH.STRATEGY];
  const used = span.attributes[ZMESH.STRATEGY_USED];
  if (typeof asked !== 'string') return [];
  return [typeof used === 'string' && used !== asked ? `${asked} → ${used}` : asked];
}

function count(value: AttributeValue | undefined, noun: string, plural = 's'): string[] {
  if (typeof value !== 'number' || value === 0) return [];
  return [`${value} ${noun}${value === 1 ? '' : plural}`];
}
