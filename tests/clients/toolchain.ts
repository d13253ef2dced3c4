import { runCommand } from './run-command.js';

/** The first of these command lines that does not work on this machine; undefined if all do. */
export async function missingTool(lines: readonly (readonly string[])[]): Promise<string | undefined> {
  for (const line of lines) {
    const works = await runCommand(line).then(
      ({ code }) => code === 0,
      () => false,
    );
    if (!works) return line.join(' ');
  }
  return undefined;
}
