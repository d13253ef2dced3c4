import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import type { GateSettings, RunSpec } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { checkAlias, checkExpertName, checkLabel } from '#shared/svf/names.js';
import { GATE_DEFAULTS, GATE_ITEMS_FLOOR } from './gate.js';

/** Alias of a version that passed its test and waits to be promoted. */
export const STAGED_ALIAS = 'staged';

const DESCRIPTION_BYTES_MAX = 512;

/** The rule of a run's held-out test, complete. */
export interface RunGate {
  readonly itemsMin: number;
  /** A difference of shares, [-1, 0]. */
  readonly harmMargin: number;
  readonly skip: boolean;
}

/** Checks what a run is asked for beside its data and settings, and fills the defaults in. Throws MISSING_FIELD, INVALID_FIELD, TOO_LARGE. */
export function checkRunSpec(given: RunSpec | undefined): RunSpec {
  if (!given) throw new ZmeshError('MISSING_FIELD', 'spec: is missing', { field: 'spec' });
  const kind = given.kind === ExpertKind.UNSPECIFIED ? ExpertKind.TASK : given.kind;
  const alias = given.alias === '' ? STAGED_ALIAS : given.alias;
  checkExpertName(given.expert, 'spec.expert');
  checkAlias(alias, 'spec.alias');
  if (kind !== ExpertKind.TASK && kind !== ExpertKind.CLASSIFIER)
    throw fault('spec.kind', `${kind} cannot be trained`, kind);
  if (given.label !== '') {
    checkLabel(given.label, 'spec.label');
    if (kind === ExpertKind.CLASSIFIER)
      throw fault('spec.label', 'a classification expert has no label', given.label);
  }
  const bytes = Buffer.byteLength(given.description);
  if (bytes > DESCRIPTION_BYTES_MAX) {
    const message = `spec.description has ${bytes} bytes, the limit is ${DESCRIPTION_BYTES_MAX}`;
    throw new ZmeshError('TOO_LARGE', message, {
      field: 'spec.description',
      limit: DESCRIPTION_BYTES_MAX,
      value: bytes,
    });
  }
  gateOf(given.gate);
  if (given.rewardAddress !== '' && !/^[^\s:,]+:\d{1,5}$/.test(given.rewardAddress))
    throw fault('spec.reward_address', `"${given.rewardAddress}" is no host:port`, given.rewardAddress);
  return { ...given, kind, alias };
}

/** The rule of the test. Throws INVALID_FIELD. */
export function gateOf(given: GateSettings | undefined): RunGate {
  const harmMargin = given?.harmMargin ?? GATE_DEFAULTS.harmMargin;
  if (!(harmMargin >= -1 && harmMargin <= 0))
    throw fault('spec.gate.harm_margin', `must be in [-1, 0], not ${harmMargin}`, harmMargin);
  const itemsMin = given?.itemsMin ?? GATE_DEFAULTS.itemsMin;
  if (itemsMin < GATE_ITEMS_FLOOR) {
    const message = `spec.gate.items_min: must be at least ${GATE_ITEMS_FLOOR}, not ${itemsMin}; skip the test to publish without one`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'spec.gate.items_min',
      limit: GATE_ITEMS_FLOOR,
      value: itemsMin,
    });
  }
  return { itemsMin, harmMargin, skip: given?.skip ?? false };
}

/** A spec as callers see it again: without the questions. */
export function withoutQuestions(spec: RunSpec): RunSpec {
  const none = new Uint8Array(0);
  const task = spec.task && { ...spec.task, train: none, validation: none, test: none };
  const gate = spec.gate && {
    ...spec.gate,
    others: spec.gate.others.map(({ name }) => ({ name, test: none })),
  };
  return { ...spec, task, gate };
}

function fault(field: string, what: string, value: number | string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `${field}: ${what}`, { field, value });
}
