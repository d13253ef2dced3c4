import { type Command, UsageError } from './command.js';
import { COMMANDS } from './commands.js';
import { errorLines, exitCodeOf } from './errors.js';
import { EXIT } from './exit-codes.js';
import { commandHelp, programHelp } from './help.js';
import type { Io } from './io.js';

/** Runs one command line (without `node` and the program); the exit code. Errors become lines on stderr. */
export async function runCommandLine(args: readonly string[], io: Io): Promise<number> {
  const found = findCommand(args);
  try {
    if (!found) return showHelp(args, io);
    const { command, rest } = found;
    const wantsHelp = rest.includes('--help') || rest.includes('-h');
    if (wantsHelp) {
      io.out.write(command.help ?? commandHelp(command));
      return EXIT.ok;
    }
    return await command.execute(rest, io);
  } catch (error) {
    const lines = [...errorLines(error)];
    if (error instanceof UsageError) lines.push(`  see zmesh ${found ? `${found.command.path} ` : ''}--help`);
    io.err.write(`${lines.join('\n')}\n`);
    return exitCodeOf(error, io.signal.aborted);
  }
}

/** The command that a line begins with. */
export function findCommand(
  args: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } | undefined {
  for (const command of COMMANDS) {
    const words = command.path.split(' ');
    if (words.every((word, index) => args[index] === word))
      return { command, rest: args.slice(words.length) };
  }
  return undefined;
}

function showHelp(args: readonly string[], io: Io): number {
  const [first, second] = args;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    io.out.write(programHelp(COMMANDS));
    return EXIT.ok;
  }
  const isGroup = COMMANDS.some(({ path }) => path.startsWith(`${first} `));
  if (isGroup && (second === undefined || second === '--help' || second === '-h')) {
    io.out.write(programHelp(COMMANDS, first));
    return second === undefined ? EXIT.usage : EXIT.ok;
  }
  throw new UsageError(`no command "${isGroup ? `${first} ${second}` : first}"`);
}
