import { execFile } from 'node:child_process';

const PROBE_TIMEOUT_MS = 30_000;

/** Runs a command line to its end. Rejects with the tool's last line of complaint. */
export function runTool(
  command: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly timeoutMs: number },
): Promise<void> {
  const [file, ...args] = command;
  return new Promise((resolve, reject) => {
    execFile(file!, args, { env: options.env, timeout: options.timeoutMs }, (error, stdout, stderr) => {
      if (!error) {
        resolve();
        return;
      }
      const complaint = `${stdout}\n${stderr}`.trim().split('\n').at(-1);
      const late = error.killed ? `stopped after ${options.timeoutMs / 1000} s` : '';
      reject(new Error(`${file}: ${late || complaint || error.message}`));
    });
  });
}

/** True if the command can be run and succeeds. */
export function toolRuns(command: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  return runTool(command, { env, timeoutMs: PROBE_TIMEOUT_MS }).then(
    () => true,
    () => false,
  );
}
