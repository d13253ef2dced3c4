import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeSettings, type SettingDescription, type SettingsTable } from '#shared/config.js';
import { projectRoot } from '#shared/paths.js';
import { PROCESS_SETTINGS } from '#shared/process-settings.js';
import { LOCAL_SETTINGS } from '../local/settings.js';
import { traceSettings } from '../local/traces/config.js';
import { COMMAND_VARIABLES, TOOL_VARIABLES } from './other-variables.js';

/** The services' tables by their names, as the built programs have them: a service that is added is found. */
export type ServiceTables = ReadonlyMap<string, SettingsTable>;

/** Reads `SETTINGS` of every service's config.js. */
export async function serviceTables(): Promise<ServiceTables> {
  const folder = join(projectRoot, 'dist/services');
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'config.js')));
  const read = async (name: string): Promise<readonly [string, SettingsTable]> => {
    const { href } = pathToFileURL(join(folder, name, 'config.js'));
    const { SETTINGS } = (await import(href)) as { readonly SETTINGS: SettingsTable };
    return [name, SETTINGS];
  };
  return new Map(await Promise.all(names.sort().map(read)));
}

/** What one sets first, by service; the README shows these. */
const SET_FIRST: Readonly<Record<string, readonly string[]>> = {
  dispatcher: ['port', 'natsUrl', 'registryAddresses', 'defaultStrategy', 'abstainThreshold'],
  'expert-registry': ['natsUrl', 'natsReplicas'],
  inference: ['models', 'kvBytes', 'slots', 'threads', 'preload'],
  trainer: ['jobsMax', 'keepDays'],
};

/** docs/settings.md, whole. */
export function settingsPage(tables: ServiceTables): string {
  const services = [...tables].flatMap(([name, table]) => [`## ${name}`, '', withFlags(table), '']);
  return [
    '# Settings',
    '',
    'Written by `npm run docs` from the tables that the programs check their settings against; a test fails where it is not current.',
    'Each service prints its own with `--help`, e.g. `node dist/services/dispatcher/main.js --help`.',
    '',
    'A setting of a service is given as a flag, as a variable, or by its name in a JSON file that `--config` or `ZMESH_CONFIG` names.',
    'Flags go before variables, variables before the file, the file before defaults; an empty text is the default. All faults are told at',
    'once, each with where it came from. The service logs what it runs with; secrets and users in URLs are masked.',
    '',
    ...services,
    '## Every service',
    '',
    withFlags(PROCESS_SETTINGS),
    '',
    'Traces and pushed metrics: the standard `OTEL_…` variables, in [shared/telemetry/README.md](../shared/telemetry/README.md).',
    '',
    '## The local mesh',
    '',
    '`npm start` and `zmesh up` read these variables and hand everything that services read on to them. Metrics are on free ports.',
    '',
    variables({ ...LOCAL_SETTINGS, ...traceSettings }),
    '',
    '## The zmesh command',
    '',
    variables(COMMAND_VARIABLES),
    '',
    '## Tools',
    '',
    variables(TOOL_VARIABLES),
    '',
  ].join('\n');
}

/** The README's table: what one sets first. */
export function readmeTable(tables: ServiceTables): string {
  const rows = Object.entries(SET_FIRST).flatMap(([service, names]) =>
    describeSettings(tables.get(service) ?? {})
      .filter(({ name }) => names.includes(name))
      .map(({ env, default: value, help }) => [service, code(env), code(value), help]),
  );
  return markdownTable(['service', 'variable', 'default', 'what'], rows);
}

/** The README with its table replaced. Throws if the marks are gone. */
export function withReadmeTable(readme: string, tables: ServiceTables): string {
  const marks = /(<!-- settings: npm run docs -->\n)[\s\S]*?(<!-- \/settings -->)/;
  if (!marks.test(readme)) throw new Error('README.md has no place for the table of settings');
  return readme.replace(
    marks,
    (_, before: string, after: string) => `${before}\n${readmeTable(tables)}\n\n${after}`,
  );
}

function withFlags(table: SettingsTable): string {
  const rows = describeSettings(table).map((setting) => [
    code(setting.flag),
    code(setting.env),
    code(setting.name),
    ...valuesOf(setting),
  ]);
  return markdownTable(['flag', 'variable', 'in the file', 'range', 'default', 'what'], rows);
}

function variables(table: SettingsTable): string {
  const rows = describeSettings(table).map((setting) => [code(setting.env), ...valuesOf(setting)]);
  return markdownTable(['variable', 'range', 'default', 'what'], rows);
}

const valuesOf = ({ range, default: value, help }: SettingDescription): readonly string[] => [
  range,
  code(value),
  help,
];

const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replace(/[|<]/g, '\\$&')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
