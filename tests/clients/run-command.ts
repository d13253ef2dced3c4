import { spawn } from 'node:child_process';

/** How a program ended and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Where and how long a program runs. */
export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default 60 s; it is killed then. */
  readonly limitMs?: number;
  /** Written to its stdin. Default nothing. */
  readonly input?: string;
}

/** Runs a command line to its end. Rejects if it cannot be started or takes longer than `limitMs`. */
export function runCommand(command: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { cwd, env, limitMs = 60_000, input = '' } = options;
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const [file, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file!, args, {
      env: { ...outer, ...env },
      stdio: 'pipe',
      ...(cwd === undefined ? {} : { cwd }),
    });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${command.join(' ')}: not over after ${limitMs} ms\n${out}\n${err}`));
    }, limitMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    });
    // A program that ends without reading it all is judged by its status.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Runs a command line that must succeed; what it wrote to stdout. Rejects with all it wrote. */
export async function mustRun(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, out, err } = await runCommand(command, options);
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}:\n${out}\n${err}`);
  return out;
}
