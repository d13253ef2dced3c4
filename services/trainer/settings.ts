import { parseSetting, rangeText, type SettingRule } from '#shared/config.js';
import { ZmeshError } from '#shared/errors.js';
import type { Algorithm } from './algorithms/algorithm.js';
import type { SettingValues } from './state.js';

/** A setting's name outside the code, in flags and in requests: `learningRate` → `learning-rate`. */
export function settingFlag(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * An algorithm's settings from texts by flag name, the rest at their defaults. Throws INVALID_FIELD with every fault at
 * once: unknown names, values that are not of the type or out of range, and settings that do not go together.
 */
export function readSettings(algorithm: Algorithm, given: Readonly<Record<string, string>>): SettingValues {
  const byFlag = new Map(Object.keys(algorithm.settings).map((name) => [settingFlag(name), name]));
  const faults: string[] = [];
  const values = defaultSettings(algorithm);
  for (const [flag, text] of Object.entries(given)) {
    const name = byFlag.get(flag);
    if (name === undefined) {
      faults.push(`${flag}: not a setting of ${algorithm.name} (${[...byFlag.keys()].join(', ')})`);
      continue;
    }
    const rule = algorithm.settings[name]!;
    const parsed = parseSetting(rule, text);
    if (parsed.fault === undefined) values[name] = parsed.value as string | number | boolean;
    else faults.push(`${flag}=${JSON.stringify(text)}: ${parsed.fault} (${rangeText(rule)})`);
  }
  if (faults.length === 0) faults.push(...algorithm.faults(values));
  if (faults.length > 0)
    throw new ZmeshError(
      'INVALID_FIELD',
      `bad settings:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
      {
        field: 'settings',
        value: faults.length,
      },
    );
  return Object.freeze(values);
}

/** Settings as texts by flag name: what readSettings reads back to the same values. */
export function writeSettings(settings: SettingValues): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [settingFlag(name), String(value)]),
  );
}

/** An algorithm's settings for people: flag, default, range, help. */
export function describeAlgorithm(
  algorithm: Algorithm,
): readonly { flag: string; default: string; range: string; help: string }[] {
  return Object.entries(algorithm.settings).map(([name, rule]) => ({
    flag: settingFlag(name),
    default: String(rule.default),
    range: rangeText(rule),
    help: rule.help,
  }));
}

function defaultSettings(algorithm: Algorithm): Record<string, string | number | boolean> {
  const rules = Object.entries(algorithm.settings) as [string, Exclude<SettingRule, { type: 'list' }>][];
  return Object.fromEntries(rules.map(([name, rule]) => [name, rule.default]));
}
