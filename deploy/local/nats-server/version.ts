import { execFile } from 'node:child_process';

const VERSION_TIMEOUT_MS = 10_000;

/**
 * The version a nats-server binary says it has, e.g. `2.15.1`.
 * Rejects with one sentence if it does not run or does not answer like a nats-server.
 */
export function versionOf(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(path, ['--version'], { timeout: VERSION_TIMEOUT_MS }, (error, stdout) => {
      const version = /v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
      if (version && stdout.includes('nats-server')) resolve(version);
      else if (error) reject(new Error(`${path} does not run: ${firstLine(error.message)}`));
      else
        reject(
          new Error(
            `${path} is not a nats-server: it answers --version with ${JSON.stringify(firstLine(stdout))}`,
          ),
        );
    });
  });
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}
