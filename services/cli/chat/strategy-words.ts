import type { Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { UsageError } from '../command.js';
import { strategyOf } from '../question-options.js';

/** No option given. */
const NOTHING = {
  model: undefined,
  strategy: undefined,
  expert: undefined,
  mix: undefined,
  adaptation: undefined,
  'first-pass': undefined,
  blend: undefined,
  abstain: undefined,
} as const;

/**
 * A strategy from the words after `/strategy`: `none`, `prompt`, `classifier`, `auto`, `expert NAME`, `mix math=0.7,code=0.3`,
 * or `default` (the deployment's, undefined). Throws UsageError.
 */
export function strategyFromWords(words: readonly string[]): Strategy | undefined {
  const [kind, value, ...rest] = words;
  if (kind === undefined || rest.length > 0 || (value !== undefined && kind !== 'expert' && kind !== 'mix'))
    throw new UsageError('/strategy takes none, prompt, classifier, auto, default, expert NAME or mix ARMS');
  if (kind === 'default') return undefined;
  if (kind === 'expert' || kind === 'mix') {
    if (value === undefined) throw new UsageError(`/strategy ${kind} needs what comes after it`);
    return strategyOf({ ...NOTHING, [kind]: value });
  }
  return strategyOf({ ...NOTHING, strategy: kind });
}

/** A strategy in the words of `/strategy`. */
export function strategyWords(strategy: Strategy | undefined): string {
  const kind = strategy?.kind;
  if (kind === undefined) return 'default';
  if (kind.$case === 'expert') return `expert ${kind.value.expert}`;
  if (kind.$case !== 'mixture') return kind.$case;
  const arms = kind.value.mixture?.arms ?? [];
  return `mix ${arms.map(({ expert, alpha }) => `${expert}=${alpha}`).join(',')}`;
}
