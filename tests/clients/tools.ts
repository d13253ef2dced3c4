import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';
import { cacheOf } from './languages.js';
import { withProgress } from './progress.js';
import { mustRun } from './run-command.js';

/** Foreign gRPC tools as Go modules; Go's checksum database keeps what a version holds. */
const MODULES = {
  grpcurl: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4',
  'grpc-health-probe': 'github.com/grpc-ecosystem/grpc-health-probe@v0.4.61',
  ghz: 'github.com/bojand/ghz/cmd/ghz@v0.93.0',
} as const;

const INSTALL_LIMIT_MS = 10 * 60_000;

/** Path of each tool. */
export type Tools = Readonly<Record<keyof typeof MODULES | 'buf', string>>;

/** Builds the tools that the cache lacks, in the versions above. Rejects with what Go said, also where there is no Go. */
export async function foreignTools(): Promise<Tools> {
  const folder = cacheOf('tools');
  const paths: Record<string, string> = { buf: join(projectRoot, 'node_modules/.bin/buf') };
  for (const [name, module] of Object.entries(MODULES)) {
    const path = join(folder, name);
    const built = `${path}.${module.split('@')[1]}`;
    if (!existsSync(built)) {
      await withProgress(`tools: building ${name}`, () =>
        mustRun(['go', 'install', module], { env: { GOBIN: folder }, limitMs: INSTALL_LIMIT_MS }),
      );
      writeFileSync(built, '');
    }
    paths[name] = path;
  }
  return paths as Tools;
}
