import { formFault, type SettingForm } from './setting-form.js';

/** What a setting may be and what it is for, wherever it comes from. */
export type SettingRule =
  | {
      readonly type: 'integer' | 'number';
      readonly default: number;
      readonly min: number;
      readonly max: number;
      readonly help: string;
    }
  | {
      readonly type: 'string';
      readonly default: string;
      readonly help: string;
      readonly secret?: boolean;
      /** What a text that is not empty must look like. Default: anything. */
      readonly form?: SettingForm;
    }
  | { readonly type: 'boolean'; readonly default: boolean; readonly help: string }
  | {
      readonly type: 'choice';
      readonly default: string;
      readonly choices: readonly string[];
      readonly help: string;
    }
  | {
      readonly type: 'list';
      readonly default: readonly string[];
      readonly help: string;
      /** What each item must look like. Default: anything. */
      readonly form?: SettingForm;
    };

/** One setting of a service, and the environment variable that it comes from. */
export type Setting = SettingRule & { readonly env: string };

/** A service's settings, by name. Write it `as const satisfies SettingsTable`. */
export type SettingsTable = Readonly<Record<string, Setting>>;

type Value<S extends SettingRule> = S['type'] extends 'integer' | 'number'
  ? number
  : S['type'] extends 'boolean'
    ? boolean
    : S['type'] extends 'list'
      ? readonly string[]
      : S extends { readonly type: 'choice'; readonly choices: readonly (infer C)[] }
        ? C
        : string;

/** The values of a settings table. */
export type Settings<T extends Readonly<Record<string, SettingRule>>> = {
  readonly [K in keyof T]: Value<T[K]>;
};

/** All faults of a service's settings, one line each. */
export class SettingsError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`bad settings:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
    this.name = 'SettingsError';
    this.faults = faults;
  }
}

/** How a fault names the place that a variable's value came from. */
export type SourceName = (variable: string) => string;

const variableItself: SourceName = (variable) => variable;

/**
 * Reads a table's settings from the environment. An unset or empty variable gives the default.
 * Throws SettingsError with every fault at once. The result is frozen. Flags and files: `given-settings.ts`.
 */
export function loadSettings<T extends SettingsTable>(
  table: T,
  env: NodeJS.ProcessEnv = process.env,
  sourceOf: SourceName = variableItself,
): Settings<T> {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const text = env[setting.env];
    if (text === undefined || text === '') {
      values[name] = setting.default;
      continue;
    }
    const parsed = parseSetting(setting, text);
    if (parsed.fault === undefined) values[name] = parsed.value;
    else
      faults.push(
        `${sourceOf(setting.env)}=${isHidden(setting, text) ? '(hidden)' : JSON.stringify(text)}: ${parsed.fault}`,
      );
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return Object.freeze(values) as Settings<T>;
}

/** A secret, or an address that may have a password in it. */
function isHidden(setting: Setting, text: string): boolean {
  return ('secret' in setting && setting.secret === true) || ('form' in setting && text.includes('@'));
}

/** One setting, for people. */
export interface SettingDescription {
  /** Its key in a settings file. */
  readonly name: string;
  /** Its flag, `--nats-url`. */
  readonly flag: string;
  readonly env: string;
  readonly default: string;
  readonly range: string;
  readonly help: string;
}

/** The flag of a setting: its name in lower case with dashes. */
export const flagOf = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** A settings table as lines for people. */
export function describeSettings(table: SettingsTable): readonly SettingDescription[] {
  return Object.entries(table).map(([name, setting]) => ({
    name,
    flag: flagOf(name),
    env: setting.env,
    default: Array.isArray(setting.default) ? setting.default.join(',') : String(setting.default),
    range: rangeText(setting),
    help: setting.help,
  }));
}

/** What a setting may be, in words. */
export function rangeText(setting: SettingRule): string {
  if (setting.type === 'integer' || setting.type === 'number')
    return `${setting.type}, ${setting.min} to ${setting.max}`;
  if (setting.type === 'choice') return setting.choices.join(' | ');
  if (setting.type === 'boolean') return 'true | false';
  if (setting.type === 'list') return setting.form ? `${setting.form}, comma separated` : 'comma separated';
  return (setting.type === 'string' && setting.form) || 'text';
}

/** A setting's value from its text, or what is wrong with the text. */
export function parseSetting(setting: SettingRule, text: string): { value?: unknown; fault?: string } {
  switch (setting.type) {
    case 'integer':
    case 'number': {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      if (!Number.isFinite(value)) return { fault: 'not a number' };
      if (setting.type === 'integer' && !Number.isInteger(value)) return { fault: 'not a whole number' };
      if (value < setting.min || value > setting.max)
        return { fault: `outside ${setting.min} to ${setting.max}` };
      return { value };
    }
    case 'boolean':
      if (text === 'true' || text === '1') return { value: true };
      if (text === 'false' || text === '0') return { value: false };
      return { fault: 'neither true nor false' };
    case 'choice':
      return setting.choices.includes(text)
        ? { value: text }
        : { fault: `not one of ${setting.choices.join(', ')}` };
    case 'list': {
      const items = text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
      const { form } = setting;
      const fault = form && items.map((item) => formFault(form, item)).find((one) => one !== undefined);
      return fault === undefined ? { value: Object.freeze(items) } : { fault };
    }
    case 'string': {
      const fault = setting.form && formFault(setting.form, text);
      return fault === undefined ? { value: text } : { fault };
    }
  }
}
