import { describeSettings, type SettingsTable } from './config.js';

const WIDTH = 110;
const INDENT = ' '.repeat(6);

/** What `--help` prints for a program with these settings. */
export function helpText(
  program: { readonly name: string; readonly about: string },
  tables: readonly { readonly title: string; readonly table: SettingsTable }[],
): string {
  const blocks = tables.map(({ title, table }) => {
    const settings = describeSettings(table).map(({ flag, env, default: value, range, help }) =>
      [
        `  ${flag}  (${env})`,
        ...wrap(`${help}. ${range}; default ${value === '' ? 'empty' : value}`).map((line) => INDENT + line),
      ].join('\n'),
    );
    return `${title}:\n\n${settings.join('\n')}`;
  });
  return [
    `zmesh ${program.name}: ${program.about}`,
    '',
    'Each setting can be given as a flag, as a variable, or in a JSON file by its name (--nats-url is "natsUrl").',
    'Flags go before variables, variables before the file, the file before defaults. An empty text is the default.',
    '',
    '  --config  (ZMESH_CONFIG)',
    `${INDENT}the JSON file`,
    '  --help',
    `${INDENT}this text`,
    '',
    blocks.join('\n\n'),
    '',
  ].join('\n');
}

/** Settings as they may be logged: secrets and the user part of URLs are replaced by ***. */
export function maskedSettings(
  table: SettingsTable,
  values: ReadonlyMap<string, unknown>,
): Readonly<Record<string, unknown>> {
  const masked = Object.entries(table).map(([name, setting]) => {
    const value = values.get(name);
    const secret = 'secret' in setting && setting.secret === true;
    return [name, secret && value !== '' ? '***' : withoutUsers(value)];
  });
  return Object.fromEntries(masked) as Readonly<Record<string, unknown>>;
}

function withoutUsers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUsers);
  return typeof value === 'string' ? value.replace(/:\/\/[^/\s,]*@/g, '://***@') : value;
}

function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && INDENT.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
