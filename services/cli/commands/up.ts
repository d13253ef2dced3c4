import { holdMesh } from '#deploy/local/hold-mesh.js';
import { readRun } from '#deploy/local/run-file.js';
import { zmeshHome } from '#shared/paths.js';
import { defineCommand } from '../command.js';
import { startDetached } from '../detached.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { numberOption } from '../values.js';
import { renderRun } from './status.js';

/** `zmesh up`: starts the local mesh and holds it. */
export const up = defineCommand({
  path: 'up',
  ownsInterrupt: true,
  summary: 'start the local mesh and hold it until Ctrl-C',
  options: {
    detach: { type: 'boolean', short: 'd', help: 'return when it is ready; stop it with "zmesh down"' },
    port: { type: 'string', short: 'p', value: 'PORT', help: 'port of the dispatcher (default a free one)' },
    model: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'a prepared model to serve (default octo-nano, the embedded one)',
    },
    replicas: {
      type: 'string',
      value: 'COUNTS',
      help: 'processes of each service, e.g. inference=2,dispatcher=2,registry=2 (default one each)',
    },
  },
  examples: [
    'up',
    'up --detach --port 7000',
    'up --model octo-nano --model smollm2-135m-instruct',
    'up --replicas inference=2,dispatcher=2',
  ],
  notes: ['Settings of the services are read from the environment; see their READMEs. Logs: .zmesh/logs.'],
  async run({ values, io }) {
    const port = numberOption('port', values.port, { min: 0, max: 65_535, integer: true });
    const env = {
      ...io.env,
      ...(port === undefined ? {} : { ZMESH_DISPATCHER_PORT: String(port) }),
      ...(values.replicas === undefined ? {} : { ZMESH_REPLICAS: values.replicas }),
      ...(values.model.length === 0 ? {} : { ZMESH_INFERENCE_MODELS: values.model.join(',') }),
    };
    const say = (line: string): void => {
      (values.json ? io.err : io.out).write(`${line}\n`);
    };
    const show = (): void => {
      const run = readRun(zmeshHome(io.env));
      if (values.json) writeJson(io.out, run ?? null);
      else if (run) io.out.write(renderRun(run));
    };
    if (values.detach) {
      await startDetached(env, io);
      show();
      return EXIT.ok;
    }
    return holdMesh({
      env,
      say,
      aside: (line) => io.err.write(`${line}\n`),
      async started() {
        show();
        say('the mesh is up; Ctrl-C stops it');
        return 'stay';
      },
    });
  },
});
