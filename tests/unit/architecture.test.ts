import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ErrorReason } from '#proto/zmesh/v1/errors.js';
import { REASONS } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';
import { projectFiles, readSources, resolveImport, type Source } from '../support/sources.js';

const LINES_MAX = 500;
const MAIN_LINES_MAX = 60;

const sources = readSources();
const product = sources.filter(({ path }) => !path.startsWith('tests/'));
const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

/** Where a file belongs: `shared`, `deploy`, `tests`, `proto` or `services/<name>`. */
function areaOf(path: string): string {
  return /^services\/[^/]+/.exec(path)?.[0] ?? path.split('/')[0]!;
}

/** What may import what; a file may always import its own area. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  shared: ['proto'],
  deploy: ['proto', 'shared'],
  'services/dispatcher': ['proto', 'shared'],
  'services/expert-registry': ['proto', 'shared'],
  'services/inference': ['proto', 'shared'],
  'services/trainer': ['proto', 'shared'],
  // The command starts the local runner.
  'services/cli': ['proto', 'shared', 'deploy'],
  tests: [
    'proto',
    'shared',
    'deploy',
    ...['dispatcher', 'expert-registry', 'inference', 'trainer', 'cli'].map((name) => `services/${name}`),
  ],
};

/** The demonstration is a program of its own, above the command's parts that it shows. */
const PROGRAMS_ABOVE: Readonly<Record<string, readonly string[]>> = {
  'deploy/local/demo.ts': ['services/cli'],
};

/** Libraries that are named in one place. */
const HOME_OF: readonly { readonly library: RegExp; readonly places: readonly string[] }[] = [
  { library: /^onnxruntime-node$/, places: ['services/inference/runtime/'] },
  { library: /^(@grpc\/|grpc-health-check)/, places: ['shared/rpc/'] },
  {
    library: /^@nats-io\//,
    places: [
      'shared/events/',
      'services/expert-registry/store-jetstream.ts',
      'services/expert-registry/relay.ts',
      'services/trainer/jobs/store-jetstream.ts',
      'services/trainer/jobs/queue-jetstream.ts',
      'services/trainer/jobs/events-jetstream.ts',
    ],
  },
  { library: /^@opentelemetry\/(?!api$)/, places: ['shared/telemetry/'] },
  { library: /^pino$/, places: ['shared/log.ts'] },
  { library: /^hyparquet$/, places: ['shared/tasks/layouts/parquet.ts'] },
  { library: /^@huggingface\/(?!hub$)/, places: ['services/inference/model/'] },
  { library: /^@huggingface\/hub$/, places: ['services/inference/fetch/hub.ts'] },
];

function faults(files: readonly Source[], check: (source: Source, from: string) => boolean): string[] {
  return files.flatMap((source) =>
    source.imports.filter(({ from }) => check(source, from)).map(({ from }) => `${source.path} → ${from}`),
  );
}

describe('imports', () => {
  it('point one way: contract → shared → services and deploy → tests; no service imports another', () => {
    const wrong = faults(sources, ({ path }, from) => {
      const target = resolveImport(path, from);
      if (target === undefined) return false;
      const [area, other] = [areaOf(path), areaOf(target)];
      const allowed = [area, ...(MAY_IMPORT[area] ?? []), ...(PROGRAMS_ABOVE[path] ?? [])];
      return !allowed.includes(other);
    });
    assert.deepEqual(wrong, []);
  });

  it('cross a boundary with #, never with a path that climbs out', () => {
    const wrong = faults(sources, ({ path }, from) => {
      const target = resolveImport(path, from);
      return from.startsWith('.') && target !== undefined && areaOf(target) !== areaOf(path);
    });
    assert.deepEqual(wrong, []);
  });

  it('name each foreign library in its one place', () => {
    const wrong = faults(product, ({ path }, from) =>
      HOME_OF.some(
        ({ library, places }) => library.test(from) && !places.some((place) => path.startsWith(place)),
      ),
    );
    assert.deepEqual(wrong, []);
  });

  it('have no cycles', () => {
    const graph = new Map(
      sources.map(({ path, imports }) => [
        path,
        imports.filter(({ typeOnly }) => !typeOnly).flatMap(({ from }) => resolveImport(path, from) ?? []),
      ]),
    );
    assert.deepEqual(findCycle(graph), []);
  });

  it('leave programs alone: nothing imports a main', () => {
    assert.deepEqual(
      faults(product, (_, from) => /(^|\/)(main|demo|import|fetch|tether|publish-embedded)\.js$/.test(from)),
      [],
    );
  });
});

describe('files', () => {
  it(`have at most ${LINES_MAX} lines, a service's main at most ${MAIN_LINES_MAX}`, () => {
    const long = sources.filter(({ path, text }) => {
      const lines = text.split('\n').length - 1;
      return lines > (/^services\/[^/]+\/main\.ts$/.test(path) ? MAIN_LINES_MAX : LINES_MAX);
    });
    assert.deepEqual(
      long.map(({ path }) => path),
      [],
    );
  });

  it('are neither barrels nor drawers', () => {
    const wrong = product.filter(({ path }) => /(^|\/)(index|utils?|helpers?|common|misc)\.ts$/.test(path));
    assert.deepEqual(
      wrong.map(({ path }) => path),
      [],
    );
  });

  it('hold no path of one machine', () => {
    const machine = /\/wor[k]\/|\/far[m]\/|\/hom[e]\/[a-z]+\/|\/Use[r]s\/[a-z]+\//;
    const wrong = projectFiles()
      .filter((path) => /\.(ts|mjs|md|json|ya?ml|proto|conf)$|Dockerfile|run$/.test(path))
      .filter((path) => machine.test(read(path)));
    assert.deepEqual(wrong, []);
  });

  it('of each service explain it: README, settings table, main', () => {
    const paths = new Set(projectFiles());
    for (const service of ['dispatcher', 'expert-registry', 'inference'])
      for (const file of ['README.md', 'config.ts', 'main.ts', 'handlers.ts'])
        assert.ok(paths.has(`services/${service}/${file}`), `services/${service}/${file}`);
  });
});

describe('the catalogue of reasons', () => {
  it('is the same in the contract and in the code, gRPC codes included', () => {
    const inContract = new Map(
      [
        ...read('proto/zmesh/v1/errors.proto').matchAll(
          /\/\/ ([A-Z_]+): .*\n(?:\s*\/\/.*\n)*\s*ERROR_REASON_(\w+) = /g,
        ),
      ].map(([, code, reason]) => [reason, code]),
    );
    assert.deepEqual(Object.fromEntries(inContract), REASONS);
    const generated = Object.keys(ErrorReason).filter((name) => name !== 'UNSPECIFIED');
    assert.deepEqual(generated, Object.keys(REASONS));
  });
});

describe('dependencies', () => {
  it('each have a reason in docs/dependencies.md, and nothing else has', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >;
    const [atRunTime = '', forDevelopment = ''] = read('docs/dependencies.md').split('## For development');
    const named = (text: string): (string | undefined)[] =>
      [...text.matchAll(/^\| `([^`]+)` \| \S.* \|$/gm)].map(([, name]) => name);
    assert.deepEqual(named(atRunTime), Object.keys(dependencies).sort());
    assert.deepEqual(named(forDevelopment), Object.keys(devDependencies).sort());
  });

  it('are pinned to exact versions', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, object>;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
  });

  it('of the product are not used by tests alone, nor is a development one used by the product', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const used = new Set(
      product.flatMap(({ imports }) =>
        imports.map(({ from }) => /^(@[^/]+\/[^/]+|[^#./@][^/]*)/.exec(from)?.[0] ?? ''),
      ),
    );
    for (const name of Object.keys(dependencies!)) assert.ok(used.has(name), `${name} is not used`);
    for (const name of Object.keys(devDependencies!))
      assert.ok(!used.has(name), `${name} is used at run time`);
  });
});

/** The first cycle of a graph, as a path; empty if there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] => {
    const at = path.indexOf(node);
    if (at >= 0) return [...path.slice(at), node];
    if (done.has(node)) return [];
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle.length > 0) return cycle;
    }
    path.pop();
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const cycle = visit(node);
    if (cycle.length > 0) return cycle;
  }
  return [];
}
