import { loadSettings } from '#shared/config.js';
import { zmeshHome } from '#shared/paths.js';
import { type LocalMesh, startMesh } from './runner.js';
import { LOCAL_SETTINGS } from './settings.js';
import { listenForStop } from './stop-signal.js';

/** How to hold a mesh. */
export interface HoldOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Hears one line for each thing done, reused or gone wrong. */
  readonly say: (line: string) => void;
  /** Hears what is not a result: how far a preparation is, and the error that ends it all. */
  readonly aside: (line: string) => void;
  /** Runs once the mesh has started; `leave` ends it, `stay` holds it until someone stops it. */
  readonly started: (mesh: LocalMesh, signal: AbortSignal) => Promise<'stay' | 'leave'>;
}

/**
 * Starts a local mesh, runs `started`, and holds the mesh until SIGINT, SIGTERM or SIGHUP; then drains it. Returns the exit
 * status: 0 after an orderly end, 1 if the mesh did not start, a service was given up or `started` failed.
 */
export async function holdMesh(options: HoldOptions): Promise<number> {
  const { env, say, aside, started } = options;
  const stop = listenForStop(say);
  let mesh: LocalMesh | undefined;
  let status = 0;
  try {
    const settings = loadSettings(LOCAL_SETTINGS, env);
    mesh = await startMesh({
      home: zmeshHome(env),
      settings,
      env,
      say,
      progress: aside,
      signal: stop.signal,
    });
    const stopped = new Promise<'stopped'>((resolve) => {
      if (stop.signal.aborted) resolve('stopped');
      stop.signal.addEventListener('abort', () => resolve('stopped'), { once: true });
    });
    const lost = mesh.lost.then((why) => Promise.reject(new Error(why)));
    const next = await Promise.race([started(mesh, stop.signal), lost]);
    if (next === 'stay') await Promise.race([stopped, lost]);
  } catch (error) {
    if (!stop.signal.aborted) {
      status = 1;
      aside(`error: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (stop.signal.aborted) say(`${(stop.signal.reason as Error).message}: draining`);
  await mesh?.stop();
  stop.dispose();
  if (mesh || stop.signal.aborted) say('stopped, no process is left');
  return status;
}
