import { ZmeshError } from '../errors.js';

/** Alias that routing uses unless a deployment says otherwise. */
export const ROUTED_ALIAS = 'stable';
/** Reserved name of the unadapted model (m = 1) in mixtures. */
export const BASE = 'base';
/** Reserved name of multipliers that are published nowhere: `draft@<their hash>`. */
export const DRAFT = 'draft';
/** Reserved label: none of the published ones. */
export const OTHER = 'other';

/** An expert's name in its parts. */
export interface ExpertName {
  /** Name of the model; undefined = left out. */
  readonly model: string | undefined;
  readonly expert: string;
  /** What follows `@`: an alias, a version (64 hex digits) or the beginning of one (8 or more); undefined = left out. */
  readonly selector: string | undefined;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const LABEL = /^[a-z0-9_-]{1,64}$/;
const VERSION = /^[0-9a-f]{64}$/;
const VERSION_PREFIX = /^[0-9a-f]{8,64}$/;

/** True for a whole version: 64 hex digits. */
export const isVersion = (text: string): boolean => VERSION.test(text);

/** True for what can only be a version or the beginning of one: 8 to 64 hex digits. No alias looks like this. */
export const isVersionPrefix = (text: string): boolean => VERSION_PREFIX.test(text);

/** Parses `[model/]expert[@selector]`. Throws INVALID_FIELD with `field` where a part is not a name. */
export function parseExpertName(text: string, field = 'expert'): ExpertName {
  const match = /^(?:([^/@]*)\/)?([^/@]*)(?:@([^/@]*))?$/.exec(text);
  const [, model, expert, selector] = match ?? [];
  for (const part of [model, expert, selector]) {
    if (part !== undefined && !NAME.test(part)) throw badName(text, field);
  }
  if (expert === undefined) throw badName(text, field);
  return { model, expert, selector };
}

/** `model/expert@selector`, leaving out what is undefined. */
export function formatExpertName(name: ExpertName): string {
  const model = name.model === undefined ? '' : `${name.model}/`;
  const selector = name.selector === undefined ? '' : `@${name.selector}`;
  return `${model}${name.expert}${selector}`;
}

/** Checks the name of a model or an expert. Throws INVALID_FIELD. */
export function checkName(text: string, field: string): string {
  if (!NAME.test(text)) throw badName(text, field);
  return text;
}

/** Checks an expert's own name: as checkName, and not the reserved `base` or `draft`. Throws INVALID_FIELD. */
export function checkExpertName(text: string, field: string): string {
  checkName(text, field);
  if (text === DRAFT)
    throw new ZmeshError('INVALID_FIELD', `${field}: "${DRAFT}" is the name of unpublished multipliers`, {
      field,
      value: text,
    });
  if (text === BASE)
    throw new ZmeshError('INVALID_FIELD', `${field}: "${BASE}" is the unadapted model's own name`, {
      field,
      value: text,
    });
  return text;
}

/** Checks an alias: a name that no version or beginning of one looks like. Throws INVALID_FIELD. */
export function checkAlias(text: string, field: string): string {
  checkName(text, field);
  if (isVersionPrefix(text))
    throw new ZmeshError('INVALID_FIELD', `${field}: "${text}" looks like a version, not an alias`, {
      field,
      value: text,
    });
  return text;
}

/** Checks a label: 1 to 64 of a-z, 0-9, `_`, `-`, and not the reserved `other`. Throws INVALID_FIELD. */
export function checkLabel(text: string, field: string): string {
  if (!LABEL.test(text))
    throw new ZmeshError(
      'INVALID_FIELD',
      `${field}: "${shorten(text)}" is not a label (1 to 64 of a-z, 0-9, _ and -)`,
      { field, value: shorten(text) },
    );
  if (text === OTHER)
    throw new ZmeshError('INVALID_FIELD', `${field}: "${OTHER}" means none of the published labels`, {
      field,
      value: text,
    });
  return text;
}

function badName(text: string, field: string): ZmeshError {
  const value = shorten(text);
  return new ZmeshError(
    'INVALID_FIELD',
    `${field}: "${value}" is not a name (1 to 64 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit)`,
    { field, value },
  );
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
