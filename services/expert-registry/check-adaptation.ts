import { Mixture } from '#proto/zmesh/v1/common.js';
import { ExpertKind, type ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { checkArms } from '#shared/svf/compose.js';
import { BASE, isVersion, parseExpertName } from '#shared/svf/names.js';
import { checkBasis } from './check-expert.js';
import { findExpert, findModel, findVersion } from './resolve.js';
import type { VersionEntry, View } from './view.js';

/** Largest mixture of an adaptation, encoded: events carry it. */
const MIXTURE_BYTES_MAX = 256 * 1024;
const FIELD = 'spec.mixture.arms';

/**
 * Checks an adaptation against what is registered: its basis, and each arm an exact version of a task expert of the same
 * model and normalisation, or the base. Arms may be retired where the adaptation is `restored` from an export, which may
 * hold retired adaptations of retired experts.
 * Throws MISSING_FIELD, INVALID_FIELD, BAD_MIXTURE, BASIS_MISMATCH, MIXED_NORMALISATION, UNKNOWN_MATRIX, TOO_LARGE,
 * EXPERT_RETIRED and the UNKNOWN_ reasons.
 */
export function checkAdaptation(
  view: View,
  spec: ExpertSpec,
  { restored }: { readonly restored: boolean },
): void {
  if (!spec.mixture)
    throw new ZmeshError('MISSING_FIELD', 'spec.mixture is required for an adaptation', {
      field: 'spec.mixture',
    });
  const { record } = findModel(view, spec.model);
  checkBasis(record, spec);
  const bytes = Mixture.encode(spec.mixture).finish().length;
  if (bytes > MIXTURE_BYTES_MAX) {
    const message = `spec.mixture has ${bytes} bytes, the limit is ${MIXTURE_BYTES_MAX}`;
    throw new ZmeshError('TOO_LARGE', message, {
      field: 'spec.mixture',
      limit: MIXTURE_BYTES_MAX,
      value: bytes,
    });
  }
  const { arms } = spec.mixture;
  checkArms(
    arms.map(({ expert, alpha, alphaPerMatrix }) => ({
      name: expert,
      alpha,
      alphaPerMatrix: new Map(Object.entries(alphaPerMatrix)),
    })),
    FIELD,
  );
  const matrices = new Set(record.manifest.matrices.map(({ name }) => name));
  for (const [i, { expert, alphaPerMatrix }] of arms.entries()) {
    const unknown = Object.keys(alphaPerMatrix).find((name) => !matrices.has(name));
    if (unknown !== undefined) {
      const message = `${FIELD}[${i}]: ${spec.model} has no matrix ${unknown}`;
      throw new ZmeshError('UNKNOWN_MATRIX', message, { field: FIELD, names: { matrix: unknown } });
    }
    if (expert === BASE) continue;
    const { retired, names } = checkArm(view, spec, `${FIELD}[${i}].expert`, expert);
    if (retired && !restored)
      throw new ZmeshError('EXPERT_RETIRED', `${expert} was retired`, { field: FIELD, names });
  }
}

/** Versions of experts that an adaptation names: `expert@version`. */
export function armNames({ mixture }: ExpertSpec): string[] {
  return (mixture?.arms ?? []).map(({ expert }) => expert).filter((name) => name !== BASE);
}

/** Adaptations that use a version and are not retired, by `model/name@version`. */
export function adaptationsUsing(view: View, model: string, expert: string, version: string): string[] {
  const wanted = `${expert}@${version}`;
  const users: string[] = [];
  for (const { model: of, name, versions } of view.experts.values()) {
    if (of !== model) continue;
    for (const entry of versions.values()) {
      if (entry.retired || !armNames(entry.expert.spec!).includes(wanted)) continue;
      users.push(`${model}/${name}@${entry.expert.version}`);
    }
  }
  return users.sort();
}

function checkArm(view: View, spec: ExpertSpec, field: string, text: string) {
  const { model, expert, selector = '' } = parseExpertName(text, field);
  if (model !== undefined || !isVersion(selector))
    throw invalid(field, `"${text}" is no exact version (expert@<64 hex digits>)`, text);
  const found: VersionEntry = findVersion(findExpert(view, spec.model, expert), selector, field);
  const arm = found.expert.spec!;
  const names = { model: spec.model, expert, version: selector };
  if (arm.kind !== ExpertKind.TASK) throw invalid(field, `${text} is not a task expert`, text);
  if (arm.normalisation !== spec.normalisation) {
    const message = `${field}: ${text} has another normalisation than spec.normalisation`;
    throw new ZmeshError('MIXED_NORMALISATION', message, { field, names });
  }
  return { retired: found.retired !== undefined, names };
}

function invalid(field: string, what: string, value: number | string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `${field}: ${what}`, { field, value });
}
