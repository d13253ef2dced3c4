import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Io } from './io.js';

/** One option of a command. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: true;
  /** What stands for the value in the help, e.g. `N`. */
  readonly value?: string;
  readonly help: string;
}

/** Options by their long names. */
export type Options = Readonly<Record<string, Option>>;

/** What parsing gives for each option: false, undefined or an empty list where it was not given. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K]['type'] extends 'boolean'
    ? boolean
    : O[K] extends { readonly multiple: true }
      ? readonly string[]
      : string | undefined;
};

/** A command as the table holds it. */
export interface Command {
  /** `experts publish`. */
  readonly path: string;
  readonly summary: string;
  /** Positional arguments in the help, e.g. `<name> [file]`. */
  readonly usage: string;
  readonly options: Options;
  /** Whole lines, without `zmesh`. */
  readonly examples: readonly string[];
  /** Lines after the options. */
  readonly notes: readonly string[];
  /** Instead of the help that is made of the above. */
  readonly help?: string;
  /** True if its calls begin traces. */
  readonly traced: boolean;
  /** True if it deals with Ctrl-C by itself, through `io.onInterrupt`. */
  readonly ownsInterrupt: boolean;
  /** Runs it with what follows its path; the exit code. */
  execute(args: readonly string[], io: Io): Promise<number>;
}

/** The command line is wrong: one line, exit code 2. */
export class UsageError extends Error {}

const COMMON = {
  json: { type: 'boolean', help: 'results as JSON' },
  help: { type: 'boolean', short: 'h', help: 'this text' },
} as const satisfies Options;

/** Defines a command: its options are parsed and typed before `run` sees them. */
export function defineCommand<const O extends Options>(definition: {
  readonly path: string;
  readonly summary: string;
  readonly usage?: string;
  /** How many positional arguments it takes. Default none. */
  readonly positionals?: { readonly min: number; readonly max: number };
  readonly options: O;
  readonly examples: readonly string[];
  readonly notes?: readonly string[];
  /** True if its calls begin traces that `zmesh trace` can draw. Default false. */
  readonly traced?: boolean;
  /** True if it deals with Ctrl-C by itself. Default false: the first one aborts `io.signal`, the second ends the process. */
  readonly ownsInterrupt?: boolean;
  run(call: {
    readonly values: Values<O & typeof COMMON>;
    readonly positionals: readonly string[];
    readonly io: Io;
  }): Promise<number>;
}): Command {
  const options = { ...definition.options, ...COMMON };
  const { min, max } = definition.positionals ?? { min: 0, max: 0 };
  return {
    path: definition.path,
    summary: definition.summary,
    usage: definition.usage ?? '',
    options,
    examples: definition.examples,
    notes: definition.notes ?? [],
    traced: definition.traced ?? false,
    ownsInterrupt: definition.ownsInterrupt ?? false,
    async execute(args, io) {
      const { values, positionals } = parse(args, options);
      if (positionals.length < min || positionals.length > max)
        throw new UsageError(
          `zmesh ${definition.path} takes ${definition.usage ? definition.usage : 'no arguments'}, ${positionals.length} given`,
        );
      return definition.run({ values: values as Values<O & typeof COMMON>, positionals, io });
    },
  };
}

function parse(args: readonly string[], options: Options) {
  const config: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, { type, short, multiple }] of Object.entries(options))
    config[name] = { type, ...(short ? { short } : {}), ...(multiple ? { multiple } : {}) };
  try {
    const parsed = parseArgs({ args: [...args], options: config, allowPositionals: true });
    const values: Record<string, unknown> = {};
    for (const [name, option] of Object.entries(options))
      values[name] =
        parsed.values[name] ?? (option.type === 'boolean' ? false : option.multiple ? [] : undefined);
    return { values, positionals: parsed.positionals };
  } catch (error) {
    // Node explains how to pass such an argument in a second sentence; the help does that.
    throw new UsageError((error as Error).message.replace(/\. To specify .*$/s, ''));
  }
}
