import { parseArgs } from 'node:util';
import { flagOf, type Setting, type SettingsTable, type SourceName } from './config.js';
import { readSettingsFile } from './settings-file.js';

/** Values from everywhere, in the form of an environment. */
export interface GivenSettings {
  /** The process's environment, with what flags and file say put into the settings' variables. */
  readonly env: NodeJS.ProcessEnv;
  /** Where a variable's value came from: `--port`, `zmesh.json: port`, or the variable itself. */
  readonly sourceOf: SourceName;
  /** What is wrong with flags and file as such; values are checked by `loadSettings`. */
  readonly faults: readonly string[];
  /** True if `--help` was asked for. */
  readonly help: boolean;
}

/** Where values come from. */
export interface SettingsSources {
  /** The command line after the program's name. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Variable that names the settings file; the flag is `--config`. */
export const CONFIG_VARIABLE = 'ZMESH_CONFIG';

/**
 * Gathers a table's values: flags before environment before file before defaults. An empty text stands for the default, and
 * hides what a weaker source says only when it is a flag. Never throws: faults are listed, so that all are told at once.
 */
export function givenSettings(table: SettingsTable, { args, env }: SettingsSources): GivenSettings {
  const flags = readFlags(table, args);
  const faults = [...flags.faults];
  const path = flags.config ?? env[CONFIG_VARIABLE] ?? '';
  const file = path === '' ? new Map<string, string>() : readSettingsFile(path, table, faults);
  const merged: NodeJS.ProcessEnv = { ...env };
  const sources = new Map<string, string>();
  for (const [name, setting] of Object.entries(table)) {
    const flag = flags.texts.get(name);
    const fromFile = file.get(name);
    if (flag !== undefined) {
      merged[setting.env] = flag;
      sources.set(setting.env, flagOf(name));
    } else if (!env[setting.env] && fromFile !== undefined) {
      merged[setting.env] = fromFile;
      sources.set(setting.env, `${path}: ${name}`);
    }
  }
  return {
    env: merged,
    sourceOf: (variable) => sources.get(variable) ?? variable,
    faults,
    help: flags.help,
  };
}

interface Flags {
  /** By the setting's name. */
  readonly texts: ReadonlyMap<string, string>;
  readonly config: string | undefined;
  readonly help: boolean;
  readonly faults: readonly string[];
}

function readFlags(table: SettingsTable, args: readonly string[]): Flags {
  const byFlag = new Map(Object.entries(table).map(([name, setting]) => [flagOf(name), { name, setting }]));
  const texts = new Map<string, string>();
  const faults: string[] = [];
  let config: string | undefined;
  let help = false;
  for (const token of tokensOf(args, byFlag)) {
    if (token.kind === 'positional') faults.push(`${JSON.stringify(token.value)}: not a flag`);
    if (token.kind !== 'option') continue;
    const { rawName: flag, value } = token;
    const known = byFlag.get(flag);
    // What looks like a flag is one: a value of that form needs --flag=value.
    const missing = value === undefined || (token.inlineValue === false && value.startsWith('--'));
    if (flag === '--help' || flag === '-h') help = true;
    else if (flag !== '--config' && !known) faults.push(`${flag}: no such flag; --help lists them`);
    else if (known?.setting.type === 'boolean') texts.set(known.name, value ?? 'true');
    else if (missing) faults.push(`${flag}: needs a value`);
    else if (known) texts.set(known.name, value);
    else config = value;
  }
  return { texts, config, help, faults };
}

function tokensOf(args: readonly string[], byFlag: ReadonlyMap<string, { readonly setting: Setting }>) {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    help: { type: 'boolean', short: 'h' },
    config: { type: 'string' },
  };
  for (const [flag, { setting }] of byFlag)
    options[flag.slice(2)] = { type: setting.type === 'boolean' ? 'boolean' : 'string' };
  return parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens;
}
