import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { projectRoot } from '#shared/paths.js';
import { environmentOf, readCompose } from '../../support/compose.js';

// What docker-compose.yml mounts into the collector, Jaeger, Prometheus and Grafana: that each names what is there.
const { services } = readCompose();
const read = (file: string): string => readFileSync(join(projectRoot, 'deploy', file), 'utf8');

interface Component {
  readonly endpoint?: string;
  readonly protocols?: Readonly<Record<string, { readonly endpoint: string }>>;
  readonly backends?: Readonly<Record<string, unknown>>;
  readonly storage?: { readonly traces: string };
  readonly http?: { readonly endpoint: string };
  readonly trace_storage?: string;
}
type Section = Readonly<Record<string, Component>>;
interface CollectorConfig {
  readonly receivers: Section;
  readonly processors: Section;
  readonly exporters: Section;
  readonly extensions?: Section;
  readonly service: {
    readonly extensions?: readonly string[];
    readonly pipelines: Readonly<
      Record<string, Readonly<Record<'receivers' | 'processors' | 'exporters', readonly string[]>>>
    >;
  };
}

const collector = parse(read('otel/collector.yaml')) as CollectorConfig;
const jaeger = parse(read('otel/jaeger.yaml')) as CollectorConfig;
const portOf = (endpoint = ''): string => endpoint.split(':').at(-1) ?? '';

describe('the collector and Jaeger', () => {
  it('have pipelines of components that are defined, and define none that is not used', () => {
    for (const config of [collector, jaeger]) {
      const used = Object.values(config.service.pipelines);
      for (const kind of ['receivers', 'processors', 'exporters'] as const)
        assert.deepEqual(
          Object.keys(config[kind]).sort(),
          [...new Set(used.flatMap((one) => one[kind]))].sort(),
        );
      assert.deepEqual(Object.keys(config.extensions ?? {}), config.service.extensions ?? []);
    }
  });

  it('pass traces on from the services to the storage that is shown', () => {
    const { protocols } = collector.receivers.otlp!;
    for (const name of ['dispatcher', 'expert-registry', 'inference', 'trainer']) {
      const endpoint = new URL(environmentOf(services[name]!).OTEL_EXPORTER_OTLP_ENDPOINT!);
      assert.ok(services[endpoint.hostname], `${name} sends to ${endpoint.hostname}`);
      assert.equal(endpoint.port, portOf(protocols?.http?.endpoint));
    }
    const [host = '', port] = collector.exporters['otlp/jaeger']!.endpoint!.split(':');
    assert.ok(services[host]);
    assert.equal(port, portOf(jaeger.receivers.otlp!.protocols?.grpc?.endpoint));
    const { backends = {} } = jaeger.extensions!.jaeger_storage!;
    const query = jaeger.extensions!.jaeger_query!;
    assert.deepEqual(Object.keys(backends), [query.storage?.traces]);
    assert.deepEqual(Object.keys(backends), [jaeger.exporters.jaeger_storage_exporter!.trace_storage]);
    assert.deepEqual(services.jaeger!.ports, [
      `127.0.0.1:${portOf(query.http?.endpoint)}:${portOf(query.http?.endpoint)}`,
    ]);
  });

  it('are given every variable that their configuration names', () => {
    const named = [...read('otel/jaeger.yaml').matchAll(/\$\{env:(\w+)/g)].map(([, name]) => name);
    assert.ok(named.length > 0);
    for (const name of named) assert.ok(name! in environmentOf(services.jaeger!), name);
    assert.ok(!read('otel/collector.yaml').includes('${'));
  });
});

describe('Prometheus', () => {
  it('looks for exactly the services that have metrics, at their port', () => {
    const { scrape_configs } = parse(read('prometheus/prometheus.yml')) as {
      scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    const [looked] = scrape_configs.flatMap(({ dns_sd_configs }) => dns_sd_configs);
    const measured = Object.entries(services).flatMap(([name, service]) => {
      const port = Object.entries(environmentOf(service)).find(([key]) => key.endsWith('_HTTP_PORT'))?.[1];
      return port ? [[name, Number(port)] as const] : [];
    });
    assert.deepEqual([...looked!.names].sort(), measured.map(([name]) => name).sort());
    for (const [name, port] of measured) assert.equal(port, looked!.port, name);
  });
});

describe('Grafana', () => {
  it('has sources that are services, and the dashboard where it looks for it', () => {
    const { datasources } = parse(read('grafana/provisioning/datasources/zmesh.yml')) as {
      datasources: { url: string; type: string; isDefault?: boolean }[];
    };
    for (const { url } of datasources) assert.ok(services[new URL(url).hostname], url);
    assert.deepEqual(
      datasources.filter(({ isDefault }) => isDefault).map(({ type }) => type),
      ['prometheus'],
    );
    const { providers } = parse(read('grafana/provisioning/dashboards/zmesh.yml')) as {
      providers: { options: { path: string } }[];
    };
    const mounts = new Map(
      services
        .grafana!.volumes!.map((volume) => volume.split(':') as [string, string])
        .map(([a, b]) => [b, a]),
    );
    const folder = mounts.get(providers[0]!.options.path);
    assert.equal(folder, './deploy/grafana');
    const home = environmentOf(services.grafana!).GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH!;
    assert.ok(existsSync(join(projectRoot, home.replace(providers[0]!.options.path, folder))), home);
  });
});
