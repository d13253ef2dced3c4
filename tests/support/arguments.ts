/** The arguments of a long test (`npm run chaos`, `soak`, `hostile`, `evidence`): read strictly, told by `--help`. */
import { parseArgs } from 'node:util';

/** A number in a range. */
export interface NumberOption {
  readonly type: 'number';
  /** Default: undefined. */
  readonly default?: number;
  readonly min: number;
  readonly max: number;
  /** Whether 1.5 is one. */
  readonly fractions?: boolean;
  readonly help: string;
}

/** Some of the named parts, separated by commas. */
export interface PartsOption {
  readonly type: 'parts';
  readonly parts: readonly string[];
  readonly help: string;
}

/** A folder's path. */
export interface FolderOption {
  readonly type: 'folder';
  readonly help: string;
}

/** Given or not. */
export interface FlagOption {
  readonly type: 'flag';
  readonly help: string;
}

export type Options = Readonly<Record<string, NumberOption | PartsOption | FolderOption | FlagOption>>;

/** What was given, or the defaults; undefined = parts, a folder or a number without default that were not given. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends NumberOption
    ? O[K] extends { readonly default: number }
      ? number
      : number | undefined
    : O[K] extends PartsOption
      ? readonly O[K]['parts'][number][] | undefined
      : O[K] extends FlagOption
        ? boolean
        : string | undefined;
};

/** A command and what may follow it. */
export interface Usage<O extends Options> {
  /** As one types it, such as "npm run chaos". */
  readonly command: string;
  /** What it does; one sentence or more. */
  readonly about: string;
  readonly options: O;
  /** The option of type `parts` whose value may be given without its name, one part an argument. Default: none. */
  readonly bare?: string;
}

/** The arguments are wrong: one line. */
export class UsageError extends Error {}

/** Reads arguments. Throws a UsageError for what is unknown, no number or out of range; "help" if that was asked for. */
export function parseArguments<O extends Options>(
  { options, bare }: Usage<O>,
  args: readonly string[],
): Values<O> | 'help' {
  const given = rawValues(options, args, bare);
  if (given.help === true) return 'help';
  const read = Object.entries(options).map(([name, option]) => {
    const text = given[name];
    if (option.type === 'flag') return [name, text === true];
    if (typeof text !== 'string') return [name, option.type === 'number' ? option.default : undefined];
    if (option.type === 'number') return [name, numberOf(name, option, text)];
    return [name, option.type === 'parts' ? partsOf(name, option, text) : folderOf(name, text)];
  });
  return Object.fromEntries(read) as Values<O>;
}

/** Reads this process's arguments; `check` returns what is wrong with them together. Exits: 0 after help, 2 after a fault. */
export function argumentsOrExit<O extends Options>(
  usage: Usage<O>,
  check: (values: Values<O>) => string | undefined = () => undefined,
): Values<O> {
  try {
    const values = parseArguments(usage, process.argv.slice(2));
    if (values === 'help') {
      process.stdout.write(helpText(usage));
      process.exit(0);
    }
    const fault = check(values);
    if (fault !== undefined) throw new UsageError(fault);
    return values;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`error: ${error.message} (${usage.command} -- --help)\n`);
    process.exit(2);
  }
}

/** What `--help` prints. */
export function helpText({ command, about, options, bare }: Usage<Options>): string {
  const rows = Object.entries(options).map(([name, option]) => [
    name === bare ? shape(option).replaceAll(',', ' ') : `--${name} ${shape(option)}`.trimEnd(),
    option.help,
  ]);
  rows.push(['--help', 'this text']);
  const width = Math.max(...rows.map(([left]) => left!.length));
  const lines = rows.map(([left, help]) => `  ${left!.padEnd(width)}  ${help}`);
  return `${command} -- [options]\n\n${about}\n\n${lines.join('\n')}\n`;
}

function shape(option: Options[string]): string {
  if (option.type === 'flag') return '';
  if (option.type === 'parts') return option.parts.join(',');
  if (option.type === 'folder') return 'DIR';
  return `N (${rangeOf(option)}${option.default === undefined ? '' : `, default ${option.default}`})`;
}

function rawValues(options: Options, args: readonly string[], bare?: string): Record<string, unknown> {
  const entries = Object.entries(options)
    .filter(([name]) => name !== bare)
    .map(([name, { type }]) => [name, { type: type === 'flag' ? 'boolean' : 'string' } as const] as const);
  try {
    const known = { ...Object.fromEntries(entries), help: { type: 'boolean' as const, short: 'h' } };
    const { values, positionals } = parseArgs({
      args: [...args],
      options: known,
      allowPositionals: bare !== undefined,
    });
    return bare === undefined || positionals.length === 0
      ? values
      : { ...values, [bare]: positionals.join(',') };
  } catch (error) {
    throw new UsageError((error as Error).message.split(/\.? To specify |\n/)[0]);
  }
}

function numberOf(name: string, option: NumberOption, text: string): number {
  const value = (option.fractions ? /^\d+(\.\d+)?$/ : /^\d+$/).test(text) ? Number(text) : Number.NaN;
  if (value >= option.min && value <= option.max) return value;
  throw new UsageError(`--${name} is a ${rangeOf(option)}, not "${text}"`);
}

function rangeOf({ min, max, fractions }: NumberOption): string {
  return `${fractions ? '' : 'whole '}number from ${min} to ${max}`;
}

function partsOf(name: string, { parts }: PartsOption, text: string): string[] {
  const asked = text.split(',');
  const unknown = asked.find((part) => !parts.includes(part));
  if (unknown === undefined) return asked;
  throw new UsageError(`--${name} has no part "${unknown}" (${parts.join(', ')})`);
}

function folderOf(name: string, text: string): string {
  if (text !== '') return text;
  throw new UsageError(`--${name} is the path of a folder, not ""`);
}
