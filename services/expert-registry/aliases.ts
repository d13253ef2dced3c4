import { ZmeshError } from '#shared/errors.js';
import { checkAlias, checkExpertName, checkName, isVersionPrefix } from '#shared/svf/names.js';
import { checkGate } from './check-record.js';
import { newerOf, refuseNewer } from './newer.js';
import { findExpert, findVersion } from './resolve.js';
import type { Transactions } from './transaction.js';
import type { AliasEntry, ExpertEntry } from './view.js';

/** One move of an alias. */
export interface AliasMove {
  readonly model: string;
  readonly expert: string;
  readonly alias: string;
  /** Version it shall point to, or a unique beginning of one. */
  readonly version: string;
  /** Version it must point to now (or a beginning of it); '' = it must not exist; undefined = whatever it points to. */
  readonly expected?: string | undefined;
}

interface Moved {
  readonly previous: string;
  readonly version: string;
  /** Revision of the alias's last move, where it pointed there already. */
  readonly unchangedSince?: number;
}

/**
 * Points an alias to a version. A move to where it points already writes nothing.
 * Throws INVALID_FIELD, the UNKNOWN_ reasons, EXPERT_RETIRED, GATE_FAILED, ALIAS_CONFLICT.
 */
export async function moveAlias(transactions: Transactions, move: AliasMove) {
  checkNames(move);
  const { result, revision } = await transactions.run<Moved>((view) => {
    refuseNewer(view, newerOf(view, move.model, move.expert));
    const expert = findExpert(view, move.model, move.expert);
    const target = findVersion(expert, move.version, 'version');
    const { version } = target.expert;
    const current = expert.aliases.get(move.alias);
    checkExpected(expert, move, current);
    if (target.retired) {
      const message = `${move.model}/${move.expert}@${version} was retired; no alias can point to it`;
      throw new ZmeshError('EXPERT_RETIRED', message, {
        names: { model: move.model, expert: move.expert, version },
      });
    }
    checkGate(`${move.model}/${move.expert}@${version}`, target.expert.gate);
    const result = { previous: current?.version ?? '', version };
    if (current?.version === version) return { result: { ...result, unchangedSince: current.revision } };
    const { model, expert: name, alias } = move;
    return { write: { kind: 'alias' as const, model, expert: name, alias, version }, result };
  });
  return { previous: result.previous, version: result.version, revision: result.unchangedSince ?? revision };
}

/** Deletes an alias. Throws INVALID_FIELD, the UNKNOWN_ reasons, ALIAS_CONFLICT. */
export async function deleteAlias(transactions: Transactions, move: Omit<AliasMove, 'version'>) {
  checkNames(move);
  const { result, revision } = await transactions.run((view) => {
    refuseNewer(view, newerOf(view, move.model, move.expert));
    const expert = findExpert(view, move.model, move.expert);
    const current = expert.aliases.get(move.alias);
    if (!current) {
      const { model, alias } = move;
      const message = `${model}/${move.expert} has no alias ${alias}`;
      throw new ZmeshError('UNKNOWN_ALIAS', message, { names: { model, expert: move.expert, alias } });
    }
    checkExpected(expert, move, current);
    const { model, expert: name, alias } = move;
    return {
      write: { kind: 'alias' as const, model, expert: name, alias, version: undefined },
      result: current.version,
    };
  });
  return { previous: result, revision };
}

function checkNames(move: Omit<AliasMove, 'version'>): void {
  checkName(move.model, 'model');
  checkExpertName(move.expert, 'expert');
  checkAlias(move.alias, 'alias');
  if (move.expected !== undefined && move.expected !== '' && !isVersionPrefix(move.expected)) {
    const value = move.expected.slice(0, 80);
    const message = `expected_version: "${value}" is not a version (64 hex digits, or the first 8 or more)`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'expected_version', value });
  }
}

function checkExpected(
  expert: ExpertEntry,
  move: Omit<AliasMove, 'version'>,
  current: AliasEntry | undefined,
): void {
  const { expected, alias } = move;
  const actual = current?.version ?? '';
  if (expected === undefined || (expected === '' ? actual === '' : actual.startsWith(expected))) return;
  const told = (version: string): string => (version === '' ? 'nothing' : version);
  const message = `alias ${alias} of ${expert.model}/${expert.name} points to ${told(actual)}, not to ${told(expected)}`;
  const names = { model: expert.model, expert: expert.name, alias, expected, actual };
  throw new ZmeshError('ALIAS_CONFLICT', message, { names });
}
