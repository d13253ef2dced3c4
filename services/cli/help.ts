import type { Command } from './command.js';

const GAP = 2;

/** Help of one command. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(([name, option]) => [
    `${option.short ? `-${option.short}, ` : ''}--${name}${option.type === 'string' ? ` ${option.value ?? 'TEXT'}` : ''}`,
    option.multiple ? `${option.help} (may be repeated)` : option.help,
  ]);
  return [
    `zmesh ${command.path}: ${command.summary}`,
    '',
    `Usage: zmesh ${[command.path, command.usage, '[options]'].filter((part) => part !== '').join(' ')}`,
    '',
    'Options:',
    ...columns(options),
    ...(command.notes.length > 0 ? ['', ...command.notes] : []),
    '',
    'Examples:',
    ...command.examples.map((example) => `  zmesh ${example}`),
    '',
  ].join('\n');
}

/** Help of the whole program, or of the commands that begin with `prefix`. */
export function programHelp(commands: readonly Command[], prefix = ''): string {
  const shown = commands.filter(({ path }) => prefix === '' || path.startsWith(`${prefix} `));
  return [
    prefix === ''
      ? 'zmesh: a mesh that serves language models which adapt their weights to each request'
      : `zmesh ${prefix}`,
    '',
    `Usage: zmesh ${prefix === '' ? '' : `${prefix} `}<command> [options]`,
    '',
    'Commands:',
    ...columns(
      shown.map(({ path, usage, summary }) => [`${path}${usage === '' ? '' : ` ${usage}`}`, summary]),
    ),
    '',
    'zmesh <command> --help shows its options and examples.',
    'Exit codes: 0 done, 1 failed, 2 wrong command line, 130 interrupted.',
    'Addresses come from --dispatcher and --registry, from ZMESH_DISPATCHER_ADDRESS and ZMESH_REGISTRY_ADDRESS,',
    'else from the local mesh that "zmesh up" or "npm start" runs.',
    '',
  ].join('\n');
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([left = '']) => left.length)) + GAP;
  return rows.map(([left = '', right = '']) => `  ${left.padEnd(width)}${right}`);
}
