import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { root, say } from './places.mjs';
import { composeTool } from './tools.mjs';

/** Environments under which docker-compose.yml must be whole. */
const CASES = [
  { name: 'as it stands', env: {} },
  {
    name: 'with every variable given',
    env: {
      DISPATCHER_PORTS: '7000-7003',
      TRAINER_PORTS: '7072-7073',
      METRICS_RETENTION: '2d',
      JAEGER_TRACES_MAX: '1000',
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.example:4318',
    },
  },
];

/** Reads docker-compose.yml with the parser of docker compose itself: schema, interpolation, consistency of what names what. */
export async function checkCompose() {
  const tool = await composeTool();
  const file = join(root, 'docker-compose.yml');
  for (const { name, env } of CASES) {
    const written = execFileSync(tool, ['-format', 'json', file], {
      cwd: root,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    });
    const { services } = JSON.parse(written);
    const loose = Object.entries(services).filter(
      ([, service]) => service.privileged || !service.read_only || !service.cap_drop?.includes('ALL'),
    );
    if (loose.length > 0)
      throw new Error(`docker-compose.yml: not read-only without capabilities: ${loose.map(([key]) => key)}`);
    say(`docker-compose.yml ${name}: ${Object.keys(services).length} services, as docker compose reads them`);
  }
}
